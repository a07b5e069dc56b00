# SPDX-License-Identifier: Apache-2.0
"""References that are images: a depth camera's or a stereo node's depth, and disparity."""

from __future__ import annotations

from typing import Any

import numpy as np

from mono_depth_ros.alignment.reference_depth import samples_from_reference_depth
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.stereo import stereo_sigma
from mono_depth_ros.config import ImageConfig, ReferenceConfig
from mono_depth_ros.errors import FrameError, SamplesError, shown
from mono_depth_ros.media.images import check_pixels
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.disparity import disparity_depth
from mono_depth_ros.messages.image import image_size
from mono_depth_ros.messages.kinds import CAMERA_INFO, DISPARITY, IMAGE
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.streams.cameras import Calibration, CameraInfos
from mono_depth_ros.streams.references.base import Context, Input, View
from mono_depth_ros.streams.references.extrinsics import same_frame
from mono_depth_ros.streams.references.topic import TopicReference

_INFO = "reference/camera_info"


class DepthReference(TopicReference):
    """`reference/depth` with `reference/camera_info`.

    Without camera_info an image of the size and frame of the one at hand is taken to be registered to it.
    """

    inputs: tuple[Input, ...] = (
        Input("reference/depth", IMAGE),
        Input(_INFO, CAMERA_INFO, depth=5, needed=False, info_of="reference/depth"),
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._infos = CameraInfos(self.rectified(), rectify=False)

    def rectified(self) -> bool:
        """Whether the reference's camera is P of its camera_info."""
        return self.context.options(ReferenceConfig).reference_rectified

    def decode(self, message: Any) -> np.ndarray:
        """(H, W) float32 metres along the optical axis."""
        return decode_depth(message)

    def sigma(self, message: Any, depth: np.ndarray) -> np.ndarray | None:
        """(H, W) float32 metres, one standard deviation of the depth, where the message implies it."""
        return None

    def add(self, name: str, message: Any) -> None:
        if name == _INFO:
            self._infos.add(message)
        else:
            super().add(name, message)

    def convert(self, message: Any, view: View, config: ReferenceConfig, place: np.ndarray) -> Samples:
        size = image_size(getattr(message, "image", message))
        check_pixels(*size, self.context.options(ImageConfig).max_image_pixels)
        depth = self.decode(message)
        sigma = self.sigma(message, depth)
        found = self._calibration(message.header, depth.shape, view)
        if found is None:
            return samples_from_reference_depth(depth, view.camera, view.camera, None, config, sigma)
        if self.rectified():
            place = self._extrinsics.of_rectified(place, message.header, found.camera, found.message, view)
        return samples_from_reference_depth(depth, found.camera, view.camera, place, config, sigma)

    def _calibration(self, header: Any, shape: tuple[int, ...], view: View) -> Calibration | None:
        """Of the reference; None where it is registered to the image."""
        height, width = shape
        info_topic = self.context.topic(_INFO)
        if self._infos.known():
            try:
                return self._infos.match(stamp_ns(header.stamp), width, height)
            except FrameError as error:
                raise SamplesError(f"{info_topic}: {error}", "reference_camera_info") from error
        same = not self._extrinsics.given and same_frame(header, view)
        same = same and (height, width) == (view.camera.height, view.camera.width)
        if same and not self.context.published(_INFO):
            self.tell_once(
                "registered",
                f"nothing publishes {info_topic}: {self.topic} is of the image's frame and size, and is taken to be "
                "registered to it, pixel by pixel",
            )
            return None
        found, frame = f"no camera_info has come on {info_topic}", shown(header.frame_id)
        raise SamplesError(
            f"{found}, expected one: {self.topic} is {width}x{height} in the frame '{frame}', the image is "
            f"{view.camera.width}x{view.camera.height} in '{shown(view.frame)}'",
            "reference_camera_info",
        )


class DisparityReference(DepthReference):
    """`reference/disparity` with `reference/camera_info`: rectified always."""

    # A stereo node's disparity lies beside the two cameras, not beside a camera_info.
    inputs = (Input("reference/disparity", DISPARITY), Input(_INFO, CAMERA_INFO, depth=5, needed=False))

    def rectified(self) -> bool:
        return True

    def decode(self, message: Any) -> np.ndarray:
        return disparity_depth(message)

    def sigma(self, message: Any, depth: np.ndarray) -> np.ndarray | None:
        return stereo_sigma(depth, float(message.f), float(message.t if hasattr(message, "t") else message.T))
