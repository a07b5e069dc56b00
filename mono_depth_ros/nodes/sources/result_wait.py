# SPDX-License-Identifier: Apache-2.0
"""Waiting for the result of one image before the next is published: a slow network then drops none."""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node

from mono_depth_ros.messages.cdr import header_stamp_ns
from mono_depth_ros.nodes.ros.qos import OUTPUT, own
from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.nodes.ros.topics import message_class

_LOOK_S = 0.25  # between two looks whether the topic is there
_LIMIT_S = 120.0  # for one result: an image that is refused has none


class ResultWait:
    """Until the first result nothing is waited for: the network is being loaded.

    Args:
        node: subscribes. topic: of the results; their type begins with a header, which has the image's stamp.
    """

    def __init__(self, node: Node, topic: str) -> None:
        self._node, self._topic = node, node.resolve_topic_name(topic)
        self._newest_ns = self._sent_ns = 0
        self._sent_s = 0.0
        self._subscription: Any = None
        every(node, _LOOK_S, self._look)

    def sent(self, stamp_ns: int) -> None:
        """An image was published."""
        self._sent_ns, self._sent_s = stamp_ns, time.monotonic()

    def missing(self) -> bool:
        """Whether the result of the last image has not come yet."""
        return 0 < self._newest_ns < self._sent_ns and time.monotonic() - self._sent_s < _LIMIT_S

    def _look(self) -> None:
        types = dict(self._node.get_topic_names_and_types())
        kind = message_class(types[self._topic][0]) if self._subscription is None and self._topic in types else None
        if kind is not None:
            self._subscription = self._node.create_subscription(kind, self._topic, self._came, own(OUTPUT), raw=True)

    def _came(self, data: bytes) -> None:
        self._newest_ns = max(self._newest_ns, header_stamp_ns(data))
