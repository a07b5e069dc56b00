# SPDX-License-Identifier: Apache-2.0
"""From a depth image to obstacles in the robot's frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.config.obstacles import ObstacleConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import mid_air
from mono_depth_ros.obstacles.floor import RING_M, follow_floor
from mono_depth_ros.obstacles.view import ObstacleView, obstacle_view
from mono_depth_ros.obstacles.voxels import thinned

Floats = NDArray[np.float32]

_FREE_STEP = 4  # of the pixels that are looked at: one in so many columns and rows gives a ray that clears


@dataclass(frozen=True, eq=False)
class Obstacles:
    """Metres in the robot's frame: x ahead, y left, z up, the floor about z = 0.

    Attributes:
        points: (N, 3) float32, one in each cube.
        free: (M, 3) float32: seen from the camera nothing is in the way to there: points of the floor, and of rays that
            meet nothing within the range, where they leave it.
    """

    points: Floats
    free: Floats


def find_obstacles(
    depth: torch.Tensor,
    camera: Camera,
    base_from_camera: NDArray[np.float64],
    config: ObstacleConfig,
    edge_ratio: float = 0.05,
    usable: torch.Tensor | None = None,
) -> Obstacles:
    """What a robot would drive into.

    Args:
        depth: (H, W) float32 metres along the optical axis; NaN unknown, +inf beyond range. camera: of it.
        base_from_camera: (4, 4) from the optical frame to one on the floor.
        edge_ratio: as of `mid_air`; 0 keeps flying pixels.
        usable: (H, W) bool, False on the robot's own body and where the depth is not known well enough.
    """
    view = obstacle_view(camera, base_from_camera)
    small = depth[:: view.stride, :: view.stride]
    known = small > 0
    if edge_ratio > 0:
        known &= ~mid_air(small, edge_ratio)
    if usable is not None:
        known &= usable[:: view.stride, :: view.stride]
    metres, here = small.cpu().numpy().reshape(-1), known.cpu().numpy().reshape(-1)
    reach = np.float32(config.obstacle_range)
    with np.errstate(invalid="ignore"):
        run = metres * view.along
        within = here & (run < reach)
    beyond = here & ~within & np.isfinite(view.along)
    at = np.flatnonzero(within)
    run, metres, rise, sector = run[at], metres[at], view.forward[at, 2], view.sector[at]
    height = view.origin[2] + metres * rise
    rings = math.ceil(config.obstacle_range / RING_M)
    cell = sector.astype(np.int64) * rings + np.minimum((run * np.float32(1 / RING_M)).astype(np.int64), rings - 1)
    slope = math.tan(math.radians(config.max_slope))
    floor = follow_floor(height, cell, view.sectors, rings, float(view.origin[2]), slope).reshape(-1)[cell]
    above = height - floor
    solid = np.flatnonzero((above > config.min_height) & (above < config.max_height))
    points = (view.origin + metres[solid, None] * view.forward[at[solid]]).astype(np.float32)
    if config.max_drop > 0:
        points = np.concatenate((points, _edges(view, at, above, floor, metres, config.max_drop)))
    seen = np.flatnonzero((np.abs(above) <= config.min_height) & _thin(view, at, small.shape[1]))
    far = np.flatnonzero(beyond)
    far = far[_thin(view, far, small.shape[1])]
    ends = (reach / np.maximum(view.along[far], 1e-6))[:, None] * view.forward[far]
    free = np.concatenate((metres[seen, None] * view.forward[at[seen]], ends)) + view.origin
    return Obstacles(thinned(points, config.voxel_size, config.voxel_points), free.astype(np.float32))


def _edges(
    view: ObstacleView, at: NDArray[np.intp], above: Floats, floor: Floats, metres: Floats, drop: float
) -> Floats:
    """(K, 3) where rays that end below the floor should have met it."""
    below = np.flatnonzero((above < -drop) & (view.forward[at, 2] < 0))
    ray = view.forward[at[below]]
    meets = (floor[below] - view.origin[2]) / ray[:, 2]
    nearer = meets < metres[below]
    edge: Floats = view.origin + meets[nearer, None] * ray[nearer]
    return edge


def _thin(view: ObstacleView, pixels: NDArray[np.intp], width: int) -> NDArray[np.bool_]:
    row, column = np.divmod(pixels, width)
    chosen: NDArray[np.bool_] = (row % _FREE_STEP == 0) & (column % _FREE_STEP == 0)
    return chosen
