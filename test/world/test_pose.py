# SPDX-License-Identifier: Apache-2.0
"""Optical frame: x right, y down, z forward; world: z up."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world.pose import camera_pose


def test_axes_of_a_level_camera():
    pose = camera_pose(1.0, 2.0, 3.0, 0.0)
    np.testing.assert_allclose(pose[:3, :3], [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-12)
    np.testing.assert_array_equal(pose[:, 3], [1, 2, 3, 1])


def test_yaw_turns_left_and_pitch_looks_up():
    np.testing.assert_allclose(camera_pose(0, 0, 0, math.pi / 2)[:3, 2], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(camera_pose(0, 0, 0, 0.0, math.radians(30))[:3, 2], [math.sqrt(0.75), 0, 0.5])


def test_roll_turns_about_the_optical_axis():
    level, rolled = camera_pose(0, 0, 0, 0.4, 0.1), camera_pose(0, 0, 0, 0.4, 0.1, 0.3)
    np.testing.assert_allclose(rolled[:3, 2], level[:3, 2])
    c, s = math.cos(0.3), math.sin(0.3)
    expected = level[:3, :3] @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    np.testing.assert_allclose(rolled[:3, :3], expected, atol=1e-12)
