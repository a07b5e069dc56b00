# SPDX-License-Identifier: Apache-2.0
"""Quality of service, in one place. All can be overridden by the `qos_overrides.*` parameters of ROS."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions, _declare_qos_parameters
from rclpy.subscription import Subscription

from mono_depth_ros.nodes.ros.distributions import OPEN_DURABILITY, OPEN_RELIABILITY

OUTPUT = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Publishers: reliable matches every subscriber; volatile, since a late subscriber wants the next frame."""

LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Static transforms: a late subscriber gets the last message."""


def own(profile: QoSProfile) -> QoSProfile:
    """A copy for one topic: rclpy writes the overrides of a topic into the profile it is given."""
    return copy.copy(profile)


def overridable() -> QoSOverridingOptions:
    """History, depth, reliability and durability as parameters of the node."""
    kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
    return QoSOverridingOptions(kinds)


def requested(node: Node, topic: str, depth: int) -> QoSProfile:
    """What the user asks of the subscription to a resolved topic; what is left open is for `fitting`.

    rclpy declares the parameters of a subscription when it is created, and would keep a later one at what the first
    one had: hence they are declared here, whose values are what `fitting` replaces.
    """
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=OPEN_RELIABILITY, durability=OPEN_DURABILITY
    )
    _declare_qos_parameters(Subscription, node, topic, profile, overridable())
    return profile


def is_open(request: QoSProfile) -> bool:
    """Whether a request leaves both to `fitting`, so that every publisher matches."""
    return request.reliability == OPEN_RELIABILITY and request.durability == OPEN_DURABILITY


def fitting(request: QoSProfile, offers: Sequence[QoSProfile]) -> QoSProfile:
    """The request, with what it leaves open as all publishers offer it.

    Reliable where all are: best effort loses most large messages of a sender with little shared memory. Latched where
    all are: what was published once, before this node came, arrives. Without a publisher what matches every one.
    """
    profile = own(request)
    if request.reliability == OPEN_RELIABILITY:
        reliable = offers and all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
        profile.reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    if request.durability == OPEN_DURABILITY:
        latched = offers and all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
        profile.durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return profile
