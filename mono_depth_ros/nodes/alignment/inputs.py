# SPDX-License-Identifier: Apache-2.0
"""The depth to align: subscribed to only while somebody wants the result, so that no network runs in vain."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.config import AlignmentNodeConfig
from mono_depth_ros.errors import ImageError, shown
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.pixels import pixel_view
from mono_depth_ros.nodes.ros.subscribing import Input
from mono_depth_ros.nodes.ros.topics import IMAGES, input_topics, sibling_info
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams.cameras import KEPT, CameraInfos
from mono_depth_ros.streams.health import Feed
from mono_depth_ros.streams.loss import LossCounter
from mono_depth_ros.streams.outputs import DEPTH_TOPICS

_INFO = "depth/camera_info"
_KINDS = {
    "metric": (DepthKind.METRIC,),
    "inverse": (DepthKind.INVERSE_AFFINE,),
    "affine": (DepthKind.AFFINE,),
    "scale": (DepthKind.SCALE,),
    "auto": (DepthKind.METRIC, DepthKind.INVERSE_AFFINE, DepthKind.AFFINE),
}
"""By `prediction`. No message says that depth is up to one scale: without a word it may have a shift, too."""


class DepthInputs:
    """`depth/image`, `depth/inverse` or `depth/relative`, with `depth/camera_info`.

    With the prediction "auto" all are subscribed to, and the first one that comes is aligned; another takes its place
    once nothing has come for `input_timeout`.

    Args:
        on_depth: gets the messages to align, their kind, and when they came (time.monotonic).
        loss: counts those that were lost.

    Attributes:
        infos: the camera_info messages.
    """

    def __init__(
        self,
        node: Node,
        options: Callable[[], AlignmentNodeConfig],
        on_depth: Callable[[Any, DepthKind, float], None],
        loss: LossCounter,
    ) -> None:
        config = options()
        self._options, self._on_depth = options, on_depth
        self.infos = CameraInfos(config.rectified, rectify=False)
        self._depths = {
            kind: Input(node, Image, DEPTH_TOPICS[kind], partial(self._take, kind=kind), loss=loss)
            for kind in _KINDS[config.prediction]
        }
        self._info = Input(node, CameraInfo, _info_topic(node, _KINDS[config.prediction]), self.infos.add, KEPT)
        self._inputs = (self._info, *self._depths.values())
        self._kind: DepthKind | None = None
        self._other: DepthKind | None = None
        self._heard_s = self._other_s = -math.inf

    @property
    def opened(self) -> bool:
        """Whether depth is subscribed to."""
        return self._info.opened

    @property
    def camera_info(self) -> Feed:
        """How camera_info is doing."""
        return self._info.feed

    @property
    def feed(self) -> Feed:
        """How the topics of depth are doing together; silent since the kind that is aligned has come."""
        feeds = [item.feed for item in self._depths.values()]
        return Feed(
            " or ".join(filter(None, (", ".join(feed.topics for feed in feeds[:-1]), feeds[-1].topics))),
            sum(feed.publishers for feed in feeds),
            time.monotonic() - self._heard_s if self.opened else 0.0,
            next((feed.conflict for feed in feeds if feed.conflict), ""),
            self._kind is not None,
            next((feed.hint for feed in feeds if feed.hint), ""),
        )

    @property
    def quarrel(self) -> str:
        """A sentence where two kinds of depth come; "" else."""
        late = time.monotonic() - self._other_s > self._options().input_timeout
        if self._kind is None or self._other in (None, self._kind) or late:
            return ""
        one, other = (self._depths[kind].topic for kind in (self._kind, self._other))
        return (
            f"depth comes on two topics: {one} is aligned and {other} is not; set prediction to metric, inverse, "
            "affine or scale"
        )

    def open(self) -> None:
        """Subscribe to depth; this is what makes a lazy depth node run."""
        if self.opened:
            return
        self._heard_s, self._kind = time.monotonic(), None
        for item in self._inputs:
            item.open()

    def close(self) -> None:
        """Unsubscribe."""
        for item in self._inputs:
            item.close()

    def _take(self, message: Any, kind: DepthKind) -> None:
        now = time.monotonic()
        if self._kind not in (kind, None) and now - self._heard_s <= self._options().input_timeout:
            self._other, self._other_s = kind, now
            return
        self._kind, self._heard_s = kind, now
        self._on_depth(message, kind, now)


class ImageInputs:
    """`image` with `camera_info`, for a network that makes the depth here; as `DepthInputs` otherwise.

    Args:
        on_image: gets the messages, and when they came (time.monotonic). loss: counts those that were lost.

    Attributes:
        infos: the camera_info messages.
    """

    quarrel = ""

    def __init__(
        self,
        node: Node,
        config: AlignmentNodeConfig,
        on_image: Callable[[Any, float], None],
        loss: LossCounter,
    ) -> None:
        self._on_image = on_image
        self.infos = CameraInfos(config.rectified, rectify=False)
        topic, info, also = input_topics(node, config.image_transport)
        self._image = Input(node, IMAGES[config.image_transport], topic, self._take, loss=loss, also=also)
        self._info = Input(node, CameraInfo, info, self.infos.add, KEPT)

    @property
    def opened(self) -> bool:
        """Whether images are subscribed to."""
        return self._image.opened

    @property
    def camera_info(self) -> Feed:
        """How camera_info is doing."""
        return self._info.feed

    @property
    def feed(self) -> Feed:
        """How the images are doing."""
        return self._image.feed

    def open(self) -> None:
        """Subscribe."""
        for item in (self._info, self._image):
            item.open()

    def close(self) -> None:
        """Unsubscribe."""
        for item in (self._info, self._image):
            item.close()

    def _take(self, message: Any) -> None:
        self._on_image(message, time.monotonic())


def _info_topic(node: Node, kinds: tuple[DepthKind, ...]) -> str:
    """camera_info beside the depth, wherever that has been remapped to."""
    found = [sibling_info(node, DEPTH_TOPICS[kind], _INFO) for kind in kinds]
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
        raise ImageError(
            f"the encoding of {kind.words} is '{shown(message.encoding)}', expected 32FC1", "image_encoding"
        )
    return DepthPrediction(torch.from_numpy(pixel_view(message, np.float32, 1).astype(np.float32)), kind)
