# SPDX-License-Identifier: Apache-2.0
"""Viewpoints of a camera in somebody's hand: any height, tilted, near to what it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mono_depth_ros.world.pose import camera_pose
from mono_depth_ros.world.scene import Scene

if TYPE_CHECKING:
    from mono_depth_ros.world.world import World

LOWEST_M, HIGHEST_M = 0.2, 2.0
_NEAR_M = 0.12  # a tenth of the image may not be nearer than this, or it shows a blur
_SPREAD = np.radians(12.0)  # of the direction about that of the thing looked at
_PITCH, _MOST_PITCH = np.radians((-8.0, 18.0)), np.radians(75.0)  # mean and deviation where nothing is looked at
_ROLL, _MOST_ROLL = np.radians(7.0), np.radians(35.0)


def hand_held_pose(world: World, rng: np.random.Generator) -> np.ndarray:
    """A viewpoint, 4x4 float64 world_from_camera: 0.2 to 2 m above the floor, mostly at something within 3 m.

    Views that show hardly anything, or nothing but what is before the lens, are drawn again up to 60 times.
    """
    scene = world.scene
    x0, y0 = scene.drivable[:, :2].min(axis=0)
    x1, y1 = scene.drivable[:, 2:].max(axis=0)
    grid = _probe()
    pose = np.eye(4)
    for _ in range(60):
        height = float(np.clip(rng.normal(1.3, 0.4), LOWEST_M, HIGHEST_M))
        place = np.array([rng.uniform(x0 + 0.1, x1 - 0.1), rng.uniform(y0 + 0.1, y1 - 0.1), height])
        if _inside_anything(scene, place):
            continue
        yaw, pitch = rng.uniform(-np.pi, np.pi), rng.normal(*_PITCH)
        if rng.random() < 0.6:
            there = scene.center[scene.solid] - place
            near = there[(np.linalg.norm(there, axis=1) < 3.0) & (np.linalg.norm(there, axis=1) > 0.3)]
            if len(near):
                x, y, z = near[int(rng.integers(len(near)))]
                yaw = np.arctan2(y, x) + rng.normal(0, _SPREAD)
                pitch = np.arctan2(z, np.hypot(x, y)) + rng.normal(0, _SPREAD)
        pitch = float(np.clip(pitch, -_MOST_PITCH, _MOST_PITCH))
        roll = float(np.clip(rng.normal(0, _ROLL), -_MOST_ROLL, _MOST_ROLL))
        pose = camera_pose(place[0], place[1], height, float(yaw), pitch, roll)
        _, depth, _ = world.renderer.cast(grid, pose, 0.05, normals=False, raw_albedo=True)
        if np.quantile(depth, 0.1) < _NEAR_M or np.median(depth) < 0.3:
            continue
        if np.unique(world.renderer.first_solids(grid, pose)).size >= 5 or rng.random() < 0.1:
            break
    return pose


def _inside_anything(scene: Scene, place: np.ndarray) -> bool:
    """Within 5 cm of a solid's box."""
    local = np.einsum("nij,ni->nj", scene.rotation, place - scene.center)
    return bool((np.abs(local) < scene.half + 0.05).all(axis=1)[scene.solid].any())


def _probe() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-0.6, 0.6, 12), np.linspace(-0.45, 0.45, 8))
    return np.stack([x, y], axis=-1).astype(np.float32)
