# SPDX-License-Identifier: Apache-2.0
"""A rectified stereo pair as the reference: matched here, in the worker, once for each pair that is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from mono_depth_ros.alignment.reference_depth import samples_from_reference_depth
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.stereo import baseline_of, stereo_depth
from mono_depth_ros.config import ReferenceConfig, StereoConfig
from mono_depth_ros.errors import FrameError, SamplesError
from mono_depth_ros.messages.image import decode_image
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.alignment.references.extrinsics import Extrinsics
from mono_depth_ros.nodes.alignment.references.rectified import raw_from_rectified
from mono_depth_ros.nodes.alignment.references.source import TopicSource, View
from mono_depth_ros.nodes.ros.topics import sibling_info
from mono_depth_ros.nodes.ros.transforms import bare
from mono_depth_ros.streams.cameras import Calibration, CameraInfos
from mono_depth_ros.streams.pairing import Nearest

_KEPT = 10
_PAIR_S = 0.005  # between the exposures of a pair: with more, what moves is matched wrongly


class StereoSource(TopicSource):
    """`left` and `right`, rectified, with `left/camera_info` and `right/camera_info`."""

    def __init__(
        self, node: Node, options: Callable[[], ReferenceConfig], stereo: StereoConfig, extrinsics: Extrinsics
    ) -> None:
        self._extrinsics, self._stereo = extrinsics, stereo
        self._rights: Nearest[Any] = Nearest(_KEPT)
        self._infos = {side: CameraInfos(rectified=True, rectify=False) for side in ("left", "right")}
        super().__init__(node, Image, "left", options, depth=2)
        self.subscribe(Image, "right", self._on_right, depth=2)
        self._info_topics = {
            side: self.subscribe(CameraInfo, sibling_info(node, side, f"{side}/camera_info"), infos.add, depth=5)
            for side, infos in self._infos.items()
        }

    def convert(self, message: Any, view: View, config: ReferenceConfig) -> Samples:
        right = self._rights.nearest(stamp_ns(message.header.stamp), _PAIR_S)
        if right is None:
            raise SamplesError(
                f"no image of {self.topics()[1]} is within {1e3 * _PAIR_S:g} ms of the one of {self._topic}: are the "
                "two cameras triggered together?",
                "stereo_pair",
            )
        left, other = self._calibration("left", message), self._calibration("right", right.thing)
        found = stereo_depth(
            self._pixels("left", message),
            self._pixels("right", right.thing),
            left.camera,
            baseline_of([float(value) for value in other.message.p]),
            self._stereo,
            left.camera.cx - other.camera.cx,
        )
        return samples_from_reference_depth(
            found.depth, found.camera, view.camera, self._cam_from_left(message.header, left, view), config
        )

    def _cam_from_left(self, header: Any, left: Calibration, view: View) -> np.ndarray:
        found = self._extrinsics.cam_from(header, view.frame)
        if self._extrinsics.given or bare(header.frame_id) != bare(view.frame):
            return found
        return raw_from_rectified(left.camera, left.message, view.camera)

    def _calibration(self, side: str, message: Any) -> Calibration:
        try:
            return self._infos[side].match(stamp_ns(message.header.stamp), int(message.width), int(message.height))
        except FrameError as error:
            raise SamplesError(f"{self._info_topics[side]}: {error}", "reference_camera_info") from error

    def _pixels(self, side: str, message: Any) -> np.ndarray:
        try:
            return decode_image(message)
        except FrameError as error:
            raise SamplesError(f"the {side} image: {error}", error.reason) from error

    def _on_right(self, message: Any) -> None:
        self._rights.add(stamp_ns(message.header.stamp), message)

    def close(self) -> None:
        super().close()
        self._extrinsics.close()
