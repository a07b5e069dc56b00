# SPDX-License-Identifier: Apache-2.0
"""Outputs that cost nothing while nobody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import LifecycleNode

from mono_depth_ros.nodes.ros.qos import OUTPUT, overridable, own


class Outputs:
    """The publishers of a lifecycle node, by topic, and one message of each.

    The messages are kept from frame to frame: their memory is written again, since fresh pages for a cloud of 5 MB
    cost more than filling them.

    Args:
        node: creates the publishers.
        topics: (relative topic, message type) of each. prefix: goes before every topic on the wire, such as "front/".
        conflict: called with a topic to which somebody subscribes with a QoS that cannot be met.
    """

    def __init__(
        self,
        node: LifecycleNode,
        topics: Iterable[tuple[str, type]],
        conflict: Callable[[str], None],
        prefix: str = "",
    ) -> None:
        topics = dict(topics)
        self._node = node
        self._messages: dict[str, Any] = {topic: kind() for topic, kind in topics.items()}
        self._publishers = {
            topic: node.create_lifecycle_publisher(
                kind,
                prefix + topic,
                own(OUTPUT),
                event_callbacks=PublisherEventCallbacks(
                    incompatible_qos=lambda _, topic=prefix + topic: conflict(topic)
                ),
                qos_overriding_options=overridable(),
            )
            for topic, kind in topics.items()
        }

    def wanted(self, topic: str) -> bool:
        """Whether the topic exists and somebody subscribes to it."""
        return topic in self._publishers and self._publishers[topic].get_subscription_count() > 0

    def subscribers(self) -> int:
        """How many subscriptions all the topics have together."""
        return sum(publisher.get_subscription_count() for publisher in self._publishers.values())

    def message(self, topic: str, header: Any) -> Any:
        """The message of a topic, to be filled anew, under the header of its image."""
        message = self._messages[topic]
        message.header = header
        return message

    def publish(self, topic: str) -> None:
        """Publish the message of a topic as it is now; it may be filled again as soon as this returns."""
        self._publishers[topic].publish(self._messages[topic])

    def destroy(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}
