# SPDX-License-Identifier: Apache-2.0
"""The messages of the alignment node: made only when somebody subscribes, stamp and frame those of the depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from mono_depth_ros.messages.cloud import XYZRGB, XYZRGBNORMAL, CloudLayout, fill_cloud
from mono_depth_ros.messages.depth import encode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.nodes.depth.outputs import copy_camera_info
from mono_depth_ros.nodes.ros.publishing import Outputs
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.streams.monitor import Monitor

POINTS = "aligned/points"
_TOPICS = (("aligned/image", Image), ("aligned/camera_info", CameraInfo), (POINTS, PointCloud2))
_COLOUR = [name for name, _ in XYZRGB.columns].index("rgb")


def create_outputs(node: LifecycleNode, conflict: Callable[[str], None]) -> Outputs:
    """The publishers of the alignment node; `conflict` gets a topic whose subscriber's QoS cannot be met."""
    return Outputs(node, _TOPICS, conflict)


def publish_aligned(
    outputs: Outputs,
    monitor: Monitor,
    header: Any,
    frame: Frame,
    camera_info: CameraInfo,
    encoding: str,
    coloured: bool,
) -> None:
    """Publish what is subscribed to; `monitor` gets the time of each topic.

    Args:
        camera_info: that of the depth, which is given on as it is.
        coloured: `frame.rgb` is an image. If not, points are x, y, z only: no colour is made up.
    """

    def image() -> None:
        depth = encode_depth(frame.depth.cpu().numpy(), encoding)
        fill_image(outputs.message("aligned/image", header), depth, encoding)

    def info() -> None:
        copy_camera_info(camera_info, outputs.message("aligned/camera_info", header))

    def points() -> None:
        layout = XYZRGBNORMAL if frame.config.cloud_normals else XYZRGB
        packed = frame.packed_cloud().cpu().numpy()
        if not coloured:
            packed = np.delete(packed, _COLOUR, axis=-1)
            layout = CloudLayout(tuple(column for column in layout.columns if column[0] != "rgb"))
        fill_cloud(outputs.message(POINTS, header), packed, PointField, layout)

    for topic, fill in (("aligned/image", image), ("aligned/camera_info", info), (POINTS, points)):
        if outputs.wanted(topic):
            with monitor.stage(topic):
                fill()
                outputs.publish(topic)
