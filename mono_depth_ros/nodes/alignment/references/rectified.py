# SPDX-License-Identifier: Apache-2.0
"""Rectified and raw images of one camera have one frame_id, and yet their axes differ by R of the camera_info."""

from __future__ import annotations

from typing import Any

import numpy as np

from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera

_SAME = 1e-3  # of the focal length: intrinsics that went through text and back


def raw_from_rectified(rectified: Camera, info: Any, camera: Camera) -> np.ndarray:
    """(4, 4) from the axes of the rectified image to those of the image at hand, which has the same frame_id.

    Stereo calibration turns each camera by R, often by a degree and more, which are ten pixels and more. Where the
    image at hand is the rectified one, as its intrinsics tell, nothing is turned.

    Args:
        rectified: P of `info`, the sensor_msgs/CameraInfo of the reference. camera: of the image at hand.

    Raises:
        SamplesError: reason `reference_camera_info`: R is no rotation.
    """
    out = np.eye(4)
    R = np.asarray(info.r, dtype=np.float64).reshape(3, 3)  # rectified_from_raw
    if not R.any() or _is(camera, rectified):  # a driver that leaves R zero has not said that anything is turned
        return out
    if np.abs(R @ R.T - np.eye(3)).max() > 1e-3 or np.linalg.det(R) < 0:
        numbers = " ".join(f"{value:.3g}" for value in R.ravel().tolist())
        raise SamplesError(f"R of the reference's camera_info is {numbers}: not a rotation", "reference_camera_info")
    out[:3, :3] = R.T
    return out


def _is(camera: Camera, rectified: Camera) -> bool:
    if not camera.rectified:
        return False
    same = rectified.resized(camera.width, camera.height)
    return bool(np.abs(same.matrix - camera.matrix).max() < max(_SAME * camera.fx, 0.01))
