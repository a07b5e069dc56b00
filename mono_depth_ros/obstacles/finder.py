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
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import inverse, transform_points
from mono_depth_ros.obstacles.evidence import evident
from mono_depth_ros.obstacles.floor import RING_M, follow_floor
from mono_depth_ros.obstacles.flying import flying_pixels
from mono_depth_ros.obstacles.scan import Scan, flat_scan
from mono_depth_ros.obstacles.seen_floor import floor_from_camera
from mono_depth_ros.obstacles.view import ObstacleView, grid_stride, obstacle_view, view_from
from mono_depth_ros.obstacles.voxels import thinned

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAX_RELATIVE_ERROR, MAX_ERROR_M = 0.25, 0.5
"""Of a depth whose uncertainty is known and for which no limit is given, the larger of both: what might be anywhere is
no obstacle, but what is near is one even where little is known of it. A wall that is missed is worse than a false cell:
stricter limits (0.1, 0.2 m) leave out whole walls seen at a grazing angle, and hardly more of what is false."""


@dataclass(frozen=True, eq=False)
class Obstacles:
    """Metres in the base frame (x ahead, y left, z up, the floor about z = 0), else in the camera's optical frame.

    Attributes:
        points: (N, 3) float32, one in each voxel.
        free: (M, 3) float32: seen from the camera nothing is in the way to there: points of the floor, of obstacles and
            of what is above them, and of rays that meet nothing within the range, where they leave it.
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
            fraction of its depth, is unknown; 0: than `MAX_RELATIVE_ERROR` and `MAX_ERROR_M`.
        mask: (H, W) bool, False on the robot's own body.

    Raises:
        ObstacleError: reason `no_floor` where no base frame is given and no floor is seen, `ground_height` where the
            base frame is not below the camera, `mask_size`.
        CameraError: a camera of another size. ConfigError: a transform that is not rigid.
    """
    height, width = depth.shape
    camera.check_size(width, height)
    if mask is not None and mask.shape != depth.shape:
        sizes = f"the mask is {mask.shape[1]}x{mask.shape[0]}, the depth {width}x{height}"
        raise ObstacleError(f"{sizes}: expected the same size", "mask_size")
    grid = slice(None, None, grid_stride(camera))
    metres = np.ascontiguousarray(depth[grid, grid].detach().cpu().numpy(), dtype=np.float32)
    known = metres > 0
    if mask is not None:
        known &= mask[grid, grid].cpu().numpy()
    error: Floats | None = None
    if uncertainty is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = uncertainty[grid, grid].detach().cpu().numpy() / metres
        # Of what is infinitely far no error is known, and none counts.
        most = max_relative_error or np.maximum(MAX_RELATIVE_ERROR, MAX_ERROR_M / np.maximum(metres, 0.01))
        known &= (relative <= most) | (metres == np.inf)
        error = relative.reshape(-1).astype(np.float32, copy=False)
    with np.errstate(divide="ignore"):
        near = np.where(metres > 0, 1.0 / metres, np.float32(0.0))
    if camera.model == "equidistant":
        # Towards the rim of a fisheye depth along the axis falls from pixel to pixel on any surface; range does not.
        near = near / np.hypot(1.0, np.linalg.norm(rays(camera.strided(grid.step)).numpy(), axis=-1))
    known &= ~flying_pixels(near)
    metres, known = metres.reshape(-1), known.reshape(-1)
    if base_from_camera is not None:
        view = obstacle_view(camera, base_from_camera)
        if not view.origin[2] > 0:
            raise ObstacleError(
                f"the camera is {view.origin[2]:.3g} m above the base frame, expected more than 0: is that frame on "
                "the floor, z up?",
                "ground_height",
            )
        return _find(metres, known, error, view, config, scans=True)
    flat = rays(camera.strided(grid.step)).numpy().reshape(-1, 2)
    seen = floor_from_camera(np.where(known, metres, np.float32(np.nan)), flat, config.max_range)
    found = _find(metres, known, error, view_from(camera, seen), config, scans=False)
    back = inverse(seen)
    return Obstacles(transform_points(back, found.points), transform_points(back, found.free), None)


def _find(
    metres: Floats, known: Mask, error: Floats | None, view: ObstacleView, config: ObstacleConfig, scans: bool
) -> Obstacles:
    """As `find_obstacles`, of the view's pixels (M,) in its base frame."""
    reach, eye = np.float32(config.max_range), view.origin[2]
    with np.errstate(invalid="ignore"):
        run = metres * view.along
        near = known & (run < reach)
        clear = known & (run >= reach)
    at, depth = np.flatnonzero(near), metres
    run, metres, sector = run[at], metres[at], view.sector[at]
    height = eye + metres * view.forward[2][at]
    rings = math.ceil(config.max_range / RING_M)
    ring = np.minimum((run * np.float32(1 / RING_M)).astype(np.int32), rings - 1)
    cell = sector * rings + ring
    slope = math.tan(math.radians(config.max_slope))
    half = np.flatnonzero(view.half[at])
    floor = follow_floor(height[half], run[half], cell[half], view.sectors, rings, float(eye), slope)
    last, floor = floor.reshape(view.sectors, rings)[:, -1], floor.reshape(-1)[cell]
    above = height - floor

    solid = np.flatnonzero((above > config.min_height) & (above < config.max_height))
    pixel = at[solid]
    area = metres[solid] ** 2 * view.area[pixel]
    stays = evident(run[solid], sector[solid], view.sectors, area, None if error is None else error[pixel])
    solid = solid[stays]
    points = _points(view, at[solid], metres[solid])
    if config.max_drop > 0:
        edges = _edges(view, at, metres, height, floor, config.max_drop)
        far = np.flatnonzero(clear & (view.forward[2] < 0) & (depth < np.inf))  # the floor behind an edge
        fallen = eye + depth[far] * view.forward[2][far]
        beyond = _edges(view, far, depth[far], fallen, last[view.sector[far]], config.max_drop)
        beyond = beyond[np.hypot(beyond[:, 0] - view.origin[0], beyond[:, 1] - view.origin[1]) < reach]
        points = np.concatenate((points, edges, beyond))
    cubes, stays = thinned(points, config.voxel_size, config.voxel_points)

    ends = (np.abs(above) <= config.min_height) | (above >= config.max_height)
    ends[solid] = True
    ends &= view.sparse[at]
    leaves = np.flatnonzero(clear & view.sparse)
    free = np.concatenate(
        (_points(view, at[ends], metres[ends]), _points(view, leaves, reach / np.maximum(view.along[leaves], 1e-6)))
    )
    scan = None
    if scans:
        x, y = points[:, 0][stays], points[:, 1][stays]
        scan = flat_scan(x, y, view, known, clear, config.max_range, config.max_height)
    return Obstacles(cubes, np.ascontiguousarray(free), scan)


def _points(view: ObstacleView, pixels: NDArray[np.intp], metres: Floats) -> Floats:
    """(N, 3) of pixels at depths, base frame."""
    points = np.empty((3, len(pixels)), np.float32).T  # each axis in one piece
    for axis in range(3):
        points[:, axis] = view.origin[axis] + metres * view.forward[axis][pixels]
    return points


def _edges(
    view: ObstacleView, at: NDArray[np.intp], metres: Floats, height: Floats, floor: Floats, drop: float
) -> Floats:
    """(K, 3) where rays that end at a height below the floor should have met it."""
    # Lower than the floor of the robot too: where the floor was followed up a thing, what is below that is none.
    below = np.flatnonzero((height - floor < -drop) & (height < -drop))
    meets = (floor[below] - view.origin[2]) / view.forward[2][at[below]]
    nearer = (meets > 0) & (meets < metres[below])
    return _points(view, at[below][nearer], meets[nearer])
