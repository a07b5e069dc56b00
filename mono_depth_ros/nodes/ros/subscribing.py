# SPDX-License-Identifier: Apache-2.0
"""Subscribing, for every input of every node."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node

from mono_depth_ros.nodes.ros.qos import INPUT, overridable, own
from mono_depth_ros.streams.health import Feed


class Input:
    """One topic to listen to, silent until `open`; best effort, unless its `qos_overrides` say otherwise.

    Args:
        kind: the message type. name: of the topic, before remapping. callback: gets the messages, in the executor.
        depth: messages that may wait for the executor.

    Attributes:
        topic: the resolved name. received_s: when the last message came (time.monotonic); -inf before the first.
        conflict: a sentence where a publisher's QoS does not match, until a message comes; "" else.
    """

    def __init__(self, node: Node, kind: type, name: str, callback: Callable[[Any], None], depth: int = 1) -> None:
        self.topic = node.resolve_topic_name(name)
        self.received_s, self.conflict = -math.inf, ""
        self._node, self._kind, self._name, self._callback, self._depth = node, kind, name, callback, depth
        self._subscription: Any = None
        self._opened_s = time.monotonic()

    @property
    def opened(self) -> bool:
        """Whether it is subscribed to."""
        return self._subscription is not None

    @property
    def feed(self) -> Feed:
        """How it is doing at this moment; silent since the last message, or since it was opened."""
        silent_s = time.monotonic() - max(self.received_s, self._opened_s)
        return Feed(self.topic, self._node.count_publishers(self.topic), silent_s, self.conflict)

    def open(self) -> None:
        """Subscribe, unless that is done already."""
        if self.opened:
            return
        profile = own(INPUT)
        profile.depth = self._depth
        self._opened_s = time.monotonic()
        self._subscription = self._node.create_subscription(
            self._kind,
            self._name,
            self._take,
            profile,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_conflict),
            qos_overriding_options=overridable(),
        )

    def close(self) -> None:
        """Unsubscribe."""
        if self.opened:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def _take(self, message: Any) -> None:
        self.received_s, self.conflict = time.monotonic(), ""
        self._callback(message)

    def _on_conflict(self, _: Any) -> None:
        self.conflict = (
            f"QoS mismatch: a publisher of {self.topic} offers less than the qos_overrides of this node ask for; "
            "remove them, the default matches every publisher"
        )
