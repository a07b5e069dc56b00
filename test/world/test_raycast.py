# SPDX-License-Identifier: Apache-2.0
"""Depth and normals against closed forms and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_worlds import builder, plain, reference_depth, renderer

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.world.pose import camera_pose
from mono_depth_ros.world.scene import rotation

CAMERA = Camera.from_fov((97, 61), 70.0)
GRID = rays(CAMERA).numpy()


def test_ground_under_a_pitched_camera_is_the_closed_form():
    b = builder()
    b.box(0, 0, -1, (2000, 2000, 1), plain(b))
    pitch, height = math.radians(-9.0), 1.6
    _, depth, normals = renderer(b).cast(GRID, camera_pose(3.0, -2.0, height, 0.7, pitch), 0.01)
    # A ray (x, y, 1) sinks by y cos(pitch) - sin(pitch) metres for each metre of depth.
    sink = GRID[..., 1].astype(np.float64) * math.cos(pitch) - math.sin(pitch)
    below = sink > 1e-3
    np.testing.assert_allclose(depth[below], height / sink[below], rtol=1e-6)
    assert np.isinf(depth[sink < -1e-3]).all()
    up = np.array([0.0, -math.cos(pitch), math.sin(pitch)])
    np.testing.assert_allclose(normals[below], np.broadcast_to(up, normals[below].shape), atol=1e-6)


def test_face_of_a_box_has_one_depth_and_the_right_outline():
    b = builder()
    b.box(4.0, 0.0, 0.0, (2.0, 1.0, 3.0), plain(b))
    _, depth, normals = renderer(b).cast(GRID, camera_pose(0.0, 0.0, 1.5, 0.0), 0.01)
    inside = (np.abs(GRID[..., 0]) < 0.5 / 3) & (np.abs(GRID[..., 1]) < 1.5 / 3)
    assert (np.isfinite(depth) == inside).all() and inside.sum() > 100
    np.testing.assert_array_equal(depth[inside], np.float32(3.0))
    np.testing.assert_allclose(normals[inside], np.broadcast_to([0.0, 0.0, -1.0], normals[inside].shape), atol=1e-12)


def test_sphere_is_the_closed_form():
    b = builder()
    b.ellipsoid(5.0, 0.0, 1.0, (0.8, 0.8, 0.8), plain(b))
    _, depth, normals = renderer(b).cast(GRID, camera_pose(0.0, 0.0, 1.0, 0.0), 0.01)
    q = 1.0 + np.square(GRID.astype(np.float64)).sum(axis=-1)  # |ray|^2; solve |t ray - (0, 0, 5)| = 0.8
    root = 25.0 - q * (25.0 - 0.64)
    hit = root > 1e-3
    expected = (5.0 - np.sqrt(root[hit])) / q[hit]
    np.testing.assert_allclose(depth[hit], expected, rtol=1e-6)
    assert np.isinf(depth[root < -1e-3]).all()
    ray = np.concatenate([GRID, np.ones((*GRID.shape[:2], 1))], axis=-1)[hit]
    np.testing.assert_allclose(normals[hit], (expected[:, None] * ray - [0, 0, 5]) / 0.8, atol=1e-5)


def _clutter(seed: int):
    rng = np.random.default_rng(seed)
    b = builder()
    m = plain(b)
    b.box(0, 0, -1, (500, 500, 1), m)
    for _ in range(60):
        x, y, z = rng.uniform(-9, 9), rng.uniform(-9, 9), rng.uniform(0, 3)
        if math.hypot(x, y) < 3.5:
            continue
        size, turn = rng.uniform(0.1, 1.5, 3), rng.uniform(-3, 3, 3)
        pick = rng.integers(4)
        if pick == 0:
            b.box(x, y, z, tuple(size), m, *turn)
        elif pick == 1:
            b.ellipsoid(x, y, z, tuple(size), m, turn[0], turn[1])
        elif pick == 2:
            b.cylinder(x, y, z, size[0], size[1], m)
        else:
            b.rod((x, y, z), (x + size[0], y - size[1], z + size[2]), 0.2 * size[0], m)
    return renderer(b)


@pytest.mark.parametrize("seed", range(6))
def test_clutter_equals_brute_force(seed):
    world = _clutter(seed)
    pose = camera_pose(0.3, -0.2, 1.4, seed * 1.1, 0.1, 0.05)
    _, depth, normals = world.cast(GRID, pose, 0.01)
    expected = reference_depth(world.scene, GRID, pose)
    # A ray through an outline may fall to either side.
    same = (np.isinf(depth) & np.isinf(expected)) | np.isclose(depth, expected, rtol=2e-6)
    assert same.mean() > 0.998
    seen = np.isfinite(depth)
    ray = np.concatenate([GRID, np.ones((*GRID.shape[:2], 1), np.float32)], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(normals[seen], axis=-1), 1.0, atol=1e-5)
    assert ((normals * ray).sum(axis=-1)[seen] <= 1e-5).all(), "normals point towards the camera"
    assert np.isnan(normals[~seen]).all()


def test_a_pole_far_away_keeps_its_width():
    # The textbook discriminant b^2 - a c cancels in float32 here; the search must not.
    b = builder()
    b.cylinder(150.0, 0.0, 0.0, 0.05, 50.0, plain(b))
    camera = Camera.from_fov((2001, 3), 0.2)
    _, depth, _ = renderer(b).cast(rays(camera).numpy(), camera_pose(0.0, 0.0, 1.6, 0.0), 1e-4)
    expected = 2 * 0.05 / 150.0 * camera.fx
    assert np.isfinite(depth[1]).sum() == pytest.approx(expected, rel=0.02)


def test_camera_inside_a_solid_looks_through_it():
    b = builder()
    m = plain(b)
    b.box(0.0, 0.0, 0.0, (2.0, 2.0, 2.0), m)
    b.box(5.0, 0.0, -5.0, (1.0, 50.0, 20.0), m)
    _, depth, _ = renderer(b).cast(GRID, camera_pose(0.0, 0.0, 1.0, 0.0), 0.01)
    np.testing.assert_array_equal(depth, np.float32(4.5))


def test_nan_rays_are_neither_sky_nor_surface():
    b = builder()
    b.box(5.0, 0.0, -5.0, (1.0, 50.0, 20.0), plain(b))
    grid = GRID.copy()
    grid[:5, :7] = np.nan
    rgb, depth, normals = renderer(b).cast(grid, camera_pose(0.0, 0.0, 1.0, 0.0), 0.01)
    assert np.isnan(depth[:5, :7]).all() and (rgb[:5, :7] == 0).all() and np.isnan(normals[:5, :7]).all()
    assert np.isfinite(depth).sum() == depth.size - 35


def test_rotation_is_yaw_pitch_roll():
    r = rotation(0.3, -0.2, 0.7)
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation(yaw=math.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation(pitch=math.pi / 2) @ [1, 0, 0], [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(rotation(roll=math.pi / 2) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
