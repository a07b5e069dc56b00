# SPDX-License-Identifier: Apache-2.0
"""The depth to align: subscribed to only while somebody wants the result, so that no network runs in vain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.config import AlignmentNodeConfig
from mono_depth_ros.errors import ImageError
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.pixels import pixel_view
from mono_depth_ros.nodes.ros.qos import INPUT, overridable, own
from mono_depth_ros.nodes.ros.topics import sibling_info
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams.cameras import CameraInfos

TOPICS = {DepthKind.METRIC: "depth/image", DepthKind.INVERSE_AFFINE: "depth/inverse"}
"""What a prediction comes on, by its kind."""

_INFO = "depth/camera_info"
_KINDS = {"metric": (DepthKind.METRIC,), "inverse": (DepthKind.INVERSE_AFFINE,), "auto": tuple(TOPICS)}


@dataclass(frozen=True)
class DepthMessage:
    """One message to align, and when its callback ran (time.monotonic)."""

    message: Any
    kind: DepthKind
    received_s: float


class DepthInputs:
    """`depth/image` or `depth/inverse`, with `depth/camera_info`.

    With the prediction "auto" both are subscribed to, and the first one that comes is aligned; the other takes its
    place once nothing has come for `input_timeout`.

    Args:
        on_depth: gets the messages to align.

    Attributes:
        infos: the camera_info messages. conflict: why no publisher's QoS will do, or "".
    """

    def __init__(
        self, node: Node, options: Callable[[], AlignmentNodeConfig], on_depth: Callable[[DepthMessage], None]
    ) -> None:
        config = options()
        self._node, self._options, self._on_depth = node, options, on_depth
        self._kinds = _KINDS[config.prediction]
        self.infos = CameraInfos(config.rectified, rectify=False)
        self.conflict = ""
        self._topics = {kind: node.resolve_topic_name(TOPICS[kind]) for kind in self._kinds}
        self.info_topic = _info_topic(node, self._kinds)
        self._subscriptions: list[Any] = []
        self._kind: DepthKind | None = None
        self._heard_s = self._other_s = -float("inf")

    @property
    def opened(self) -> bool:
        """Whether depth is subscribed to."""
        return bool(self._subscriptions)

    @property
    def silent_s(self) -> float:
        """How long nothing has come since depth was subscribed to."""
        return time.monotonic() - self._heard_s if self.opened else 0.0

    @property
    def topics(self) -> str:
        """The topics of depth, in words."""
        return " or ".join(self._topics.values())

    @property
    def quarrel(self) -> str:
        """A sentence where both kinds of depth come; "" else."""
        if self._kind is None or time.monotonic() - self._other_s > self._options().input_timeout:
            return ""
        other = next(topic for kind, topic in self._topics.items() if kind is not self._kind)
        return (
            f"depth comes on two topics: {self._topics[self._kind]} is aligned and {other} is not; set prediction to "
            "metric or inverse"
        )

    def publishers(self) -> int:
        """How many publishers the topics of depth have."""
        return sum(self._node.count_publishers(topic) for topic in self._topics.values())

    def open(self) -> None:
        """Subscribe to depth; this is what makes a lazy depth node run."""
        if self._subscriptions:
            return
        self._heard_s, self._kind = time.monotonic(), None
        self._subscriptions = [self._subscribe(CameraInfo, self.info_topic, self.infos.add)]
        for kind, topic in self._topics.items():
            self._subscriptions.append(self._subscribe(Image, topic, partial(self._take, kind=kind)))

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _take(self, message: Any, kind: DepthKind) -> None:
        now = time.monotonic()
        self.conflict = ""
        if self._kind not in (kind, None) and now - self._heard_s <= self._options().input_timeout:
            self._other_s = now
            return
        self._kind, self._heard_s = kind, now
        self._on_depth(DepthMessage(message, kind, now))

    def _subscribe(self, kind: type, topic: str, callback: Callable[[Any], None]) -> Any:
        sentence = f"QoS mismatch: a publisher of {topic} offers less than the qos_overrides of this node ask for"

        def conflict(_: Any) -> None:
            self.conflict = sentence

        def take(message: Any) -> None:
            callback(message)

        return self._node.create_subscription(
            kind,
            topic,
            take,
            own(INPUT),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=conflict),
            qos_overriding_options=overridable(),
        )


def _info_topic(node: Node, kinds: tuple[DepthKind, ...]) -> str:
    """camera_info beside the depth, wherever that has been remapped to."""
    found = [sibling_info(node, TOPICS[kind], _INFO) for kind in kinds]
    plain = node.resolve_topic_name(_INFO)
    return next((topic for topic in found if topic != plain), plain)


def decode_prediction(message: Any, kind: DepthKind) -> DepthPrediction:
    """A message of depth as a prediction.

    Raises:
        ImageError: another encoding than depth has, or a broken message.
    """
    if kind is DepthKind.METRIC:
        return DepthPrediction(torch.from_numpy(decode_depth(message)), kind)
    if message.encoding != "32FC1":
        raise ImageError(f"the encoding of inverse depth is '{message.encoding}', expected 32FC1", "image_encoding")
    return DepthPrediction(torch.from_numpy(pixel_view(message, np.float32, 1).astype(np.float32)), kind)
