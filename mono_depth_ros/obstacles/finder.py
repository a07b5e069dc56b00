# SPDX-License-Identifier: Apache-2.0
"""From a depth image to obstacles in the robot's frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.config.obstacles import ObstacleConfig
from mono_depth_ros.errors import ObstacleError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.obstacles.floor import RING_M, follow_floor
from mono_depth_ros.obstacles.scan import Scan, flat_scan
from mono_depth_ros.obstacles.view import SECTOR, ObstacleView, obstacle_view
from mono_depth_ros.obstacles.voxels import thinned

Floats = NDArray[np.float32]

_FREE_STEP = 4  # of the pixels that are looked at: one in so many columns and rows gives a ray that clears


@dataclass(frozen=True, eq=False)
class Obstacles:
    """Metres in the base frame (x ahead, y left, z up, the floor about z = 0), else in the camera's optical frame.

    Attributes:
        points: (N, 3) float32, one in each voxel.
        free: (M, 3) float32: seen from the camera nothing is in the way to there: points of the floor, and of rays that
            meet nothing within the range, where they leave it.
        scan: the same in the plane of the base frame; None without one, as a scan turns about the z axis of its frame.
    """

    points: Floats
    free: Floats
    scan: Scan | None


def find_obstacles(
    depth: torch.Tensor,
    camera: Camera,
    base_from_camera: NDArray[np.float64] | None,
    config: ObstacleConfig,
    uncertainty: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    max_relative_error: float = 0.0,
) -> Obstacles:
    """What a robot would drive into.

    Args:
        depth: (H, W) float32 metres along the optical axis; NaN unknown, +inf beyond range. camera: of it.
        base_from_camera: (4, 4) from the optical frame to one on the floor; None: the floor is that which is seen.
        uncertainty: (H, W) float32 metres, the error to expect. max_relative_error: a pixel with more of it, as a
            fraction of its depth, is unknown; 0 keeps all.
        mask: (H, W) bool, False on the robot's own body.

    Raises:
        ObstacleError: reason `no_floor` where no base frame is given and no floor is seen; `mask_size`.
    """
    if base_from_camera is None:
        raise ObstacleError("no floor is seen, and where the camera is on the robot is not known", "no_floor")
    if mask is not None and mask.shape != depth.shape:
        found = f"the mask is {mask.shape[1]}x{mask.shape[0]}, the depth {depth.shape[1]}x{depth.shape[0]}"
        raise ObstacleError(f"{found}: expected the same size", "mask_size")
    view = obstacle_view(camera, base_from_camera)
    small = depth[:: view.stride, :: view.stride]
    known = small > 0
    if uncertainty is not None and max_relative_error > 0:
        known &= uncertainty[:: view.stride, :: view.stride] <= max_relative_error * small
    if mask is not None:
        known &= mask[:: view.stride, :: view.stride]
    metres, here = small.cpu().numpy().reshape(-1), known.cpu().numpy().reshape(-1)
    reach = np.float32(config.max_range)
    with np.errstate(invalid="ignore"):
        run = metres * view.along
        within = here & (run < reach)
    beyond = here & ~within & np.isfinite(view.along)
    at = np.flatnonzero(within)
    run, metres, rise, sector = run[at], metres[at], view.forward[at, 2], view.sector[at]
    height = view.origin[2] + metres * rise
    rings = math.ceil(config.max_range / RING_M)
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
    points, free = thinned(points, config.voxel_size, config.voxel_points), free.astype(np.float32)
    half = view.sectors * SECTOR / 2
    middle = float(view.bearing.mean())
    return Obstacles(points, free, flat_scan(points, free, (middle - half, middle + half), config.max_range))


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
