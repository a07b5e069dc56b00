# SPDX-License-Identifier: Apache-2.0
"""Quality of service, in one place. Both can be overridden by the `qos_overrides.*` parameters of ROS."""

from __future__ import annotations

import copy

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

INPUT = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Subscriptions: best effort matches every publisher, and of a backlog only the newest frame is of use."""

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
    """History, depth and reliability as parameters of the node."""
    return QoSOverridingOptions.with_default_policies()
