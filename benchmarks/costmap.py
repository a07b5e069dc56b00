# SPDX-License-Identifier: Apache-2.0
"""Nav2's costmap layers for one robot, by the rules that nav2_costmap_2d documents: what marks a cell, and what clears.

The robot stands at the middle of the left side, looks along x, and its map reaches REACH_M ahead and to either side.
A cell is marked where its column holds a marked voxel (`mark_threshold` 0). Rays are Bresenham's.
"""

from __future__ import annotations

import math

import numpy as np

CELL_M = 0.05
REACH_M = 5.0
AHEAD = round(REACH_M / CELL_M)
LAYERS, LAYER_M = 16, 0.125  # z_voxels, the most there are, and z_resolution: 2 m
_EPSILON = 1e-3


class VoxelLayer:
    """marked: (AHEAD, 2 * AHEAD, LAYERS) bool of voxels, x ahead, y left, z up from the floor."""

    def __init__(self, marked: bool = False) -> None:
        self.marked = np.full((AHEAD, 2 * AHEAD, LAYERS), marked)

    def mark(self, points: np.ndarray, origin: np.ndarray, low: float, high: float, max_range: float) -> None:
        """Points (N, 3) metres between `min_obstacle_height` and `max_obstacle_height`, within `obstacle_max_range`.

        Args:
            origin: (3,) of the frame of the cloud's header.
        """
        with np.errstate(invalid="ignore"):
            near = np.linalg.norm(points - origin, axis=1) < max_range
            points = points[near & (points[:, 2] >= low) & (points[:, 2] <= high)]
        index = _index(points)
        index[:, 2] = np.maximum(index[:, 2], 0)  # what is below the lowest voxel marks it
        x, y, z = index[_inside(index)].T
        self.marked[x, y, z] = True

    def clear(self, ends: np.ndarray, origin: np.ndarray, max_range: float) -> None:
        """Along rays to (M, 3) metres: up to two cells before their ends, and `raytrace_max_range`."""
        self.marked[crossed(ends, origin, max_range)] = False

    def cells(self) -> np.ndarray:
        """(AHEAD, 2 * AHEAD) bool."""
        return np.asarray(self.marked.any(axis=2))


class ObstacleLayer:
    """marked: (AHEAD, 2 * AHEAD) bool of cells."""

    def __init__(self, marked: bool = False) -> None:
        self.marked = np.full((AHEAD, 2 * AHEAD), marked)

    def mark(self, points: np.ndarray, low: float, high: float) -> None:
        """Points (N, 3) metres between the heights."""
        index = _index(points[(points[:, 2] >= low) & (points[:, 2] <= high)])
        index[:, 2] = 0
        x, y, _ = index[_inside(index)].T
        self.marked[x, y] = True

    def clear(self, ranges: np.ndarray, bearings: np.ndarray, range_max: float, min_range: float) -> None:
        """Along the beams of a LaserScan (N,) with `inf_is_valid`: +inf counts as range_max, NaN not at all."""
        known = ~np.isnan(ranges)
        length, bearing = np.minimum(ranges[known], range_max - 1e-4), bearings[known]
        ends = np.stack([length * np.cos(bearing), length * np.sin(bearing), np.zeros_like(length)], axis=1)
        x, y, _ = _lines(np.array([_EPSILON, 0.0, 0.0]), _cut(ends, np.zeros(3)), math.inf, min_range)
        self.marked[x, y] = False


def crossed(ends: np.ndarray, origin: np.ndarray, max_range: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the voxels that rays from a camera (3,) to (M, 3) clear."""
    ray = ends - origin
    length = np.maximum(np.linalg.norm(ray, axis=1, keepdims=True), 1e-9)
    return _lines(origin, _cut(origin + np.maximum(1 - 2 * CELL_M / length, 0) * ray, origin), max_range, 0.0)


def _index(points: np.ndarray) -> np.ndarray:
    scaled = np.floor(points / (CELL_M, CELL_M, LAYER_M)).astype(np.int64)
    return scaled + np.array([0, AHEAD, 0])


def _inside(index: np.ndarray) -> np.ndarray:
    return np.asarray(((index >= 0) & (index < (AHEAD, 2 * AHEAD, LAYERS))).all(axis=1))


def _cut(ends: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """The ends of rays, or where these leave the map."""
    low, high = np.array([0.0, -REACH_M, 0.0]), np.array([REACH_M, REACH_M, LAYERS * LAYER_M])
    ray = ends - origin
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(ray > 0, (high - _EPSILON - origin) / ray, np.where(ray < 0, (low - origin) / ray, np.inf))
    leaves = np.clip(share.min(axis=1, keepdims=True), 0.0, 1.0)
    return np.clip(origin + leaves * ray, low, high - _EPSILON)


def _lines(
    start: np.ndarray, ends: np.ndarray, max_range: float, min_range: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices (K,) of the voxels of lines, one by one along the longest axis, within the ranges."""
    first, last = _index(start[None]), _index(ends)
    way = last - first
    steps = np.abs(way)
    most = steps.max(axis=1)
    length = np.linalg.norm((ends - start) / (CELL_M, CELL_M, LAYER_M), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(length > 0, np.minimum(1.0, max_range / CELL_M / length), 0.0)
        begin = np.where(length > 0, np.minimum(min_range / CELL_M / length, 1.0) * most, 0).astype(np.int64)
    end = (scale * most).astype(np.int64)
    seen = np.zeros((AHEAD, 2 * AHEAD, LAYERS), dtype=bool)
    for step in range(int(end.max(initial=-1)) + 1):
        going = np.flatnonzero((step <= end) & (step >= begin))
        d = most[going, None]
        at = first + np.sign(way[going]) * ((d // 2 + step * steps[going]) // np.maximum(d, 1))
        x, y, z = at[_inside(at)].T
        seen[x, y, z] = True
    x, y, z = np.nonzero(seen)
    return x, y, z
