# SPDX-License-Identifier: Apache-2.0
"""Worlds from seeds: the same bytes again, consistent geometry from every pose, plausible viewpoints."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import torch

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import project, rays
from mono_depth_ros.world import INDOOR, KINDS, OUTDOOR, World

CAMERA = Camera.from_fov((160, 120), 75.0)


@pytest.fixture(scope="module", params=KINDS)
def world(request) -> World:
    return World.generate(request.param, 7)


def test_kinds_are_indoor_or_outdoor():
    assert set(INDOOR) | set(OUTDOOR) == set(KINDS) and not set(INDOOR) & set(OUTDOOR)


def test_same_seed_gives_the_same_bytes(world):
    again = World.generate(world.kind, world.seed)
    pose = world.path().pose(3.0)
    a, b = world.render(CAMERA, pose), again.render(CAMERA, again.path().pose(3.0))
    for name in ("rgb", "depth", "normals", "sky"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name


def test_other_seed_gives_another_world(world):
    other = World.generate(world.kind, world.seed + 1)
    pose = world.path().pose(0.0)
    assert not np.array_equal(world.render(CAMERA, pose).depth, other.render(CAMERA, pose).depth)


def test_threads_do_not_change_the_bytes(world):
    pose = world.path().pose(1.0)
    many = world.render(CAMERA, pose)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one = world.render(CAMERA, pose)
    finally:
        numba.set_num_threads(threads)
    assert many.rgb.tobytes() == one.rgb.tobytes() and many.depth.tobytes() == one.depth.tobytes()


def test_frame_has_the_promised_arrays(world):
    frame = world.render(CAMERA, world.path().pose(0.0))
    assert frame.rgb.shape == (120, 160, 3) and frame.rgb.dtype == np.uint8
    assert frame.depth.shape == (120, 160) and frame.depth.dtype == np.float32
    assert frame.normals.shape == (120, 160, 3) and frame.normals.dtype == np.float32
    np.testing.assert_array_equal(frame.sky, np.isposinf(frame.depth))
    assert (frame.depth[~frame.sky] > 0).all() and not np.isnan(frame.depth).any()
    assert np.isnan(frame.normals[frame.sky]).all()
    np.testing.assert_allclose(np.linalg.norm(frame.normals[~frame.sky], axis=-1), 1.0, atol=1e-5)
    assert frame.rgb.std() > 8, "not a flat picture"
    assert world.render(CAMERA, world.path().pose(0.0), normals=False).normals is None


def test_sky_is_outdoors_only(world):
    rng = np.random.default_rng(0)
    share = np.mean([world.render(CAMERA, world.random_pose(rng)).sky.mean() for _ in range(8)])
    assert share == 0 if world.indoor else 0.02 < share < 0.6


def test_normals_match_the_depth_gradient(world):
    frame = world.render(CAMERA, world.path().pose(2.0))
    grid = rays(CAMERA).numpy().astype(np.float64)
    points = np.concatenate([grid, np.ones((120, 160, 1))], axis=-1) * frame.depth[..., None]
    with np.errstate(invalid="ignore"):
        right, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
        plane = np.cross(down, right)
        plane /= np.linalg.norm(plane, axis=-1, keepdims=True)
        middle = frame.normals[1:-1, 1:-1]
        flat = np.ones(middle.shape[:2], dtype=bool)  # all four neighbours are turned the same way
        for dv, du in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            neighbour = frame.normals[1 + dv : 119 + dv, 1 + du : 159 + du]
            flat &= (neighbour * middle).sum(axis=-1) > 0.99999
    agree = np.abs((plane * middle).sum(axis=-1))[flat]
    assert flat.sum() > 3000
    assert (agree > 0.9999).mean() > 0.85, "all but where two parallel faces meet in the image"


def test_two_poses_see_the_same_points(world):
    path = world.path()
    first, second = path.pose(4.0), path.pose(4.3)
    a, b = world.render(CAMERA, first), world.render(CAMERA, second)
    grid = rays(CAMERA).numpy().astype(np.float64)
    points = np.concatenate([grid, np.ones((120, 160, 1))], axis=-1)[~a.sky] * a.depth[~a.sky][:, None]
    moved = np.linalg.inv(second) @ first
    there = points @ moved[:3, :3].T + moved[:3, 3]
    uv = np.rint(project(torch.from_numpy(there), CAMERA).numpy())
    ok = (there[:, 2] > 0.1) & (uv >= 0).all(axis=1) & (uv[:, 0] < 160) & (uv[:, 1] < 120)
    u, v = uv[ok].astype(int).T
    # Compare with the plane through the pixel, so that rounding to a pixel's centre costs nothing.
    normal = b.normals[v, u].astype(np.float64)
    anchor = np.concatenate([grid[v, u], np.ones((len(u), 1))], axis=1) * b.depth[v, u][:, None]
    with np.errstate(invalid="ignore"):
        off = np.abs((normal * (there[ok] - anchor)).sum(axis=1)) / there[ok][:, 2]
    assert ok.sum() > 5000
    assert (off < 1e-3).mean() > 0.85, "all but occlusions, outlines and round things agree"
    assert np.nanmedian(off) < 1e-5


def test_a_distorted_camera_sees_along_its_rays(world):
    camera = Camera(160, 120, 90.0, 92.0, 79.0, 61.0, model="plumb_bob", distortion=(-0.25, 0.06, 0.001, -0.002, 0.0))
    straight = Camera(160, 120, 90.0, 92.0, 79.0, 61.0)
    pose = world.path().pose(1.5)
    bent, flat = world.render(camera, pose), world.render(straight, pose)
    grid = rays(camera).numpy()
    # Where the bent camera's ray meets a plane seen by the pinhole camera, both must give the same plane.
    u, v = (np.rint(grid[..., k] * f + c).astype(int) for k, f, c in ((0, 90.0, 79.0), (1, 92.0, 61.0)))
    ok = (u >= 0) & (v >= 0) & (u < 160) & (v < 120) & ~bent.sky
    ok[ok] &= ~flat.sky[v[ok], u[ok]]
    there = np.concatenate([grid, np.ones((120, 160, 1), np.float32)], axis=-1)[ok] * bent.depth[ok][:, None]
    anchor = np.concatenate([rays(straight).numpy(), np.ones((120, 160, 1), np.float32)], axis=-1)
    anchor = anchor[v[ok], u[ok]] * flat.depth[v[ok], u[ok]][:, None]
    off = np.abs((flat.normals[v[ok], u[ok]] * (there - anchor)).sum(axis=1)) / there[:, 2]
    assert np.median(off) < 1e-5 and (off < 1e-3).mean() > 0.85
    assert np.abs(u - np.arange(160))[ok].max() > 5, "the camera does bend its rays"


def test_random_poses_are_plausible(world):
    rng = np.random.default_rng(1)
    height = (0.45, 0.75) if world.indoor else (1.45, 1.75)
    poses = [world.random_pose(rng) for _ in range(40)]
    for pose in poses:
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
        assert height[0] <= pose[2, 3] <= height[1]
        assert abs(np.degrees(np.arcsin(pose[2, 2]))) <= 12.001
        assert abs(np.degrees(np.arctan2(pose[2, 0], -pose[2, 1]))) <= 2.001, "roll"
    depths = [np.median(world.render(CAMERA, pose).depth) for pose in poses]
    assert np.mean(np.array(depths) > (0.8 if world.indoor else 1.8)) > 0.9
    yaws = np.sort([np.arctan2(p[1, 2], p[0, 2]) for p in poses])
    assert np.diff(yaws).max() < 1.6, "every direction is looked in"


def test_the_same_generator_gives_the_same_poses(world):
    a, b = (world.random_pose(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_unknown_kind_lists_the_choices():
    with pytest.raises(ConfigError, match=r"'cave'.*room, corridor, warehouse, street, yard"):
        World.generate("cave", 0)


def test_negative_seed_is_refused():
    with pytest.raises(ConfigError, match="seed is -3"):
        World.generate("room", -3)
