# SPDX-License-Identifier: Apache-2.0
"""Outputs that cost nothing while nobody listens."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from sensor_msgs.msg import PointField

from mono_depth_ros.errors import FrameError
from mono_depth_ros.nodes.ros.bulk import BulkMessage
from mono_depth_ros.nodes.ros.distributions import PublisherEventCallbacks
from mono_depth_ros.nodes.ros.qos import OUTPUT, overridable, own
from mono_depth_ros.nodes.ros.session import Session
from mono_depth_ros.nodes.ros.stream import MessageStream
from mono_depth_ros.nodes.ros.topics import message_class
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.streams.obstacles import Finding
from mono_depth_ros.streams.outputs import FIRST, KNOWN, Contents, Output, Result, Room
from mono_depth_ros.streams.rates import RateLimit
from mono_depth_ros.threads import use_one_core

COPY = "outputs to the host"
"""The stage in which a GPU computes and copies what is published, where the model is on one."""


class Outputs:
    """The publishers of a stream of a lifecycle node, by topic, and one message of each.

    The messages are kept from frame to frame: their memory is written again, since fresh pages for a cloud of 5 MB
    cost more than filling them.

    Args:
        session: whose node creates the publishers, and that closes them. stream: of which all these are results.
        outputs: what there is to publish. cloud_rate: the parameter.
        prefix: goes before every topic on the wire, such as "front/".
    """

    def __init__(
        self,
        session: Session[Any],
        stream: MessageStream,
        outputs: Iterable[Output],
        cloud_rate: Callable[[], float],
        prefix: str = "",
    ) -> None:
        self._session, self._stream, self._cloud_rate, self._clouds = session, stream, cloud_rate, RateLimit()
        self._node, self._outputs = session.node, {output.topic: output for output in outputs}
        classes: dict[str, Any] = {topic: message_class(item.kind) for topic, item in self._outputs.items()}
        self._messages = {topic: _message(kind) for topic, kind in classes.items()}
        self._room = Room()
        self._conflict = ""
        self._lock = threading.Lock()
        self._sending = {topic: threading.Lock() for topic in classes}  # a worker may, when the node is cleaned up
        self._publishers = {
            topic: self._node.create_lifecycle_publisher(
                message,
                prefix + topic,
                own(OUTPUT),
                event_callbacks=PublisherEventCallbacks(incompatible_qos=partial(self._on_conflict, prefix + topic)),
                qos_overriding_options=overridable(),
            )
            for topic, message in classes.items()
        }
        session.closing(self._destroy)

    @property
    def conflict(self) -> str:
        """A sentence where somebody subscribes with a QoS that cannot be met, and nobody else does; "" else."""
        return "" if self.subscribers() else self._conflict

    def wanted(self, topic: str) -> bool:
        """Whether the topic exists and somebody subscribes to it."""
        with self._lock:
            return topic in self._publishers and self._publishers[topic].get_subscription_count() > 0

    def wanted_options(self) -> frozenset[str]:
        """The options of all topics that somebody subscribes to."""
        return frozenset(
            option for topic, item in self._outputs.items() if self.wanted(topic) for option in item.options
        )

    def subscribers(self) -> int:
        """How many subscriptions all the topics have together."""
        with self._lock:
            return sum(publisher.get_subscription_count() for publisher in self._publishers.values())

    def publish(
        self,
        header: Any,
        frame: Frame,
        camera_info: Any,
        encoding: str,
        coloured: bool = True,
        ready_s: Callable[[], float] = lambda: math.nan,
        obstacles: Finding | None = None,
    ) -> float:
        """Make and publish what is subscribed to; the monitor gets the time of each topic. Returns `Frame.known`.

        What FIRST has is out when this returns; the rest goes to the session's second thread.

        Args: as of `Result`, and `ready_s` of the frame as of `Monitor.stage`.

        Raises:
            FrameError: reason `ended` or `inactive`: of the session.
        """
        result = Result(frame, header, camera_info, encoding, PointField, coloured, obstacles, self._room)
        due = self._clouds.due(time.monotonic(), self._cloud_rate())
        wanted = [out for topic, out in self._outputs.items() if self.wanted(topic) and (due or not _is_cloud(out))]
        with nullcontext() if frame.device.type == "cpu" else self._stream.monitor.stage(COPY, ready_s):
            contents = Contents((result, output) for output in (*wanted, KNOWN))
            contents.wait()
        for output in wanted:
            if output.topic in FIRST:
                self._send(output, contents, result)
        known = contents.known(result)
        if rest := [output for output in wanted if output.topic not in FIRST]:
            self._session.behind(self._stream, partial(self._publish_rest, rest, contents, result))
        return known

    @torch.inference_mode()
    def _publish_rest(self, rest: list[Output], contents: Contents, result: Result) -> None:
        use_one_core()  # the others are the network's
        for output in rest:
            if not _is_cloud(output) or self._clouds.take(time.monotonic(), self._cloud_rate()):
                self._send(output, contents, result)

    def _destroy(self) -> None:
        """Nothing is published any more from here on."""
        with self._lock:
            publishers, self._publishers = self._publishers, {}
        for topic, publisher in publishers.items():
            with self._sending[topic]:
                self._node.destroy_lifecycle_publisher(publisher)

    def _send(self, output: Output, contents: Contents, result: Result) -> None:
        with self._stream.monitor.stage(output.topic):
            message = self._messages[output.topic]
            message.header = result.header
            if not contents.fill(message, output, result):
                return
            self._session.check()
            with self._sending[output.topic]:
                # Not while others wait to know who subscribes: for a large cloud this takes its time.
                with self._lock:
                    publisher = self._publishers.get(output.topic)
                if publisher is None:
                    raise FrameError("its publishers are gone", "ended")
                try:
                    if not isinstance(message, BulkMessage):
                        publisher.publish(message)
                    elif publisher.is_activated:
                        message.publish(publisher)
                except Exception:
                    if self._node.context.ok():
                        raise
                    raise FrameError("the process was asked to end meanwhile", "ended") from None

    def _on_conflict(self, topic: str, _: Any) -> None:
        self._conflict = (
            f"QoS mismatch: a subscriber of {topic} asks for more than reliable and volatile; ask for less there, or "
            "set qos_overrides here"
        )


def _message(kind: type) -> Any:
    return BulkMessage(kind) if "data" in kind.get_fields_and_field_types() else kind()  # type: ignore[attr-defined]


def _is_cloud(output: Output) -> bool:
    return "points" in output.options
