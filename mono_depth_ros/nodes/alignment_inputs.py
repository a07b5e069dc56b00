# SPDX-License-Identifier: Apache-2.0
"""The depth to align: subscribed to only while somebody wants the result, so that no network runs in vain."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.errors import FrameError
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.image import decode_image
from mono_depth_ros.messages.pixels import pixel_view
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.cameras import CameraInfos
from mono_depth_ros.nodes.qos import INPUT, overridable, own
from mono_depth_ros.prediction import DepthKind, DepthPrediction

TOPICS = {DepthKind.METRIC: "depth/image", DepthKind.INVERSE_AFFINE: "depth/inverse"}
"""What a prediction comes on, by its kind."""

_KINDS = {"metric": (DepthKind.METRIC,), "inverse": (DepthKind.INVERSE_AFFINE,), "auto": tuple(TOPICS)}
_IMAGES = 8  # colour images that wait for the depth made of them


@dataclass(frozen=True)
class DepthMessage:
    """One message to align, and when its callback ran (time.monotonic)."""

    message: Any
    kind: DepthKind
    received_s: float


class DepthInputs:
    """`depth/image` or `depth/inverse` with `depth/camera_info`, and `image` for the colours of the cloud.

    Args:
        prediction: of AlignmentNodeConfig: which of the two; "auto" subscribes to both, and what comes decides.
        on_depth: gets every message of depth. on_conflict: called with a sentence when no publisher's QoS will do.
    """

    def __init__(
        self,
        node: Node,
        prediction: str,
        on_depth: Callable[[Any, DepthKind], None],
        on_conflict: Callable[[str], None],
    ) -> None:
        self._node, self._on_depth, self._on_conflict = node, on_depth, on_conflict
        self.kinds = _KINDS[prediction]
        self.infos = CameraInfos(rectified=False, rectify=False)
        self.topics = {kind: node.resolve_topic_name(TOPICS[kind]) for kind in self.kinds}
        self._images: deque[Any] = deque(maxlen=_IMAGES)
        self._subscriptions: list[Any] = []
        self._colours: Any = None

    @property
    def opened(self) -> bool:
        """Whether depth is subscribed to."""
        return bool(self._subscriptions)

    def publishers(self) -> int:
        """How many publishers the topics of depth have."""
        return sum(self._node.count_publishers(topic) for topic in self.topics.values())

    def open(self) -> None:
        """Subscribe to depth; this is what makes a lazy depth node run."""
        if self._subscriptions:
            return
        self._subscriptions = [self._subscribe(CameraInfo, "depth/camera_info", self.infos.add)]
        for kind, topic in TOPICS.items():
            if kind in self.kinds:
                callback = lambda message, kind=kind: self._on_depth(message, kind)  # noqa: E731
                self._subscriptions.append(self._subscribe(Image, topic, callback))

    def colours(self, wanted: bool) -> None:
        """Subscribe to the colour image while somebody wants the cloud."""
        if wanted and self._colours is None:
            self._colours = self._subscribe(Image, "image", lambda message: self._images.append(message))
        elif not wanted and self._colours is not None:
            self._node.destroy_subscription(self._colours)
            self._colours = None
            self._images.clear()

    def close(self) -> None:
        """Unsubscribe from everything."""
        self.colours(False)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def colour_of(self, image_stamp_ns: int, size: tuple[int, int]) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB of the image with this very stamp and size (height, width), if it has come."""
        for message in reversed(tuple(self._images)):
            if stamp_ns(message.header.stamp) == image_stamp_ns and (message.height, message.width) == size:
                return decode_image(message)
        return None

    def _subscribe(self, kind: type, name: str, callback: Callable[[Any], None]) -> Any:
        topic = self._node.resolve_topic_name(name)
        sentence = f"QoS mismatch: a publisher of {topic} offers less than the qos_overrides of this node ask for"
        return self._node.create_subscription(
            kind,
            name,
            callback,
            own(INPUT),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda _: self._on_conflict(sentence)),
            qos_overriding_options=overridable(),
        )


def decode_prediction(message: Any, kind: DepthKind) -> DepthPrediction:
    """A message of depth as a prediction.

    Raises:
        ImageError: another encoding than depth has, or a broken message.
    """
    if kind is DepthKind.METRIC:
        return DepthPrediction(torch.from_numpy(decode_depth(message)), kind)
    if message.encoding != "32FC1":
        raise FrameError(f"inverse depth is '{message.encoding}', expected 32FC1", "image_encoding")
    return DepthPrediction(torch.from_numpy(pixel_view(message, np.float32, 1).astype(np.float32)), kind)
