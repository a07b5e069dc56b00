# SPDX-License-Identifier: Apache-2.0
"""Images in their order, with exact poses and true depth: synthetic drives, and 7-Scenes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mono_depth_ros.datasets import READERS
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.world import World

DRIVES = [(kind, seed) for kind in ("room", "corridor", "warehouse") for seed in (20_000_001, 20_000_002)]


@dataclass
class Image:
    """truth, moves: (H, W) metres, and what walks. pose: (4, 4) world_from_camera."""

    rgb: np.ndarray
    camera: Camera
    pose: np.ndarray
    stamp_s: float
    truth: np.ndarray
    moves: np.ndarray | None = None


def drive(kind: str, seed: int, camera: Camera, rate_hz: float, images: int, walkers: int = 0) -> Iterator[Image]:
    """A synthetic drive with exact poses."""
    world = World.generate(kind, seed)
    path = world.path()
    peopled = world.with_walkers(walkers, path)
    for index in range(images):
        t_s = index / rate_hz
        pose = path.pose(t_s)
        seen = peopled.at(t_s).render(camera, pose, normals=False)
        moves = seen.depth != world.render(camera, pose, normals=False).depth if walkers else None
        yield Image(seen.rgb, camera, pose, 1 + t_s, seen.depth, moves)


def seven_scenes(folder: Path) -> Iterator[Image]:
    """The frames of 7-Scenes with their own poses."""
    dataset = READERS["seven_scenes"](Wanted(folder))
    assert dataset.pose is not None
    for item in dataset.items:
        loaded = dataset.load(item)
        assert loaded.camera is not None and item.stamp_s is not None
        yield Image(loaded.rgb, loaded.camera, dataset.pose(item), item.stamp_s, loaded.truth)
