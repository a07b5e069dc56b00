# SPDX-License-Identifier: Apache-2.0
"""The lidar sees what the camera sees, within its noise; noise and dropouts are as large as said."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_worlds import builder, plain, renderer

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import project, rays
from mono_depth_ros.world import KINDS, SpinningLidar, World

CLEAN = SpinningLidar(range_noise_m=0.0, dropout=0.0)


def _closed_box() -> World:
    """A camera's world whose only solids are the six walls of a 10 x 8 x 4 m box around the origin."""
    b = builder()
    m = plain(b)
    for axis, (half, size) in enumerate(((5.0, (1, 12, 12)), (4.0, (12, 1, 12)), (2.0, (12, 12, 1)))):
        for side in (-1, 1):
            at = [0.0, 0.0, 0.0]
            at[axis] = side * (half + 0.5)
            b.box(at[0], at[1], at[2] - size[2] / 2, size, m)
    world = World.generate("room", 0)
    return replace(world, renderer=renderer(b))


def test_ranges_in_a_box_are_the_closed_form():
    scan = CLEAN.scan(_closed_box(), np.eye(4), 0)
    assert len(scan.xyz) == CLEAN.rings * CLEAN.azimuth_steps, "every ray hits a wall"
    reach = np.abs(scan.xyz.astype(np.float64)) / [5.0, 4.0, 2.0]
    np.testing.assert_allclose(reach.max(axis=1), 1.0, rtol=1e-5)


def test_rings_azimuths_and_times_are_the_sensor_s():
    scan = CLEAN.scan(_closed_box(), np.eye(4), 0)
    elevation = np.degrees(np.arctan2(scan.xyz[:, 2], np.hypot(scan.xyz[:, 0], scan.xyz[:, 1])))
    np.testing.assert_allclose(elevation, np.linspace(-15, 15, 16)[scan.ring], atol=1e-3)
    azimuth = np.arctan2(scan.xyz[:, 1], scan.xyz[:, 0])
    step = np.round((azimuth + math.pi / 4) % (2 * math.pi) / (2 * math.pi) * 900 - 0.5)
    np.testing.assert_allclose(scan.time, step / 900 / 10.0, atol=1e-6)
    assert (np.diff(scan.time) >= 0).all() and scan.time.max() < 0.1
    assert scan.ring.dtype == np.uint16 and scan.xyz.dtype == scan.intensity.dtype == scan.time.dtype == np.float32


def test_noise_and_dropout_are_as_said():
    world = _closed_box()
    lidar = SpinningLidar(azimuth_steps=1800, range_noise_m=0.03, dropout=0.1)
    exact = np.linalg.norm(replace(CLEAN, azimuth_steps=1800).scan(world, np.eye(4), 0).xyz, axis=1)
    scan = lidar.scan(world, np.eye(4), 0)
    assert len(scan.xyz) / len(exact) == pytest.approx(0.9, abs=0.01)
    step = np.round(scan.time * 10.0 * 1800).astype(int)
    error = np.linalg.norm(scan.xyz, axis=1) - exact[step * 16 + scan.ring]
    assert error.std() == pytest.approx(0.03, rel=0.03) and abs(error.mean()) < 0.001


def test_scan_follows_its_seed():
    world, lidar = _closed_box(), SpinningLidar()
    a, b, c = (lidar.scan(world, np.eye(4), seed) for seed in (1, 1, 2))
    assert a.xyz.tobytes() == b.xyz.tobytes() and a.intensity.tobytes() == b.intensity.tobytes()
    assert a.xyz.shape != c.xyz.shape or not np.array_equal(a.xyz, c.xyz)


def test_nothing_beyond_the_maximum_range():
    far = replace(CLEAN, max_range_m=4.5).scan(_closed_box(), np.eye(4), 0)
    assert 0 < len(far.xyz) < 16 * 900
    assert np.linalg.norm(far.xyz, axis=1).max() <= 4.5


def test_a_turned_and_moved_lidar_sees_the_same_walls():
    pose = np.eye(4)
    c, s = math.cos(0.4), math.sin(0.4)
    pose[:3, :3] = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    pose[:3, 3] = 1.5, -0.7, 0.3
    scan = CLEAN.scan(_closed_box(), pose, 0)
    there = scan.xyz @ pose[:3, :3].T + pose[:3, 3]
    np.testing.assert_allclose((np.abs(there) / [5.0, 4.0, 2.0]).max(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_points_lie_on_what_the_camera_sees(kind):
    world = World.generate(kind, 3)
    camera = Camera.from_fov((320, 240), 80.0)
    pose = world.path().pose(1.0)
    frame = world.render(camera, pose)
    scan = CLEAN.scan(world, pose @ CLEAN.camera_from_lidar, 0)
    there = scan.xyz @ CLEAN.camera_from_lidar[:3, :3].T + CLEAN.camera_from_lidar[:3, 3]
    uv = np.rint(project(torch.from_numpy(there), camera).numpy())
    ok = (there[:, 2] > 0.1) & (uv >= 0).all(axis=1) & (uv[:, 0] < 320) & (uv[:, 1] < 240)
    u, v = uv[ok].astype(int).T
    anchor = np.concatenate([rays(camera).numpy()[v, u], np.ones((len(u), 1))], axis=1) * frame.depth[v, u][:, None]
    with np.errstate(invalid="ignore"):
        off = np.abs((frame.normals[v, u] * (there[ok] - anchor)).sum(axis=1))
    assert ok.sum() > 500
    assert np.nanmedian(off) < 1e-4 and (off < 0.01).mean() > 0.8


def test_the_extrinsic_is_rigid_and_near_the_camera():
    t = SpinningLidar().camera_from_lidar
    np.testing.assert_allclose(t[:3, :3] @ t[:3, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(t[:3, :3] @ [0, 0, 1], [0, -1, 0], atol=1e-12)
    assert (t[:3, :3] @ [1, 0, 0])[2] > 0.99 and np.linalg.norm(t[:3, 3]) < 0.5


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"azimuth_steps": 901}, "901 azimuth steps"),
        ({"rings": 0}, "0 rings"),
        ({"fov_up_deg": -20.0}, "-15 to -20 degrees"),
        ({"dropout": 1.5}, "dropout 1.5"),
        ({"range_noise_m": -0.1}, "range noise -0.1"),
    ],
)
def test_wrong_settings_are_refused(wrong, sentence):
    with pytest.raises(ConfigError, match=sentence):
        SpinningLidar(**wrong)
