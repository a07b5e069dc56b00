# SPDX-License-Identifier: Apache-2.0
"""The messages of the depth node: each made only when somebody subscribes, stamp and frame those of the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from mono_depth_ros.messages.camera_info import fill_camera_info
from mono_depth_ros.messages.cloud import XYZRGB, XYZRGBNORMAL, fill_cloud
from mono_depth_ros.messages.depth import encode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.nodes.ros.publishing import Outputs
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.streams.cameras import Calibration
from mono_depth_ros.streams.monitor import Monitor

_ALWAYS = (("depth/camera_info", CameraInfo), ("depth/color", Image))
_NORMALS = (("depth/normals", Image),)
_CONFIDENCE = (("depth/confidence", Image),)
_METRIC = (("depth/image", Image), ("depth/points", PointCloud2), *_NORMALS)
_RELATIVE = (("depth/inverse", Image),)
_RECTIFIED = (("rgb/image_rect", Image), ("rgb/camera_info", CameraInfo))


def create_outputs(
    node: LifecycleNode, spec: ModelSpec, rectify: bool, conflict: Callable[[str], None], prefix: str = ""
) -> Outputs:
    """The publishers that a model can serve: relative depth never appears as metres."""
    topics = _ALWAYS + (_METRIC if spec.kind is DepthKind.METRIC else _RELATIVE) + (_RECTIFIED if rectify else ())
    if spec.normals and spec.kind is not DepthKind.METRIC:
        topics += _NORMALS
    if spec.confidence:
        topics += _CONFIDENCE
    return Outputs(node, topics, conflict, prefix)


def publish_frame(
    outputs: Outputs, monitor: Monitor, header: Any, frame: Frame, calibration: Calibration, depth_encoding: str
) -> None:
    """Make and publish what is subscribed to; `monitor` gets the time of each topic."""
    for topic, fill in _FILL.items():
        if outputs.wanted(topic):
            with monitor.stage(topic):
                fill(outputs.message(topic, header), frame, calibration, depth_encoding)
                outputs.publish(topic)


def _depth(message: Image, frame: Frame, calibration: Calibration, encoding: str) -> None:
    fill_image(message, encode_depth(frame.depth.cpu().numpy(), encoding), encoding)


def _inverse(message: Image, frame: Frame, *_: Any) -> None:
    fill_image(message, frame.prediction.values.cpu().numpy(), "32FC1")


def _points(message: PointCloud2, frame: Frame, *_: Any) -> None:
    layout = XYZRGBNORMAL if frame.config.cloud_normals else XYZRGB
    fill_cloud(message, frame.packed_cloud().cpu().numpy(), PointField, layout)


def _normals(message: Image, frame: Frame, *_: Any) -> None:
    fill_image(message, frame.normals.cpu().numpy(), "32FC3")


def _confidence(message: Image, frame: Frame, *_: Any) -> None:
    assert frame.prediction.confidence is not None, "the model's spec says that it gives confidence"
    fill_image(message, frame.prediction.confidence.cpu().numpy(), "32FC1")


def _color(message: Image, frame: Frame, *_: Any) -> None:
    fill_image(message, frame.color().cpu().numpy(), "bgr8")


def _rgb(message: Image, frame: Frame, *_: Any) -> None:
    fill_image(message, frame.rgb.cpu().numpy(), "rgb8")


def _camera_info(message: CameraInfo, frame: Frame, calibration: Calibration, _: str) -> None:
    """The camera of the depth image: the image's own, distortion and all, or the rectified pinhole."""
    if calibration.into is not None:
        fill_camera_info(message, frame.camera)
    else:
        copy_camera_info(calibration.message, message)


def copy_camera_info(source: CameraInfo, message: CameraInfo) -> None:
    """Everything but the header."""
    for name in source.get_fields_and_field_types():
        if name != "header":
            setattr(message, name, getattr(source, name))


_FILL: dict[str, Callable[..., None]] = {
    "depth/image": _depth,
    "depth/inverse": _inverse,
    "depth/camera_info": _camera_info,
    "depth/points": _points,
    "depth/normals": _normals,
    "depth/confidence": _confidence,
    "depth/color": _color,
    "rgb/image_rect": _rgb,
    "rgb/camera_info": _camera_info,
}
