# SPDX-License-Identifier: Apache-2.0
"""The course holds what it says, at its true size; worlds of the older kinds are what they were."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.world import KINDS, World
from mono_depth_ros.world.course import POLE_M, course
from mono_depth_ros.world.pose import camera_pose
from mono_depth_ros.world.world import _GENERATORS

CAMERA = Camera.from_fov((640, 480), 70.0)


@pytest.fixture(scope="module")
def world():
    return World.generate("course", 5)


def named(world, name):
    return next(thing for thing in world.scene.things if thing.name == name)


def seen(world, thing, back, turn=0.0, height=0.6):
    """(N, 3) points in the frame of a thing, seen from so far along its -x, or turned from there."""
    yaw = thing.yaw + turn
    pose = camera_pose(thing.x - back * np.cos(yaw), thing.y - back * np.sin(yaw), height, yaw, -0.3)
    depth = world.render(CAMERA, pose, normals=False).depth
    ray = np.concatenate([rays(CAMERA).numpy(), np.ones((480, 640, 1))], axis=-1)
    points = (ray * depth[..., None]).reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3] - (thing.x, thing.y, 0.0)
    c, s = np.cos(thing.yaw), np.sin(thing.yaw)
    return points @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def within(points, thing, margin=0.01):
    inside = (np.abs(points[:, 0]) < thing.length / 2 + margin) & (np.abs(points[:, 1]) < thing.width / 2 + margin)
    return points[inside]


def test_every_course_has_all_of_it():
    for seed in range(4):
        counts = Counter(thing.name for thing in course(np.random.default_rng(seed)).things)
        assert counts["step down"] == counts["ramp"] == 1
        assert counts["pole"] >= 3 and counts["table edge"] >= 1 and counts["lower than 5 cm"] >= 3, counts


def test_things_have_their_sizes(world):
    low = within(seen(world, named(world, "lower than 5 cm"), 0.9), named(world, "lower than 5 cm"))
    assert 0.015 < low[:, 2].max() < 0.05
    pole = within(seen(world, named(world, "pole"), 0.9), named(world, "pole"))
    shaft = pole[pole[:, 2] > 0.05]
    assert 0.9 * POLE_M < np.ptp(shaft[:, 1]) < 1.1 * POLE_M and shaft[:, 2].max() > 0.6
    table = named(world, "table edge")
    top = within(seen(world, table, table.length / 2 + 0.6), table)
    assert 0.65 < np.median(top[top[:, 2] > 0.5, 2]) < 0.8


def test_the_floor_ends_at_the_step_and_goes_on_lower(world):
    step = named(world, "step down")
    floor = seen(world, step, 1.5)
    floor = floor[(floor[:, 0] < 1.9) & (np.abs(floor[:, 1]) < 1.0)]  # before the walls
    assert np.abs(floor[floor[:, 0] < -0.01, 2]).max() < 0.005
    beyond = floor[floor[:, 0] > 0.05, 2]
    assert len(beyond) > 1000 and -0.4 <= beyond.min() < -0.15 and np.ptp(beyond) < 0.001


def test_a_ramp_rises_evenly_to_its_platform(world):
    ramp = named(world, "ramp")
    points = within(seen(world, ramp, ramp.width / 2 + 2.0, -np.pi / 2), ramp, -0.05)
    slope, start = np.polyfit(points[:, 1], points[:, 2], 1)
    assert np.radians(2.9) < -slope < np.tan(np.radians(9.1))
    np.testing.assert_allclose(points[:, 2], slope * points[:, 1] + start, atol=0.003)
    assert start - slope * -ramp.width / 2 == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    ("kind", "solids", "centres"),
    [
        ("room", 73, 356.485),
        ("corridor", 257, 1906.704),
        ("warehouse", 2207, 21011.400),
        ("street", 1840, 117720.618),
        ("yard", 969, 32311.891),
    ],
)
def test_worlds_are_what_they_were(kind, solids, centres):
    rng = np.random.Generator(np.random.PCG64([KINDS.index(kind), 7]))
    rng.uniform(0.0, 1.0)
    scene = _GENERATORS[kind](rng)
    assert len(scene.kind) == solids and np.abs(scene.center).sum() == pytest.approx(centres, abs=0.01)
