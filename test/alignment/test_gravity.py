# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from mono_depth_ros.alignment.gravity import up_from_attitude, up_from_gravity, up_from_pitch_roll
from mono_depth_ros.errors import DataError
from mono_depth_ros.world.pose import camera_pose

CAM_FROM_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])  # x forward, y left, z up


def test_a_level_camera_has_up_against_its_y():
    assert np.allclose(up_from_pitch_roll(0.0), (0, -1, 0))


def test_positive_pitch_looks_down():
    assert np.allclose(up_from_pitch_roll(90.0), (0, 0, -1))


@pytest.mark.parametrize(("pitch", "roll"), [(10.0, 0.0), (0.0, 7.0), (-25.0, 13.0), (40.0, -170.0)])
def test_pitch_and_roll_agree_with_the_pose_of_the_synthetic_world(pitch: float, roll: float):
    pose = camera_pose(1.0, 2.0, 3.0, 0.7, math.radians(-pitch), math.radians(roll))
    assert np.allclose(up_from_pitch_roll(pitch, roll), pose[2, :3])


def test_an_accelerometer_at_rest_points_up():
    assert np.allclose(up_from_gravity((0.0, 0.0, 9.81), CAM_FROM_BODY), (0, -1, 0))


def test_an_attitude_gives_the_same_as_pitch_and_roll():
    # World from body: pitched by 20 degrees about y (left), which looks down; the yaw before it does not matter.
    half, yaw = math.radians(10.0), math.radians(35.0)
    pitch = np.array([0.0, math.sin(half), 0.0, math.cos(half)])
    turned = _product(np.array([0.0, 0.0, math.sin(yaw), math.cos(yaw)]), pitch)
    transform = np.eye(4)
    transform[:3, :3] = CAM_FROM_BODY
    transform[:3, 3] = 0.3, 0.2, 0.1
    assert np.allclose(up_from_attitude(turned, transform), up_from_pitch_roll(20.0))


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    vector = a[3] * b[:3] + b[3] * a[:3] + np.cross(a[:3], b[:3])
    return np.array([*vector, a[3] * b[3] - a[:3] @ b[:3]])


def test_what_has_no_direction_is_refused():
    with pytest.raises(DataError, match="expected a unit quaternion"):
        up_from_attitude((0, 0, 0, 0), CAM_FROM_BODY)
    with pytest.raises(DataError, match="not all 0"):
        up_from_gravity((0, 0, 0), CAM_FROM_BODY)
    with pytest.raises(DataError, match="expected finite"):
        up_from_pitch_roll(math.nan)
    with pytest.raises(DataError, match="expected a rotation"):
        up_from_gravity((0, 0, 9.8), np.diag([1.0, 1.0, -1.0]))
