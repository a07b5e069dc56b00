# SPDX-License-Identifier: Apache-2.0
"""The messages of the depth node: each made only when somebody subscribes, stamp and frame those of the image."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from mono_depth_ros.messages.camera_info import fill_camera_info
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.depth import encode_depth
from mono_depth_ros.nodes.cameras import Calibration
from mono_depth_ros.nodes.publishing import Outputs, image_message
from mono_depth_ros.pipeline import RgbdFrame
from mono_depth_ros.prediction import DepthKind

_ALWAYS = (("depth/camera_info", CameraInfo), ("depth/color", Image))
_METRIC = (("depth/image", Image), ("depth/points", PointCloud2))
_RELATIVE = (("depth/inverse", Image),)
_RECTIFIED = (("rgb/image_rect", Image), ("rgb/camera_info", CameraInfo))


def create_outputs(node: LifecycleNode, kind: DepthKind, rectify: bool, conflict: Any) -> Outputs:
    """The publishers that a model of this kind can serve: relative depth never appears as metres."""
    topics = _ALWAYS + (_METRIC if kind is DepthKind.METRIC else _RELATIVE) + (_RECTIFIED if rectify else ())
    return Outputs(node, topics, conflict)


def publish_frame(
    outputs: Outputs, header: Any, frame: RgbdFrame, calibration: Calibration, depth_encoding: str
) -> None:
    """Publish what is subscribed to."""
    if outputs.wanted("depth/image"):
        pixels = encode_depth(frame.depth.cpu().numpy(), depth_encoding)
        outputs.publish("depth/image", image_message(header, pixels, depth_encoding))
    if outputs.wanted("depth/inverse"):
        outputs.publish("depth/inverse", image_message(header, frame.prediction.values.cpu().numpy(), "32FC1"))
    for topic in ("depth/camera_info", "rgb/camera_info"):
        if outputs.wanted(topic):
            outputs.publish(topic, camera_info(header, frame, calibration))
    if outputs.wanted("rgb/image_rect"):
        outputs.publish("rgb/image_rect", image_message(header, frame.rgb.cpu().numpy(), "rgb8"))
    if outputs.wanted("depth/points"):
        cloud = PointCloud2(header=header)
        fill_cloud(cloud, frame.cloud().cpu().numpy(), PointField)
        outputs.publish("depth/points", cloud)
    if outputs.wanted("depth/color"):
        outputs.publish("depth/color", image_message(header, frame.color().cpu().numpy(), "bgr8"))


def camera_info(header: Any, frame: RgbdFrame, calibration: Calibration) -> CameraInfo:
    """The camera of the depth image: the image's own, distortion and all, or the rectified pinhole."""
    if calibration.into is not None:
        message = CameraInfo(header=header)
        fill_camera_info(message, frame.camera)
        return message
    source = calibration.message
    names = (name for name in source.get_fields_and_field_types() if name != "header")
    return CameraInfo(header=header, **{name: getattr(source, name) for name in names})
