# SPDX-License-Identifier: Apache-2.0
"""The messages of the depth node: each made only when somebody subscribes, stamp and frame those of the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from mono_depth_ros.messages.camera_info import fill_camera_info
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.depth import encode_depth
from mono_depth_ros.nodes.cameras import Calibration
from mono_depth_ros.nodes.monitor import Monitor
from mono_depth_ros.nodes.publishing import Outputs, image_message
from mono_depth_ros.pipeline import RgbdFrame
from mono_depth_ros.prediction import DepthKind

_ALWAYS = (("depth/camera_info", CameraInfo), ("depth/color", Image))
_METRIC = (("depth/image", Image), ("depth/points", PointCloud2))
_RELATIVE = (("depth/inverse", Image),)
_RECTIFIED = (("rgb/image_rect", Image), ("rgb/camera_info", CameraInfo))


def create_outputs(node: LifecycleNode, kind: DepthKind, rectify: bool, conflict: Callable[[str], None]) -> Outputs:
    """The publishers that a model of this kind can serve: relative depth never appears as metres."""
    topics = _ALWAYS + (_METRIC if kind is DepthKind.METRIC else _RELATIVE) + (_RECTIFIED if rectify else ())
    return Outputs(node, topics, conflict)


def publish_frame(
    outputs: Outputs, monitor: Monitor, header: Any, frame: RgbdFrame, calibration: Calibration, depth_encoding: str
) -> None:
    """Make and publish what is subscribed to; `monitor` gets the time of each topic."""

    def image(pixels: torch.Tensor, encoding: str) -> Image:
        return image_message(header, pixels.cpu().numpy(), encoding)

    messages: dict[str, Callable[[], Any]] = {
        "depth/image": lambda: image_message(
            header, encode_depth(frame.depth.cpu().numpy(), depth_encoding), depth_encoding
        ),
        "depth/inverse": lambda: image(frame.prediction.values, "32FC1"),
        "depth/camera_info": lambda: camera_info(header, frame, calibration),
        "depth/points": lambda: cloud(header, frame),
        "depth/color": lambda: image(frame.color(), "bgr8"),
        "rgb/image_rect": lambda: image(frame.rgb, "rgb8"),
        "rgb/camera_info": lambda: camera_info(header, frame, calibration),
    }
    for topic, make in messages.items():
        if outputs.wanted(topic):
            with monitor.stage(topic):
                outputs.publish(topic, make())


def cloud(header: Any, frame: RgbdFrame) -> PointCloud2:
    """The organised coloured cloud of a frame."""
    message = PointCloud2(header=header)
    fill_cloud(message, frame.cloud().cpu().numpy(), PointField)
    return message


def camera_info(header: Any, frame: RgbdFrame, calibration: Calibration) -> CameraInfo:
    """The camera of the depth image: the image's own, distortion and all, or the rectified pinhole."""
    if calibration.into is not None:
        message = CameraInfo(header=header)
        fill_camera_info(message, frame.camera)
        return message
    source = calibration.message
    names = (name for name in source.get_fields_and_field_types() if name != "header")
    return CameraInfo(header=header, **{name: getattr(source, name) for name in names})
