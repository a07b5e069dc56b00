# SPDX-License-Identifier: Apache-2.0
"""References that are images: a depth camera's or a stereo node's depth, and disparity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from stereo_msgs.msg import DisparityImage

from mono_depth_ros.alignment.reference_depth import samples_from_reference_depth
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import FrameError, SamplesError
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.disparity import disparity_depth
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.alignment.references.extrinsics import Extrinsics
from mono_depth_ros.nodes.alignment.references.rectified import raw_from_rectified
from mono_depth_ros.nodes.alignment.references.source import TopicSource, View
from mono_depth_ros.nodes.ros.topics import sibling_info
from mono_depth_ros.nodes.ros.transforms import bare
from mono_depth_ros.streams.cameras import Calibration, CameraInfos

_INFO = "reference/camera_info"


class DepthSource(TopicSource):
    """`reference/depth` or `reference/disparity` with `reference/camera_info`.

    Without camera_info an image of the size and frame of the one at hand is taken to be registered to it.

    Args:
        reference: "depth" or "disparity". rectified: the reference's camera is P of its camera_info.
    """

    def __init__(
        self,
        node: Node,
        reference: str,
        options: Callable[[], ReferenceConfig],
        extrinsics: Extrinsics,
        rectified: bool,
    ) -> None:
        self._extrinsics = extrinsics
        disparity = reference == "disparity"
        self._decode: Callable[[Any], np.ndarray] = disparity_depth if disparity else decode_depth
        self._rectified = rectified or disparity
        self._infos = CameraInfos(self._rectified, rectify=False)
        name = f"reference/{reference}"
        super().__init__(node, DisparityImage if disparity else Image, name, options)
        # A stereo node's disparity lies beside the two cameras, not beside a camera_info.
        info = _INFO if disparity else sibling_info(node, name, _INFO)
        self._info_topic = self.subscribe(CameraInfo, info, self._infos.add, depth=5, needed=False)

    def convert(self, message: Any, view: View, config: ReferenceConfig) -> Samples:
        cam_from_reference = self._extrinsics.cam_from(message.header, view.frame)
        depth = self._decode(message)
        found = self._calibration(message.header, depth.shape, view)
        if found is None:
            return samples_from_reference_depth(depth, view.camera, view.camera, None, config)
        if self._rectified and not self._extrinsics.given and _same_frame(message.header, view):
            cam_from_reference = raw_from_rectified(found.camera, found.message, view.camera)
        return samples_from_reference_depth(depth, found.camera, view.camera, cam_from_reference, config)

    def _calibration(self, header: Any, shape: tuple[int, ...], view: View) -> Calibration | None:
        """Of the reference; None where it is registered to the image."""
        height, width = shape
        if self._infos.known():
            try:
                return self._infos.match(stamp_ns(header.stamp), width, height)
            except FrameError as error:
                raise SamplesError(f"{self._info_topic}: {error}", "reference_camera_info") from error
        same = not self._extrinsics.given and _same_frame(header, view)
        same = same and (height, width) == (view.camera.height, view.camera.width)
        if same and not self._node.count_publishers(self._info_topic):
            self._tell(
                "registered",
                f"nothing publishes {self._info_topic}: {self._topic} is of the image's frame and size, and is taken "
                "to be registered to it, pixel by pixel",
            )
            return None
        found = f"no camera_info has come on {self._info_topic}"
        raise SamplesError(
            f"{found}, expected one: {self._topic} is {width}x{height} in the frame '{header.frame_id}', the image is "
            f"{view.camera.width}x{view.camera.height} in '{view.frame}'",
            "reference_camera_info",
        )

    def close(self) -> None:
        super().close()
        self._extrinsics.close()


def _same_frame(header: Any, view: View) -> bool:
    return bool(bare(header.frame_id)) and bare(header.frame_id) == bare(view.frame)
