# SPDX-License-Identifier: Apache-2.0
"""Odometry of the wheels: errors as large as said, the same for a seed, whatever is asked for when."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.world import OdometryNoise, WheelOdometry, World
from mono_depth_ros.world.odometry import BASE_FROM_CAMERA, SLIP_EVERY_S
from mono_depth_ros.world.pose import camera_pose

EXACT = OdometryNoise(0.0, 0.0, 0.0, 0.0)


def straight(t_s: float) -> np.ndarray:
    return camera_pose(0.8 * t_s, 2.0, 0.6, 0.0)


def way(odometry: WheelOdometry, t_s: float) -> float:
    return float(np.linalg.norm(odometry.at(t_s).pose[:3, 3] - odometry.at(0.0).pose[:3, 3]))


def test_without_errors_it_is_the_drive_seen_from_its_start():
    path = World.generate("room", 1).path()
    odometry = WheelOdometry(path.pose, EXACT, 0)
    start = odometry.at(0.0).pose
    assert abs(math.atan2(start[1, 0], start[0, 0])) < 1e-9 and np.linalg.norm(start[:3, 3]) == 0.0
    assert start[2, 2] == pytest.approx((path.pose(0.0) @ inverse(BASE_FROM_CAMERA))[2, 2]), "it knows the vertical"
    for t_s in (0.31, 2.0, 7.77):
        true = inverse(path.pose(0.0)) @ path.pose(t_s)
        told = inverse(start @ BASE_FROM_CAMERA) @ odometry.at(t_s).pose @ BASE_FROM_CAMERA
        np.testing.assert_allclose(told, true, atol=1e-4)


def test_the_velocity_is_that_of_the_base():
    found = WheelOdometry(straight, EXACT, 0).at(1.0)
    np.testing.assert_allclose(found.velocity, [0.8, 0, 0, 0, 0, 0], atol=1e-6)


def test_the_scale_is_drawn_once_with_its_deviation():
    noise = OdometryNoise(0.02, 0.0, 0.0, 0.0)
    errors = [way(WheelOdometry(straight, noise, seed), 5.0) / 4.0 - 1 for seed in range(60)]
    assert np.std(errors) == pytest.approx(0.02, rel=0.25) and len(set(errors)) == 60
    one = WheelOdometry(straight, noise, 7)
    assert way(one, 2.0) / 1.6 == pytest.approx(way(one, 9.0) / 7.2)


def test_the_heading_drifts_while_it_drives_and_not_while_it_stands():
    def yaw(pose):
        return math.degrees(math.atan2(pose[1, 0], pose[0, 0]))

    noise = OdometryNoise(0.0, 0.5, 0.0, 0.0)
    driving = [yaw(WheelOdometry(straight, noise, seed).at(4.0).pose) for seed in range(8)]
    np.testing.assert_allclose(np.abs(driving), 2.0, rtol=1e-3)
    assert min(driving) < 0 < max(driving)
    standing = WheelOdometry(lambda t_s: straight(0.0), OdometryNoise(0.1, 5.0, 0.1, 1.0), 3)
    np.testing.assert_array_equal(standing.at(9.0).pose, standing.at(0.0).pose)


def test_noise_grows_with_the_root_of_the_way_and_covariance_with_it():
    many = [WheelOdometry(straight, OdometryNoise(0.0, 0.0, 0.02, 0.0), seed) for seed in range(80)]
    for t_s in (1.25, 5.0):
        assert np.std([way(o, t_s) for o in many]) == pytest.approx(0.02 * math.sqrt(0.8 * t_s), rel=0.25)
    covariance = many[0].at(5.0).pose_covariance
    assert covariance.shape == (6, 6) and covariance[0, 0] == pytest.approx(0.02**2 * 4.0, rel=0.01)
    assert (np.diag(covariance) > 0).all() and (np.linalg.eigvalsh(many[0].at(1.0).velocity_covariance) > 0).all()


def test_wheels_slip_for_one_second_in_ten():
    slips = WheelOdometry(straight, OdometryNoise(0.0, 0.0, 0.0, 0.5), 0)
    assert way(slips, SLIP_EVERY_S) == pytest.approx(8.0 + 0.4, abs=0.01)
    steps = np.diff([way(slips, t) for t in np.arange(0.0, 10.0, 0.1)])
    assert steps.max() == pytest.approx(0.12) and (steps > 0.1).sum() in (9, 10, 11)


def test_the_order_of_questions_changes_nothing_and_the_seed_does():
    noise = OdometryNoise()
    a, b, other = (WheelOdometry(straight, noise, seed) for seed in (1, 1, 2))
    late = a.at(6.013).pose
    for t_s in (0.0, 3.3, 1.2):
        b.at(t_s)
    np.testing.assert_array_equal(b.at(6.013).pose, late)
    np.testing.assert_array_equal(a.at(1.2).pose, b.at(1.2).pose)
    assert not np.array_equal(other.at(6.013).pose, late)
