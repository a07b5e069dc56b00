# SPDX-License-Identifier: Apache-2.0
"""The colours of the aligned cloud: images kept until the depth that was made of them arrives."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node

from mono_depth_ros.config import ImageConfig
from mono_depth_ros.errors import FrameError
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.ros.subscribing import Input
from mono_depth_ros.nodes.ros.topics import IMAGES, input_topics
from mono_depth_ros.streams.images import ImageReader

_MOST_BYTES = 256 << 20  # a slow network is seconds late, and an image of its depth's stamp is wanted all the same


class Colours:
    """Subscribes to `image` while somebody wants coloured points.

    Args:
        transport: "raw" or "compressed". options: how images are decoded, at this moment.
    """

    def __init__(self, node: Node, transport: str, options: Callable[[], ImageConfig]) -> None:
        self._reader = ImageReader(options, node.get_logger().warning)
        topic, _, also = input_topics(node, transport)
        self._input = Input(node, IMAGES[transport], topic, self._add, also=also)
        self._lock = threading.Lock()
        self._images: deque[Any] = deque()
        self._bytes = 0

    @property
    def topic(self) -> str:
        """The resolved name of the moment."""
        return self._input.topic

    def open(self, wanted: bool) -> None:
        """Subscribe, or unsubscribe and forget."""
        if wanted:
            self._input.open()
            return
        self._input.close()
        with self._lock:
            self._images.clear()
            self._bytes = 0

    def of(self, depth_stamp_ns: int, size: tuple[int, int], tolerance_s: float) -> np.ndarray:
        """(H, W, 3) uint8 RGB of the image with this very stamp, else of the one nearest in time.

        Images before this stamp are forgotten: the next depth is a later one.

        Args:
            size: (height, width) that the image must have. tolerance_s: nearest means this near.

        Raises:
            FrameError: there is none, or none of this size; the sentence says why.
        """
        with self._lock:
            nearest = min(self._images, key=lambda m: abs(stamp_ns(m.header.stamp) - depth_stamp_ns), default=None)
            while self._images and stamp_ns(self._images[0].header.stamp) < depth_stamp_ns:
                self._bytes -= len(self._images.popleft().data)
        if nearest is None:
            raise FrameError(f"no image has come on {self.topic}", "colour_missing")
        offset_s = (stamp_ns(nearest.header.stamp) - depth_stamp_ns) / 1e9
        if abs(offset_s) > tolerance_s:
            raise FrameError(
                f"the nearest image of {self.topic} is {abs(offset_s):.3g} s {'after' if offset_s > 0 else 'before'} "
                f"the depth, expected at most {tolerance_s:g} s",
                "colour_missing",
            )
        width, height = self._reader.size(nearest)
        if (height, width) != size:
            found = f"{width}x{height}"
            raise FrameError(
                f"the image of {self.topic} is {found}, expected {size[1]}x{size[0]}, that of the depth: with rectify "
                "the depth is of rgb/image_rect",
                "colour_size",
            )
        return self._reader.rgb(nearest)

    def _add(self, message: Any) -> None:
        with self._lock:
            self._images.append(message)
            self._bytes += len(message.data)
            while self._bytes > _MOST_BYTES and len(self._images) > 1:
                self._bytes -= len(self._images.popleft().data)
