# SPDX-License-Identifier: Apache-2.0
"""Where a camera may be: distance to the nearest obstacle on a grid over the drivable area."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mono_depth_ros.world.scene import Scene


@dataclass(frozen=True, eq=False)
class FreeSpace:
    """clearance (rows y, columns x) float32: metres from a cell's centre to the nearest obstacle, 0 in one."""

    origin: np.ndarray  # (2,) x, y of the corner of cell (0, 0)
    cell: float
    clearance: np.ndarray

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Clearance in metres at points; 0 outside the grid."""
        i = np.floor((np.asarray(x) - self.origin[0]) / self.cell).astype(np.int64)
        j = np.floor((np.asarray(y) - self.origin[1]) / self.cell).astype(np.int64)
        rows, columns = self.clearance.shape
        inside = (i >= 0) & (j >= 0) & (i < columns) & (j < rows)
        return np.where(inside, self.clearance[np.clip(j, 0, rows - 1), np.clip(i, 0, columns - 1)], 0.0)

    def points(self, clearance: float) -> np.ndarray:
        """(M, 2) centres of the cells with at least that clearance."""
        j, i = np.nonzero(self.clearance >= clearance)
        return self.origin + (np.stack([i, j], axis=1) + 0.5) * self.cell


def free_space(scene: Scene, height: float, cell: float) -> FreeSpace:
    """Obstacles are solids that reach into 0.1 m .. height + 0.3 m above the floor."""
    low = scene.drivable[:, :2].min(axis=0)
    high = scene.drivable[:, 2:].max(axis=0)
    columns, rows = np.ceil((high - low) / cell).astype(int)
    blocked = np.ones((rows, columns), dtype=np.uint8)
    for x0, y0, x1, y1 in scene.drivable:
        i0, j0 = np.round((np.array([x0, y0]) - low) / cell).astype(int)
        i1, j1 = np.round((np.array([x1, y1]) - low) / cell).astype(int)
        blocked[j0:j1, i0:i1] = 0
    corners = scene.corners()
    bottom, top = corners[:, :, 2].min(axis=1), corners[:, :, 2].max(axis=1)
    for p in np.flatnonzero(scene.solid & (bottom < height + 0.3) & (top > 0.1)):
        hull = cv2.convexHull(((corners[p, :, :2] - low) / cell - 0.5).astype(np.float32))
        cv2.fillConvexPoly(blocked, np.round(hull).astype(np.int32), 1)
    # A rim of obstacle so that the border of the drivable area counts.
    rim = np.pad(blocked, 1, constant_values=1)
    distance = cv2.distanceTransform(1 - rim, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return FreeSpace(low, cell, np.maximum(distance - 0.7, 0.0).astype(np.float32) * cell)
