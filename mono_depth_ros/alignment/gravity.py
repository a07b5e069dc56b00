# SPDX-License-Identifier: Apache-2.0
"""Which way is up in the camera's optical frame (x right, y down, z forward): from angles, gravity or an attitude."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mono_depth_ros.errors import DataError

Floats = NDArray[np.float64]


def unit(vector: ArrayLike) -> Floats:
    """The direction of a vector (3,). Raises DataError unless it has one."""
    found: Floats = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(found)) if found.shape == (3,) else 0.0
    if not (np.isfinite(length) and length > 0.0):
        raise DataError(f"the direction up is {np.asarray(vector).tolist()}, expected three finite numbers, not all 0")
    direction: Floats = found / length
    return direction


def up_from_pitch_roll(pitch_deg: float, roll_deg: float = 0.0) -> Floats:
    """(3,) unit vector up in the optical frame of a camera that is pitched and then rolled about its own axis.

    Positive pitch looks down; positive roll turns the camera clockwise as seen from behind, its right side down, so
    that the horizon of the image rises to the right.
    """
    if not (math.isfinite(pitch_deg) and math.isfinite(roll_deg)):
        raise DataError(f"pitch and roll are {pitch_deg:g} and {roll_deg:g} degrees, expected finite numbers")
    pitch, roll = math.radians(pitch_deg), math.radians(roll_deg)
    # Before the roll up is (0, -cos, -sin); the axes of the camera turn by roll about z, so up turns back by it.
    level = math.cos(pitch)
    return np.array([-math.sin(roll) * level, -math.cos(roll) * level, -math.sin(pitch)])


def up_from_gravity(acceleration: ArrayLike, cam_from_imu: ArrayLike) -> Floats:
    """(3,) unit vector up from what an accelerometer at rest measures, which points up (REP 145), m/s^2, IMU frame.

    Args:
        acceleration: (3,). cam_from_imu: (3, 3) rotation, or (4, 4) of which the rotation is taken.

    Raises:
        DataError: an acceleration without direction, or a matrix that is not a rotation.
    """
    return unit(_rotation(cam_from_imu) @ unit(acceleration))


def up_from_attitude(quaternion_xyzw: ArrayLike, cam_from_imu: ArrayLike) -> Floats:
    """(3,) unit vector up from the `orientation` of a sensor_msgs/Imu: world_from_imu, z of the world up (REP 103).

    Raises:
        DataError: a quaternion that is not of unit length (all 0 is a driver that knows none), or no rotation.
    """
    q = np.asarray(quaternion_xyzw, dtype=np.float64)
    length = float(np.linalg.norm(q)) if q.shape == (4,) else 0.0
    if not abs(length - 1.0) < 0.01:
        raise DataError(f"the orientation is {q.tolist()}, expected a unit quaternion x y z w")
    x, y, z, w = q / length
    # The world's z axis in the IMU's frame: the last row of the rotation matrix of the quaternion.
    up_imu = np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])
    return unit(_rotation(cam_from_imu) @ up_imu)


def _rotation(matrix: ArrayLike) -> Floats:
    found = np.asarray(matrix, dtype=np.float64)
    if found.shape in ((3, 3), (4, 4)):
        turn: Floats = found[:3, :3]
        if np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) and np.linalg.det(turn) > 0:
            return turn
    raise DataError(f"cam_from_imu is {found.tolist()}, expected a rotation, 3x3, or a transform with one, 4x4")
