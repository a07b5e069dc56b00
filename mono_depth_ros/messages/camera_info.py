# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/CameraInfo to Camera and back. ROS 2 names the matrices k, d, r, p; ROS 1 names them K, D, R, P."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from mono_depth_ros.geometry.calibration import CameraCalibration
from mono_depth_ros.geometry.camera import Camera


def camera_from_info(msg: Any, rectified: bool, size: tuple[int, int] | None = None) -> Camera:
    """The camera of the image that comes with a CameraInfo, binning and region of interest applied.

    Args:
        msg: the message, of ROS 2 or ROS 1.
        rectified: True for `image_rect*` topics: the camera is then P, without distortion.
        size: (width, height) of the image, for a message that leaves them 0.

    Raises:
        CameraError: as `Camera.from_calibration`; reason `camera_uncalibrated` where K is still all zero.
    """
    roi = msg.roi
    return Camera.from_calibration(
        CameraCalibration(
            width=int(msg.width),
            height=int(msg.height),
            K=info_matrix(msg, "k"),
            D=info_matrix(msg, "d"),
            P=info_matrix(msg, "p"),
            model=str(msg.distortion_model),
            binning=(int(msg.binning_x), int(msg.binning_y)),
            roi=(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)),
        ),
        rectified=rectified,
        size=size,
    )


def fill_camera_info(msg: Any, camera: Camera) -> None:
    """Write a Camera into a CameraInfo of ROS 2 or ROS 1; the header is left alone.

    A pinhole is written as plumb_bob with five zeros, as drivers and simulators do, since image_geometry and others
    ask for a model's name. R is the identity, P is [K | 0], binning and region of interest are none: the camera is
    that of the very image it goes with.
    """
    pinhole = camera.model == "none"
    msg.width, msg.height = camera.width, camera.height
    msg.distortion_model = "plumb_bob" if pinhole else camera.model
    K = camera.matrix
    _set_matrix(msg, "k", K.ravel())
    _set_matrix(msg, "d", (0.0,) * 5 if pinhole else camera.distortion)
    _set_matrix(msg, "r", np.eye(3).ravel())
    _set_matrix(msg, "p", np.hstack([K, np.zeros((3, 1))]).ravel())
    msg.binning_x = msg.binning_y = 0
    roi = msg.roi
    roi.x_offset = roi.y_offset = roi.width = roi.height = 0
    roi.do_rectify = False


def copy_camera_info(source: Any, msg: Any) -> None:
    """Write a CameraInfo of ROS 1 or ROS 2 into one of ROS 2: everything but the header."""
    for name in ("height", "width", "distortion_model", "d", "k", "r", "p", "binning_x", "binning_y"):
        setattr(msg, name, getattr(source, name) if hasattr(source, name) else getattr(source, name.upper()))
    for name in ("x_offset", "y_offset", "height", "width", "do_rectify"):
        setattr(msg.roi, name, getattr(source.roi, name))


def info_matrix(msg: Any, name: str) -> tuple[float, ...]:
    """The numbers of `k`, `d`, `r` or `p` of a CameraInfo of ROS 2 or ROS 1, row by row."""
    values = getattr(msg, name) if hasattr(msg, name) else getattr(msg, name.upper())
    return tuple(float(value) for value in values)


def _set_matrix(msg: Any, name: str, values: Sequence[float] | np.ndarray) -> None:
    """rosbags serialises numpy arrays only; rclpy takes them for k, r, p, and array.array without checks for d."""
    name = name if hasattr(msg, name) else name.upper()
    if isinstance(getattr(msg, name), array.array):
        setattr(msg, name, array.array("d", values))
    else:
        setattr(msg, name, np.array(values, dtype=np.float64))
