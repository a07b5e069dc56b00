# SPDX-License-Identifier: Apache-2.0
"""The drive of the world node: the same configuration gives the same bytes."""

from __future__ import annotations

import dataclasses
import itertools
import threading

import numpy as np
import pytest

from mono_depth_ros.config import WorldNodeConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.nodes.sources.drive import Drive
from mono_depth_ros.world import KINDS, SpinningLidar, World
from mono_depth_ros.world.sensor_noise import sensor_image

SMALL = WorldNodeConfig(scene="corridor", seed=4, width=80, height=60, rate=10.0, duration=0.6)


def frames(config, wanted=True, count=None):
    made = Drive.of(config).frames(lambda: wanted, lambda: None, lambda: False)
    return list(itertools.islice(made, count))


def same(a, b):
    return np.array_equal(a.rgb, b.rgb) and np.array_equal(a.depth, b.depth) and np.array_equal(a.pose, b.pose)


def test_the_same_configuration_gives_the_same_bytes_and_another_seed_does_not():
    once, again = frames(SMALL), frames(SMALL)
    assert len(once) == 6 and all(map(same, once, again))
    assert all(np.array_equal(a.scan.xyz, b.scan.xyz) for a, b in zip(once, again, strict=True))
    assert not np.array_equal(once[0].rgb, once[1].rgb)
    assert not np.array_equal(once[0].depth, frames(dataclasses.replace(SMALL, seed=5), count=1)[0].depth)


def test_rendered_ahead_and_looped_the_frames_are_the_same():
    once = frames(SMALL)
    for changes in ({"render_ahead": True}, {"loop": True}, {"render_ahead": True, "loop": True}):
        looped = "loop" in changes
        twice = frames(dataclasses.replace(SMALL, **changes), count=12)
        assert len(twice) == (12 if looped else 6)
        assert all(map(same, twice, itertools.cycle(once)))


def test_frame_0_is_the_world_seen_from_the_start_of_its_path_and_the_noise_is_on_the_image_only():
    world = World.generate("corridor", 4)
    drive = Drive.of(SMALL)
    pose = world.path().pose(0.0)
    truth = world.render(drive.camera, pose)
    first, clean = frames(SMALL, count=1)[0], frames(dataclasses.replace(SMALL, noise=0.0), count=1)[0]
    assert np.array_equal(first.depth, truth.depth) and np.array_equal(first.pose, pose)
    assert np.array_equal(clean.rgb, truth.rgb)
    difference = first.rgb.astype(float) - truth.rgb
    assert 1.0 < difference.std() < 12.0 and abs(difference.mean()) < 2.0
    scan = SpinningLidar(rate_hz=10.0).scan(world, pose @ drive.lidar.camera_from_lidar, seed=0)
    assert np.array_equal(first.scan.xyz, scan.xyz) and np.array_equal(first.scan.time, scan.time)


def test_sweeps_come_at_their_rate_and_only_when_wanted():
    config = dataclasses.replace(SMALL, lidar_rate=4.0, duration=1.0, width=16, height=16)
    with_sweep = [frame.scan is not None for frame in frames(config)]
    assert with_sweep == [k in (0, 3, 5, 8) for k in range(10)]  # 0, 0.25, 0.5 and 0.75 s, rounded up to an image
    assert all(frame.scan is None for frame in frames(config, wanted=False))
    assert all(frame.scan is None for frame in frames(dataclasses.replace(config, lidar=False)))
    assert Drive.of(dataclasses.replace(SMALL, lidar_rate=0.0)).lidar.rate_hz == 10.0


def test_rendering_ahead_stops_when_told():
    stop = threading.Event()
    stop.set()
    config = dataclasses.replace(SMALL, duration=3600.0, render_ahead=True)
    assert list(Drive.of(config).frames(lambda: True, lambda: None, stop.is_set)) == []


def test_noise_is_of_the_strength_asked_for():
    grey = np.full((120, 160, 3), 100, np.uint8)
    assert sensor_image(grey, 0.0, 0.0, 1) is grey
    spread = [sensor_image(grey, strength, 0.0, 1).std() for strength in (1.0, 3.0)]
    assert spread == pytest.approx([2.0, 6.0], rel=0.03)
    brightest = sensor_image(grey, 1.0, 7.0 / 4, 1).mean()
    assert brightest == pytest.approx(100 * np.exp(0.08), abs=0.6)


def test_the_options_fit_the_world_and_the_lidar_they_are_for():
    defaults = WorldNodeConfig()
    scene = next(item for item in dataclasses.fields(WorldNodeConfig) if item.name == "scene")
    assert scene.metadata["choices"] == KINDS or set(scene.metadata["choices"]) == set(KINDS)
    lidar = SpinningLidar()
    assert (defaults.lidar_rings, defaults.lidar_steps) == (lidar.rings, lidar.azimuth_steps)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lidar_rate": 20.0}, "at most rate, 10 Hz"),
        ({"lidar_steps": 901}, "a multiple of 4"),
        ({"render_ahead": True, "duration": 0.0}, "needs a duration"),
        ({"scene": "moon"}, "one of: room, corridor"),
    ],
)
def test_contradictory_options_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(SMALL, **changes)
