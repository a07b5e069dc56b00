# SPDX-License-Identifier: Apache-2.0
"""What every reference has in common: messages buffered by stamp, and samples of an image made from the nearest."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.ros.qos import INPUT, overridable, own
from mono_depth_ros.prediction import DepthPrediction
from mono_depth_ros.streams.pairing import Nearest

_KEPT = 10  # messages: a second of a lidar's
_THIN_SEED = 0x7415  # another choice than that of the samples held out, which would else all be lost or all be kept


@dataclass(frozen=True, eq=False)
class View:
    """The image that samples are wanted of: its camera, frame and stamp, and what was predicted for it."""

    stamp_ns: int
    camera: Camera
    frame: str
    prediction: DepthPrediction
    rgb: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class ReferenceMatch:
    """Samples of an image.

    Attributes:
        stamp_ns: of the reference. offset_s: that minus the image's.
        fresh: this reference was not given out before.
        local: the samples may correct the prediction locally, and not its scale and shift only.
    """

    samples: Samples
    stamp_ns: int
    offset_s: float
    fresh: bool
    local: bool = True


@dataclass(frozen=True)
class SourceFacts:
    """How a reference is doing.

    Attributes:
        topics: that it needs; "" for none. Those that nobody publishes, if there are such.
        publishers: of the needed topic that has the fewest.
        problem: "" or one sentence.
    """

    topics: str
    publishers: int
    received: int
    since_received_s: float
    problem: str


@dataclass(frozen=True)
class _Input:
    kind: type
    name: str
    topic: str
    callback: Callable[[Any], None]
    depth: int
    needed: bool


class Source(ABC):
    """A reference: its topics, and samples of an image. A callback only keeps the message.

    It is silent until `listen(True)`.
    """

    local = True

    def __init__(self, node: Node) -> None:
        self._node = node
        self._received, self._received_s, self._conflict = 0, time.monotonic(), ""
        self._inputs: list[_Input] = []
        self._subscriptions: list[Any] = []
        self._told: set[str] = set()

    @abstractmethod
    def samples(self, view: View) -> ReferenceMatch | None:
        """Those that belong to an image; None before the first message.

        To be called in the worker's thread: it decodes, and may wait for a transform.

        Raises:
            FrameError, DataError: there are none for this image; the sentence says why.
        """

    def subscribe(
        self, kind: type, name: str, callback: Callable[[Any], None], *, depth: int = 1, needed: bool = True
    ) -> str:
        """Announce a topic that `listen` subscribes to; it is returned resolved. Without a `needed` one no samples."""
        found = _Input(kind, name, self._node.resolve_topic_name(name), callback, depth, needed)
        self._inputs.append(found)
        return found.topic

    def listen(self, wanted: bool) -> None:
        """Subscribe, as all inputs do, or stop: nobody decodes a lidar's messages for no use."""
        if wanted and not self._subscriptions:
            self._received_s = time.monotonic()
            self._subscriptions = [self._subscribed(item) for item in self._inputs]
        elif not wanted:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions = []

    def _subscribed(self, item: _Input) -> Any:
        profile = own(INPUT)
        profile.depth = item.depth

        def conflict(_: Any) -> None:
            self._conflict = (
                f"QoS mismatch: a publisher of {item.topic} offers less than the qos_overrides of this node ask for"
            )

        return self._node.create_subscription(
            item.kind,
            item.name,
            item.callback,
            profile,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=conflict),
            qos_overriding_options=overridable(),
        )

    def facts(self) -> SourceFacts:
        """At this moment."""
        counts = {item.topic: self._node.count_publishers(item.topic) for item in self._inputs if item.needed}
        fewest = min(counts.values(), default=0)
        silent = [topic for topic in counts if counts[topic] == 0]
        return SourceFacts(
            ", ".join(silent or counts),
            fewest,
            self._received,
            time.monotonic() - self._received_s,
            self._conflict,
        )

    def topics(self) -> Sequence[str]:
        """The resolved topics, the reference's own first."""
        return [item.topic for item in self._inputs]

    def close(self) -> None:
        """Let go of everything."""
        self.listen(False)

    def _came(self) -> None:
        self._received += 1
        self._received_s, self._conflict = time.monotonic(), ""

    def _tell(self, key: str, sentence: str) -> None:
        """In the log, once for each key."""
        if key not in self._told:
            self._told.add(key)
            self._node.get_logger().info(sentence)


class TopicSource(Source):
    """Buffers the messages of one topic; a child says how one becomes samples, which is done once for each.

    Args:
        options: the reference's configuration at this moment.
    """

    def __init__(
        self, node: Node, kind: type, name: str, options: Callable[[], ReferenceConfig], depth: int = 1
    ) -> None:
        super().__init__(node)
        self._options = options
        self._buffer: Nearest[Any] = Nearest(_KEPT)
        self._made: tuple[Any, Samples] | None = None
        self._given: int | None = None
        self._topic = self.subscribe(kind, name, self._on_message, depth=depth)

    @abstractmethod
    def convert(self, message: Any, view: View, config: ReferenceConfig) -> Samples:
        """The samples of one message in an image with the camera and frame of `view`.

        Raises:
            FrameError, DataError: it gives none.
        """

    def samples(self, view: View) -> ReferenceMatch | None:
        if not len(self._buffer):
            return None
        config = self._options()
        match = self._buffer.nearest(view.stamp_ns, config.tolerance)
        if match is None:
            raise SamplesError(self._buffer.why_none(view.stamp_ns, config.tolerance), "reference_time")
        found = self._samples_of(match.thing, view, config)
        fresh, self._given = match.stamp_ns != self._given, match.stamp_ns
        return ReferenceMatch(found, match.stamp_ns, match.offset_s, fresh, self.local)

    def _samples_of(self, message: Any, view: View, config: ReferenceConfig) -> Samples:
        """Several images in a row may have the same message: a camera is faster than a lidar."""
        key = (view.camera, view.frame, config)
        if self._made is not None and self._made[0][0] is message and self._made[0][1] == key:
            return self._made[1]
        found = self.convert(message, view, config)
        if len(found) > config.reference_samples:
            found, _ = found.split(1 - config.reference_samples / len(found), _THIN_SEED)
        self._made = ((message, key), found)
        return found

    def _on_message(self, message: Any) -> None:
        self._came()
        if self._buffer.add(stamp_ns(message.header.stamp), message):
            self._given = None
