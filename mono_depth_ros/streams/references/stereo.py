# SPDX-License-Identifier: Apache-2.0
"""A rectified stereo pair as the reference: matched here, once for each pair that is used."""

from __future__ import annotations

from typing import Any

import numpy as np

from mono_depth_ros.alignment.reference_depth import samples_from_reference_depth
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.stereo import baseline_of, stereo_depth
from mono_depth_ros.alignment.stereo_check import check_pair
from mono_depth_ros.config import ImageConfig, ReferenceConfig, StereoConfig
from mono_depth_ros.errors import FrameError, SamplesError
from mono_depth_ros.messages.camera_info import info_matrix
from mono_depth_ros.messages.kinds import CAMERA_INFO, IMAGE
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.streams.cameras import Calibration, CameraInfos
from mono_depth_ros.streams.images import ImageReader
from mono_depth_ros.streams.pairing import Nearest
from mono_depth_ros.streams.references.base import Context, Input, View
from mono_depth_ros.streams.references.topic import TopicReference

_KEPT = 10
_PAIR_S = 0.005  # between the exposures of a pair: with more, what moves is matched wrongly


class StereoReference(TopicReference):
    """`left` and `right`, rectified, with `left/camera_info` and `right/camera_info`."""

    inputs = (
        Input("left", IMAGE, depth=2),
        Input("right", IMAGE, depth=2),
        Input("left/camera_info", CAMERA_INFO, depth=5, info_of="left"),
        Input("right/camera_info", CAMERA_INFO, depth=5, info_of="right"),
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rights: Nearest[Any] = Nearest(_KEPT)
        self._reader = ImageReader(lambda: context.options(ImageConfig), context.tell)
        self._checked = False
        self._infos = {side: CameraInfos(rectified=True, rectify=False) for side in ("left", "right")}

    def add(self, name: str, message: Any) -> None:
        if name == "left":
            super().add(name, message)
        elif name == "right":
            self._rights.add(stamp_ns(message.header.stamp), message)
        else:
            self._infos[name.partition("/")[0]].add(message)

    def convert(self, message: Any, view: View, config: ReferenceConfig, place: np.ndarray) -> Samples:
        right = self._rights.nearest(stamp_ns(message.header.stamp), _PAIR_S)
        if right is None:
            raise SamplesError(
                f"no image of {self.context.topic('right')} is within {1e3 * _PAIR_S:g} ms of the one of {self.topic}: "
                "are the two cameras triggered together?",
                "stereo_pair",
            )
        left, other = self._calibration("left", message), self._calibration("right", right.thing)
        baseline_m = baseline_of(list(info_matrix(other.message, "p")))
        pixels = self._pixels("left", message), self._pixels("right", right.thing)
        shift_px = left.camera.cx - other.camera.cx
        if not self._checked and pixels[0].shape == pixels[1].shape:
            check_pair(*pixels, shift_px)
            self._checked = True
        found = stereo_depth(*pixels, left.camera, baseline_m, self.context.options(StereoConfig), shift_px)
        cam_from_left = self._extrinsics.of_rectified(place, message.header, left.camera, left.message, view)
        return samples_from_reference_depth(found.depth, found.camera, view.camera, cam_from_left, config, found.sigma)

    def _calibration(self, side: str, message: Any) -> Calibration:
        try:
            return self._infos[side].match(stamp_ns(message.header.stamp), int(message.width), int(message.height))
        except FrameError as error:
            topic = self.context.topic(f"{side}/camera_info")
            raise SamplesError(f"{topic}: {error}", "reference_camera_info") from error

    def _pixels(self, side: str, message: Any) -> np.ndarray:
        try:
            return self._reader.rgb(message)
        except FrameError as error:
            raise SamplesError(f"the {side} image: {error}", error.reason) from error
