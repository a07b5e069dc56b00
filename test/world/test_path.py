# SPDX-License-Identifier: Apache-2.0
"""Drives: smooth, repeating, at the right height and speed, and never through anything."""

from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.world import KINDS, StoppingPath, World
from mono_depth_ros.world.scene import BOX, CYLINDER


@pytest.fixture(scope="module", params=[(k, s) for k in KINDS for s in (1, 2, 3)], ids=lambda p: f"{p[0]}-{p[1]}")
def world(request) -> World:
    return World.generate(*request.param)


def _inside_any(world: World, points: np.ndarray) -> np.ndarray:
    """(M,) bool: is the point inside one of the solids?"""
    scene = world.scene
    local = np.einsum("nij,mni->mnj", scene.rotation, points[:, None] - scene.center) / scene.half
    box = (np.abs(local) <= 1).all(axis=-1)
    ball = np.square(local).sum(axis=-1) <= 1
    tube = (np.square(local[..., :2]).sum(axis=-1) <= 1) & (np.abs(local[..., 2]) <= 1)
    return np.where(scene.kind == BOX, box, np.where(scene.kind == CYLINDER, tube, ball)).any(axis=1)


def test_path_keeps_clear_of_everything(world):
    path = world.path()
    t = np.linspace(0.0, path.period_s, 600)
    xyz = np.array([path.pose(s)[:3, 3] for s in t])
    assert world.free.at(xyz[:, 0], xyz[:, 1]).min() > (0.1 if world.indoor else 0.4)
    assert not _inside_any(world, xyz).any()


def test_path_is_smooth_and_at_vehicle_height_and_speed(world):
    path = world.path()
    dt = 0.01
    t = np.arange(0.0, 30.0, dt)
    poses = np.array([path.pose(s) for s in t])
    velocity = np.diff(poses[:, :3, 3], axis=0) / dt
    acceleration = np.diff(velocity, axis=0) / dt
    jerk = np.diff(acceleration, axis=0) / dt
    speed, limit = (1.8, 2.5) if world.indoor else (9.0, 12.0)
    assert np.linalg.norm(velocity, axis=1).max() < speed
    assert np.linalg.norm(velocity, axis=1).max() > 0.2, "it moves"
    assert np.linalg.norm(acceleration, axis=1).max() < limit
    assert np.linalg.norm(jerk, axis=1).max() < 40.0, "no step in the acceleration"
    turn = np.einsum("nij,nij->n", poses[1:, :3, :3], poses[:-1, :3, :3])  # 1 + 2 cos(angle)
    rate = np.arccos(np.clip((turn - 1) / 2, -1, 1)) / dt
    assert rate.max() < 1.3, "radians per second"
    low, high = (0.5, 0.7) if world.indoor else (1.5, 1.7)
    assert low <= poses[:, 2, 3].min() and poses[:, 2, 3].max() <= high
    assert np.ptp(poses[:, 2, 3]) < 0.05


def test_path_is_the_same_for_the_same_seed_and_repeats(world):
    a, b, other = world.path(3), world.path(3), world.path(4)
    np.testing.assert_array_equal(a.pose(1.7), b.pose(1.7))
    assert not np.array_equal(a.pose(1.7), other.pose(1.7))
    np.testing.assert_allclose(a.position(0.4), a.position(0.4 + a.period_s), atol=1e-9)
    assert np.isfinite(a.pose(-12.0)).all() and np.isfinite(a.pose(1e5)).all()


def test_velocity_is_the_derivative_of_position(world):
    path = world.path()
    t = np.linspace(-3.0, 8.0, 50)
    numeric = (path.position(t + 1e-5) - path.position(t - 1e-5)) / 2e-5
    np.testing.assert_allclose(path.velocity(t), numeric, atol=1e-6)


def test_poses_are_rigid_and_look_ahead(world):
    path = world.path()
    pose = path.pose(2.5)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    assert pose[2, 1] < -0.9, "the optical frame's y points down"
    if path.heading is None:
        ahead = path.velocity(2.5) / np.linalg.norm(path.velocity(2.5))
        assert pose[:2, 2] @ ahead > 0.9


def test_a_drive_that_stops_goes_on_where_it_stood():
    path = World.generate("room", 1).path()
    stops = StoppingPath(path, drive_s=4.0, stop_s=3.0)
    t = np.arange(0.0, 21.0, 0.01)
    xyz = np.array([stops.pose(s)[:3, 3] for s in t])
    speed = np.linalg.norm(np.diff(xyz, axis=0), axis=1) / 0.01
    within = t[:-1] % 7.0
    assert speed[(within > 4.0) & (within < 6.98)].max() == 0.0, "it stands"
    assert speed[(within > 1.0) & (within < 3.0)].min() > 0.05, "it drives"
    assert np.abs(np.diff(speed)).max() / 0.01 < 2.5, "it comes to a stop smoothly"
    np.testing.assert_allclose(stops.pose(6.0), path.pose(3.0), atol=1e-12)  # two ramps of a second at half the speed
    np.testing.assert_allclose(stops.pose(13.0), path.pose(6.0), atol=1e-12)


def test_a_camera_that_turns_on_the_spot_comes_back():
    path = World.generate("room", 1).path()
    turns = StoppingPath(path, drive_s=0.0, stop_s=8.0, turn=1.0)
    start = path.pose(0.0)
    for t_s in np.arange(0.0, 16.0, 0.7):
        pose = turns.pose(t_s)
        np.testing.assert_array_equal(pose[:3, 3], start[:3, 3])
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
        np.testing.assert_array_equal(pose[2, :3], start[2, :3])  # about the vertical
    left = turns.pose(4.0)[:2, 2] @ start[:2, 2] / (start[:2, 2] @ start[:2, 2])
    assert left == pytest.approx(np.cos(1.0), abs=1e-9)
    np.testing.assert_allclose(turns.pose(8.0), start, atol=1e-12)
