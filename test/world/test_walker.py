# SPDX-License-Identifier: Apache-2.0
"""People who walk: like every other solid at any moment, out of the way, and nothing else of the world changes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.world import KINDS, World
from mono_depth_ros.world.people import person
from mono_depth_ros.world.scene import SceneBuilder

CAMERA = Camera.from_fov((160, 120), 75.0)
GRID = rays(CAMERA).numpy()


@pytest.fixture(scope="module")
def room() -> World:
    return World.generate("room", 0)


@pytest.fixture(scope="module")
def walked(room: World) -> World:
    return room.with_walkers(1, room.path())


def test_a_world_without_walkers_is_the_same_at_all_times(room):
    assert room.at(5.0) is room and room.with_walkers(0, room.path()).at(5.0).renderer is room.renderer


def test_a_drawn_person_is_as_before_and_a_walking_one_draws_as_much():
    def made(**how):
        b = SceneBuilder(np.random.Generator(np.random.PCG64(1)))
        person(b, **how)
        return b, b.rng.random()

    (standing, after), (walking, after_walking) = made(), made(swing=0.9)
    assert after == after_walking and len(standing.rows) == len(walking.rows)
    assert not all(np.allclose(a[1], b[1]) for a, b in zip(standing.rows, walking.rows, strict=True))


def test_only_what_the_person_or_the_shadow_covers_changes(room, walked):
    pose, n = room.path().pose(0.0), len(room.scene.kind)
    moved = walked.at(0.0)
    before, after = room.render(CAMERA, pose), moved.render(CAMERA, pose)
    ids = moved.renderer.first_solids(GRID, pose)
    body = ids >= n
    assert 0.02 < body.mean() < 0.5
    np.testing.assert_array_equal(ids[~body], room.renderer.first_solids(GRID, pose)[~body])
    np.testing.assert_array_equal(after.depth[~body], before.depth[~body])
    assert (after.depth[body] < before.depth[body]).all()
    shaded = (after.rgb.astype(int) - before.rgb).sum(axis=-1)[~body]
    assert (shaded <= 0).all() and (shaded < -20).any(), "it casts a shadow, and takes none away"


def test_the_same_person_goes_on_its_way_at_walking_pace(walked):
    (walker,) = walked.walkers
    t = np.arange(0.0, 20.0, 0.01)
    pace = np.linalg.norm(np.diff(walker.position(t), axis=0), axis=1) / 0.01
    assert 0.8 < pace.mean() < 1.6 and pace.max() < 2.6
    first, later = walker.solids(1.0, walked.scene), walker.solids(1.4, walked.scene)
    np.testing.assert_array_equal(first.half[:, 0], later.half[:, 0])  # the same limbs, elsewhere
    assert np.linalg.norm(later.center - first.center, axis=1).min() > 0.05
    shoes = np.array([walker.solids(s, walked.scene).center[:, 2].min() for s in t[:100]])
    assert np.ptp(shoes) < 1e-9 and shoes[0] > 0.0, "nobody flies or sinks"


@pytest.mark.parametrize("kind", KINDS)
def test_walkers_keep_out_of_the_way_and_are_seen(kind):
    world = World.generate(kind, 2)
    path = world.path()
    two = world.with_walkers(2, path)
    again = world.with_walkers(2, path)
    t = np.arange(0.0, 30.0, 0.5)
    drive = path.position(np.linspace(0, path.period_s, 400))
    seen = 0.0
    for walker, same in zip(two.walkers, again.walkers, strict=True):
        np.testing.assert_array_equal(walker.position(t), same.position(t))
        gap = np.linalg.norm(walker.walk()[:, None] - drive, axis=2).min()
        assert gap > (0.45 if world.indoor else 1.0)
    n = len(world.scene.kind)
    seen = np.mean([(two.at(s).renderer.first_solids(GRID, path.pose(s)) >= n).any() for s in np.arange(0, 15, 1.5)])
    assert seen >= 0.2
    a, b = (walker.walk() for walker in two.walkers)
    assert np.linalg.norm(a[:, None] - b, axis=2).min() > 0.4


def test_where_nobody_can_walk_a_sentence_says_so(room):
    nowhere = dataclasses.replace(room.scene, drivable=np.array([[0.0, 0.0, 0.3, 0.3]]))
    full = dataclasses.replace(room, renderer=dataclasses.replace(room.renderer, scene=nowhere))
    with pytest.raises(ConfigError, match="nobody can walk in this world"):
        full.with_walkers(1, room.path())
