# SPDX-License-Identifier: Apache-2.0
"""Outputs that cost nothing while nobody listens."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointField

from mono_depth_ros.errors import FrameError
from mono_depth_ros.nodes.ros.distributions import PublisherEventCallbacks
from mono_depth_ros.nodes.ros.qos import OUTPUT, overridable, own
from mono_depth_ros.nodes.ros.topics import message_class
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.outputs import KNOWN, Contents, Output, Result

COPY = "outputs to the host"
"""The stage in which a GPU computes and copies what is published, where the model is on one."""


class Outputs:
    """The publishers of a lifecycle node, by topic, and one message of each.

    The messages are kept from frame to frame: their memory is written again, since fresh pages for a cloud of 5 MB
    cost more than filling them.

    Args:
        node: creates the publishers.
        outputs: what there is to publish. prefix: goes before every topic on the wire, such as "front/".
    """

    def __init__(
        self,
        node: LifecycleNode,
        outputs: Iterable[Output],
        prefix: str = "",
    ) -> None:
        self._node, self._outputs = node, {output.topic: output for output in outputs}
        classes: dict[str, Any] = {topic: message_class(item.kind) for topic, item in self._outputs.items()}
        self._messages = {topic: message() for topic, message in classes.items()}
        self._conflict = ""
        self._lock = threading.Lock()  # a worker may be publishing when the node is cleaned up
        self._publishers = {
            topic: node.create_lifecycle_publisher(
                message,
                prefix + topic,
                own(OUTPUT),
                event_callbacks=PublisherEventCallbacks(incompatible_qos=partial(self._on_conflict, prefix + topic)),
                qos_overriding_options=overridable(),
            )
            for topic, message in classes.items()
        }

    @property
    def conflict(self) -> str:
        """A sentence where somebody subscribes with a QoS that cannot be met, and nobody else does; "" else."""
        return "" if self.subscribers() else self._conflict

    def wanted(self, topic: str) -> bool:
        """Whether the topic exists and somebody subscribes to it."""
        with self._lock:
            return topic in self._publishers and self._publishers[topic].get_subscription_count() > 0

    def subscribers(self) -> int:
        """How many subscriptions all the topics have together."""
        with self._lock:
            return sum(publisher.get_subscription_count() for publisher in self._publishers.values())

    def publish(
        self,
        monitor: Monitor,
        header: Any,
        frame: Frame,
        camera_info: Any,
        encoding: str,
        coloured: bool = True,
        ready_s: Callable[[], float] = lambda: math.nan,
    ) -> float:
        """Make and publish what is subscribed to; `monitor` gets the time of each topic. Returns `Frame.known`.

        Args: as of `Result`, and `ready_s` of the frame as of `Monitor.stage`.

        Raises:
            FrameError: reason `ended`: the publishers were destroyed meanwhile.
        """
        result = Result(frame, header, camera_info, encoding, PointField, coloured)
        wanted = [output for topic, output in self._outputs.items() if self.wanted(topic)]
        with nullcontext() if frame.device.type == "cpu" else monitor.stage(COPY, ready_s):
            contents = Contents((result, output) for output in (*wanted, KNOWN))
            contents.wait()
        for output in wanted:
            with monitor.stage(output.topic):
                message = self._messages[output.topic]
                message.header = header
                contents.fill(message, output, result)
                self._send(output.topic, message)
        return contents.known(result)

    def destroy(self) -> None:
        """Nothing is published any more from here on."""
        with self._lock:
            publishers, self._publishers = self._publishers, {}
        for publisher in publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)

    def _send(self, topic: str, message: Any) -> None:
        with self._lock:
            if topic not in self._publishers:
                raise FrameError("its publishers are gone", "ended")
            self._publishers[topic].publish(message)

    def _on_conflict(self, topic: str, _: Any) -> None:
        self._conflict = (
            f"QoS mismatch: a subscriber of {topic} asks for more than reliable and volatile; ask for less there, or "
            "set qos_overrides here"
        )
