# SPDX-License-Identifier: Apache-2.0
"""Scenes of which every height is known: depth of planes and boxes, each ray cast in float64."""

from __future__ import annotations

import numpy as np
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.obstacles.finder import Obstacles

CAMERA = Camera.from_fov((320, 240), 70.0)
EYE = 0.6


def looking(pitch_deg: float = 0.0, roll_deg: float = 0.0, eye: float = EYE) -> np.ndarray:
    """(4, 4) base_from_camera: above the base's origin, x ahead; positive pitch looks down."""
    p, r = np.radians(pitch_deg), np.radians(roll_deg)
    ahead, down = np.array([np.cos(p), 0, -np.sin(p)]), np.array([-np.sin(p), 0, -np.cos(p)])
    right = np.cross(down, ahead)
    down, right = np.cos(r) * down - np.sin(r) * right, np.cos(r) * right + np.sin(r) * down
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, down, ahead], axis=1)
    matrix[2, 3] = eye
    return matrix


LEVEL = looking()


class Scene:
    """Rays of a camera on a robot; what is added hides what is behind it."""

    def __init__(self, base: np.ndarray = LEVEL, camera: Camera = CAMERA) -> None:
        grid = rays(camera).numpy().astype(np.float64)
        self._ray = np.concatenate([grid, np.ones_like(grid[..., :1])], axis=-1) @ base[:3, :3].T
        self._origin = base[:3, 3]
        self.depth = np.full(grid.shape[:2], np.inf)

    def _add(self, depth: np.ndarray, there: np.ndarray) -> Scene:
        with np.errstate(invalid="ignore"):
            self.depth = np.where(there & (depth > 0) & (depth < self.depth), depth, self.depth)
        return self

    def floor(self, slope_deg: float = 0.0, start: float = 0.0, stop: float = np.inf, height: float = 0.0) -> Scene:
        """z = height + tan(slope) * (x - start) from x = start to stop."""
        rise = np.tan(np.radians(slope_deg))
        with np.errstate(all="ignore"):
            depth = (height - rise * start - self._origin[2]) / (self._ray[..., 2] - rise * self._ray[..., 0])
            x = depth * self._ray[..., 0]
        return self._add(depth, (x >= start) & (x <= stop))

    def box(self, low: tuple[float, float, float], high: tuple[float, float, float]) -> Scene:
        with np.errstate(all="ignore"):
            ends = [(np.array(c) - self._origin) / self._ray for c in (low, high)]
        near, far = np.minimum(*ends).max(axis=-1), np.maximum(*ends).min(axis=-1)
        return self._add(near, near <= far)

    @property
    def tensor(self) -> torch.Tensor:
        return torch.from_numpy(self.depth.astype(np.float32))


def beam(found: Obstacles, bearing_deg: float) -> float:
    """The range of the scan in a direction."""
    assert found.scan is not None
    index = round((np.radians(bearing_deg) - found.scan.angle_min) / found.scan.angle_increment)
    return float(found.scan.ranges[index])
