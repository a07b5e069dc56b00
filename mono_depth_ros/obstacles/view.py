# SPDX-License-Identifier: Apache-2.0
"""What is the same for every image of a camera that is fixed on its robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.maps import kept
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import rigid_from_matrix

Floats = NDArray[np.float32]

SECTOR = float(np.radians(1.0))
"""Of bearings, in which the floor is followed and evidence is counted."""
_COLUMNS = 320  # of the image are looked at: at 4 m a voxel of 5 cm is still 3 of them wide


@dataclass(frozen=True, eq=False)
class ObstacleView:
    """The rays of a grid of M pixels, turned into the base frame: x ahead, y left, z up.

    Attributes:
        stride: every so many pixels one. shape: rows and columns of the grid. origin: (3,) of the camera, metres.
        forward: (3, M) by metre of depth; NaN where the lens has no ray.
        along: (M,) horizontal metres by metre of depth.
        sector: (M,) int32 of the bearing from the camera; sectors: how many.
        area: (M,) square metres that a pixel covers at a depth of 1 m.
        half: (M,) bool, every other column; sparse: of every other row.
    """

    stride: int
    shape: tuple[int, int]
    origin: Floats
    forward: Floats
    along: Floats
    sector: NDArray[np.int32]
    sectors: int
    area: Floats
    half: NDArray[np.bool_]
    sparse: NDArray[np.bool_]


def obstacle_view(camera: Camera, base_from_camera: NDArray[np.float64]) -> ObstacleView:
    """The view of a camera on a robot.

    Args:
        base_from_camera: (4, 4), of the optical frame.

    Raises:
        ConfigError: the transform is not rigid.
    """
    return _view(camera, np.ascontiguousarray(base_from_camera, dtype=np.float64).tobytes())


def grid_stride(camera: Camera) -> int:
    """Every so many pixels one is looked at."""
    return max(1, round(camera.width / _COLUMNS))


@kept
def _view(camera: Camera, pose: bytes) -> ObstacleView:
    return view_from(camera, rigid_from_matrix(np.frombuffer(pose).reshape(-1, 4)))


def view_from(camera: Camera, base_from_camera: NDArray[np.float64]) -> ObstacleView:
    """As `obstacle_view`, and not kept: for a transform that is another one for each image."""
    stride = grid_stride(camera)
    grid = rays(camera.strided(stride)).numpy()
    R, t = base_from_camera[:3, :3].astype(np.float32), base_from_camera[:3, 3].astype(np.float32)
    flat = grid.reshape(-1, 2)
    forward = np.ascontiguousarray((flat @ R[:, :2].T + R[:, 2]).T)
    bearing = np.arctan2(forward[1], forward[0])
    known = np.isfinite(bearing)
    # Bearings are counted from the middle of the view, as a camera that looks back sees both ends of the circle.
    middle = np.arctan2(np.sin(bearing[known]).mean(), np.cos(bearing[known]).mean()) if known.any() else 0.0
    turned = np.where(known, (bearing - middle + np.pi) % (2 * np.pi) - np.pi, 0.0)
    sector = ((turned - turned.min()) / SECTOR).astype(np.int32)
    rows, columns = grid.shape[:2]
    half, sparse = np.zeros((rows, columns), dtype=bool), np.zeros((rows, columns), dtype=bool)
    half[:, ::2] = sparse[::2, ::2] = True
    return ObstacleView(
        stride, (rows, columns), t, forward, np.hypot(forward[0], forward[1]), sector, int(sector.max()) + 1,
        _area(grid), half.reshape(-1), sparse.reshape(-1),
    )  # fmt: skip


def _area(grid: Floats) -> Floats:
    """(M,) of each pixel on the plane z = 1."""
    if min(grid.shape[:2]) < 2:
        return np.ones(grid.shape[0] * grid.shape[1], np.float32)
    down, right = np.gradient(grid, axis=0), np.gradient(grid, axis=1)
    area: Floats = np.abs(right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]).reshape(-1)
    return np.nan_to_num(area, copy=False)  # beside a pixel that has no ray
