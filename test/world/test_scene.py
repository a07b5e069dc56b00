# SPDX-License-Identifier: Apache-2.0
"""Scenes are built where they should be, and things are as large as in life."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_worlds import builder, light, plain

from mono_depth_ros.world import World
from mono_depth_ros.world import furniture as fu
from mono_depth_ros.world.freespace import free_space
from mono_depth_ros.world.interior import door
from mono_depth_ros.world.people import person
from mono_depth_ros.world.scene import linear
from mono_depth_ros.world.vehicles import car, fork_truck, van
from mono_depth_ros.world.warehouse import pallet
from mono_depth_ros.world.yard import container, drums


def _extent(draw, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner of what `draw(builder)` builds."""
    b = builder(seed)
    draw(b)
    corners = b.build(light()).corners().reshape(-1, 3)
    return corners.min(axis=0), corners.max(axis=0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("draw", "low", "high"),
    [
        (person, (0.4, 0.3, 1.5), (0.8, 1.2, 1.95)),
        (car, (4.15, 1.7, 1.4), (4.9, 2.1, 1.6)),
        (van, (5.2, 1.95, 2.1), (5.6, 2.2, 2.7)),
        (fork_truck, (2.8, 1.1, 2.1), (3.3, 1.3, 2.3)),
        (container, (6.0, 2.4, 2.55), (6.15, 2.5, 2.65)),
        (lambda b: pallet(b, plain(b)), (1.199, 0.799, 0.143), (1.201, 0.801, 0.145)),
        (lambda b: fu.table(b, 1.6, 0.9), (1.599, 0.899, 0.749), (1.601, 0.901, 0.751)),
        (fu.chair, (0.4, 0.4, 0.86), (0.5, 0.5, 0.9)),
        (lambda b: fu.bed(b, 1.6), (1.6, 2.0, 0.8), (1.7, 2.2, 1.2)),
        (lambda b: fu.counter(b, 1.8), (1.79, 0.58, 0.89), (1.83, 0.75, 2.2)),
        (lambda b: fu.bookshelf(b, 0.9, 1.8), (0.9, 0.27, 1.5), (0.94, 0.3, 1.85)),
        (door, (0.95, 0.1, 2.05), (1.05, 0.35, 2.07)),
    ],
    ids=lambda p: getattr(p, "__name__", None),
)
def test_things_are_true_to_life(draw, low, high, seed):
    bottom, top = _extent(draw, seed)
    size = top - bottom
    assert (size >= np.array(low)).all() and (size <= np.array(high)).all(), size
    assert bottom[2] == pytest.approx(0.0, abs=0.02), "it stands on the floor"


def test_drums_are_60_by_88_centimetres():
    bottom, top = _extent(drums)
    assert top[2] == pytest.approx(0.88, abs=0.01) and (top - bottom)[0] >= 0.6


def test_frames_nest():
    b = builder()
    m = plain(b)
    with b.at(1.0, 2.0, math.pi / 2, z=0.5), b.at(3.0, 0.0, math.pi / 2):
        b.box(1.0, 0.0, 0.0, (2.0, 1.0, 4.0), m)
    scene = b.build(light())
    np.testing.assert_allclose(scene.center[0], [0.0, 5.0, 2.5], atol=1e-12)
    np.testing.assert_allclose(scene.rotation[0], np.diag([-1.0, -1.0, 1.0]), atol=1e-12)
    corners = scene.corners()[0]
    np.testing.assert_allclose(corners.min(axis=0), [-1.0, 4.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(corners.max(axis=0), [1.0, 5.5, 4.5], atol=1e-12)


def test_rod_runs_between_its_ends():
    b = builder()
    b.rod((1.0, 2.0, 3.0), (2.0, 4.0, 1.0), 0.1, plain(b))
    scene = b.build(light())
    axis = scene.rotation[0] @ [0, 0, 1]
    np.testing.assert_allclose(scene.center[0] + scene.half[0, 2] * axis, [2.0, 4.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(scene.center[0] - scene.half[0, 2] * axis, [1.0, 2.0, 3.0], atol=1e-12)
    assert np.linalg.det(scene.rotation[0]) == pytest.approx(1.0)


def test_claim_refuses_what_overlaps():
    b = builder()
    assert b.claim(0.0, 0.0, 0.0, 2.0, 1.0)
    assert not b.claim(0.9, 0.4, 0.0, 1.0, 1.0)
    assert b.claim(0.0, 1.01, 0.0, 2.0, 1.0), "edge to edge is free"
    assert b.claim(1.8, 0.0, math.pi / 4, 1.0, 1.0), "a turned square's corner just misses"
    assert not b.claim(1.0, -0.9, math.pi / 4, 1.4, 1.4)


def test_linear_is_srgb_decoded():
    np.testing.assert_allclose(linear((0.0, 0.5, 1.0)), [0.0, 0.21404, 1.0], atol=1e-5)


def test_free_space_is_the_distance_to_the_nearest_obstacle():
    b = builder()
    m = plain(b)
    b.box(0, 0, -1, (100, 100, 1), m, solid=False)
    b.box(0, 0, 0, (2, 2, 1), m)
    b.box(5, 5, 2.5, (2, 2, 1), m)  # overhead
    b.box(-5, 5, 0, (2, 2, 0.05), m)  # a mat
    free = free_space(b.build(light()), height=0.6, cell=0.1)
    assert free.at(0.0, 0.0) == 0.0 and free.at(30.0, 0.0) == 0.0
    assert free.at(3.0, 0.0) == pytest.approx(2.0, abs=0.15)
    assert free.at(5.0, 5.0) > 3.0 and free.at(-5.0, 5.0) > 3.0
    assert free.at(9.5, 0.0) == pytest.approx(0.5, abs=0.15), "the border counts"
    xy = free.points(1.0)
    assert (np.abs(xy) < 9.2).all() and (np.abs(xy).max(axis=1) > 1.65).all()


@pytest.mark.parametrize("kind", ["room", "corridor"])
def test_rooms_have_a_floor_and_a_ceiling_2_4_to_3_metres_above(kind):
    for seed in range(4):
        world = World.generate(kind, seed)
        assert 2.4 <= world.scene.light.ceiling <= 3.0
        assert 0.5 < world.camera_height < 0.7


def test_every_scene_has_things_in_it():
    counts = [len(World.generate("street", seed).scene.kind) for seed in range(4)]
    assert min(counts) > 800 and len(set(counts)) == 4
