# SPDX-License-Identifier: Apache-2.0
"""Rooms full of things, and viewpoints of a hand: near, tilted, at any height, never inside of anything."""

from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.world import KINDS, World
from mono_depth_ros.world.hand_held import HIGHEST_M, LOWEST_M, hand_held_pose
from mono_depth_ros.world.world import BY_HAND_ONLY

CAMERA = Camera.from_fov((64, 48), 65.0)


@pytest.fixture(scope="module")
def worlds():
    return [World.generate("clutter", seed) for seed in range(4)]


@pytest.fixture(scope="module")
def poses(worlds):
    rng = np.random.default_rng(0)
    return [[hand_held_pose(world, rng) for _ in range(15)] for world in worlds]


def test_it_is_full_of_things(worlds):
    cluttered = [len(w.scene.kind) for w in worlds]
    assert min(cluttered) > 60 and np.mean(cluttered) > 100


def test_nobody_drives_in_it():
    assert "clutter" not in KINDS and "clutter" in BY_HAND_ONLY
    assert World.generate("clutter", 0).indoor


def test_things_stand_within_the_walls_and_below_the_ceiling(worlds):
    for world in worlds:
        corners = world.scene.corners()
        small = (world.scene.half < 0.3).all(axis=1) & world.scene.solid
        assert corners[small, :, 2].min() > -0.05
        assert corners[small, :, 2].max() < world.scene.light.ceiling


def test_a_hand_holds_it_at_any_height_and_tilted(poses):
    every = np.concatenate(poses)
    height, pitch = every[:, 2, 3], np.degrees(np.arcsin(every[:, 2, 2]))
    assert height.min() >= LOWEST_M and height.max() <= HIGHEST_M and np.ptp(height) > 0.8
    assert pitch.std() > 8 and np.abs(pitch).max() <= 75.1
    np.testing.assert_allclose(np.linalg.det(every[:, :3, :3]), 1.0, atol=1e-9)


def test_what_it_sees_is_near_but_not_at_the_lens(worlds, poses):
    frames = [w.render(CAMERA, p, normals=False) for w, some in zip(worlds, poses, strict=True) for p in some]
    median = np.array([np.median(frame.depth) for frame in frames])
    tenth = np.array([np.quantile(frame.depth, 0.1) for frame in frames])
    assert np.median(median) < 2.5 and (tenth > 0.1).mean() > 0.95


def test_the_same_numbers_give_the_same_viewpoint(worlds):
    one, two = (hand_held_pose(worlds[0], np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_a_hand_can_be_anywhere_else_too():
    world = World.generate("warehouse", 1)
    pose = hand_held_pose(world, np.random.default_rng(0))
    assert np.quantile(world.render(CAMERA, pose, normals=False).depth, 0.1) > 0.1
