# SPDX-License-Identifier: Apache-2.0
"""Outputs that cost nothing while nobody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image

from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.nodes.qos import OUTPUT, overridable, own


def image_message(header: Any, pixels: np.ndarray, encoding: str) -> Image:
    """A sensor_msgs/Image with the given header: stamp and frame are the source image's."""
    message = Image(header=header)
    fill_image(message, pixels, encoding)
    return message


class Outputs:
    """The publishers of a lifecycle node, by topic.

    Args:
        node: creates the publishers.
        topics: (relative topic, message type) of each.
        conflict: called with a topic to which somebody subscribes with a QoS that cannot be met.
    """

    def __init__(
        self, node: LifecycleNode, topics: Iterable[tuple[str, type]], conflict: Callable[[str], None]
    ) -> None:
        self._node = node
        self._publishers = {
            topic: node.create_lifecycle_publisher(
                kind,
                topic,
                own(OUTPUT),
                event_callbacks=PublisherEventCallbacks(incompatible_qos=lambda _, topic=topic: conflict(topic)),
                qos_overriding_options=overridable(),
            )
            for topic, kind in topics
        }

    def __contains__(self, topic: str) -> bool:
        return topic in self._publishers

    def wanted(self, topic: str) -> bool:
        """Whether the topic exists and somebody subscribes to it."""
        return topic in self._publishers and self._publishers[topic].get_subscription_count() > 0

    def subscribers(self) -> int:
        """How many subscriptions all the topics have together."""
        return sum(publisher.get_subscription_count() for publisher in self._publishers.values())

    def publish(self, topic: str, message: Any) -> None:
        self._publishers[topic].publish(message)

    def destroy(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}
