# SPDX-License-Identifier: Apache-2.0
"""Camera poses from angles. Optical frame: x right, y down, z forward; world: z up."""

from __future__ import annotations

import math

import numpy as np


def camera_pose(x: float, y: float, z: float, yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """world_from_camera, 4x4 float64, of a camera that looks along yaw (0 is +x), pitched up and rolled by radians."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    forward = np.array([cy * cp, sy * cp, sp])
    right = np.array([sy, -cy, 0.0])
    down = np.cross(forward, right)
    pose = np.eye(4)
    pose[:3, 0] = cr * right + sr * down
    pose[:3, 1] = cr * down - sr * right
    pose[:3, 2] = forward
    pose[:3, 3] = x, y, z
    return pose
