# SPDX-License-Identifier: Apache-2.0
"""ROS 2 messages of rosbags, made to be filled and written."""

from __future__ import annotations

from typing import Any

import numpy as np

from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.camera_info import fill_camera_info
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, COMPRESSED, IMAGE, SCAN

POINT_FIELD = TYPES.types["sensor_msgs/msg/PointField"]

_NO_BYTES, _NO_RANGES = np.empty(0, dtype=np.uint8), np.empty(0, dtype=np.float32)


def header_of(source: Any) -> Any:
    """A ROS 2 header with the stamp and frame of one of ROS 1 or ROS 2."""
    stamp = source.stamp
    time = TYPES.types["builtin_interfaces/msg/Time"](int(stamp.sec), int(stamp.nanosec))
    return TYPES.types["std_msgs/msg/Header"](time, str(source.frame_id))


def empty(kind: str, header: Any) -> Any:
    """A message to fill: an Image, a CompressedImage, a PointCloud2, a LaserScan or a CameraInfo."""
    make = TYPES.types[kind]
    if kind == COMPRESSED:
        return make(header, "", _NO_BYTES)
    if kind == IMAGE:
        return make(header, 0, 0, "", 0, 0, _NO_BYTES)
    if kind == CLOUD:
        return make(header, 0, 0, [], False, 0, 0, _NO_BYTES, False)
    if kind == SCAN:
        return make(header, *([0.0] * 7), _NO_RANGES, _NO_RANGES)
    roi = TYPES.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return make(header, 0, 0, "", np.zeros(0), np.zeros(9), np.zeros(9), np.zeros(12), 0, 0, roi)


def info_from(camera: Camera, header: Any) -> Any:
    """A CameraInfo of a camera."""
    message = empty(CAMERA_INFO, header)
    fill_camera_info(message, camera)
    return message
