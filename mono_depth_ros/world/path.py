# SPDX-License-Identifier: Apache-2.0
"""A camera that drives: placeholder loop, refined below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mono_depth_ros.world.freespace import FreeSpace
from mono_depth_ros.world.pose import camera_pose


@dataclass(frozen=True)
class CameraPath:
    center: np.ndarray
    radius: float
    height: float
    speed: float

    def pose(self, t_s: float) -> np.ndarray:
        a = self.speed * t_s / max(self.radius, 0.3)
        x, y = self.center + self.radius * np.array([np.cos(a), np.sin(a)])
        return camera_pose(float(x), float(y), self.height, a + np.pi / 2)


def make_path(free: FreeSpace, height: float, kind: str, rng: np.random.Generator) -> CameraPath:
    j, i = np.unravel_index(int(free.clearance.argmax()), free.clearance.shape)
    center = free.origin + (np.array([i, j]) + 0.5) * free.cell
    return CameraPath(center, float(free.clearance.max()) * 0.6, height, 0.7)
