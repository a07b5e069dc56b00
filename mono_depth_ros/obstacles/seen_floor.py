# SPDX-License-Identifier: Apache-2.0
"""The floor as the image shows it, where nobody says how the camera stands above it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import FitError, ObstacleError
from mono_depth_ros.geometry.floor_plane import fit_floor_plane

Floats = NDArray[np.float32]

_PIXELS = 1500  # are looked at, chosen at random


def floor_from_camera(depth: Floats, grid: Floats, max_range: float) -> NDArray[np.float64]:
    """The transform from the optical frame to one on the floor that is seen: below the camera, x as it looks, z up.

    Args:
        depth: (M,) metres, not finite or not positive where it is not known. grid: (M, 2) rays.
        max_range: metres of depth, beyond which nothing counts.

    Returns:
        (4, 4) float64.

    Raises:
        ObstacleError: reason `no_floor`.
    """
    with np.errstate(invalid="ignore"):
        known = np.flatnonzero((depth > 0) & (depth < max_range) & np.isfinite(grid).all(axis=1))
    rng = np.random.default_rng(0)
    chosen = rng.permutation(known)[:_PIXELS]
    ray = np.concatenate((grid[chosen], np.ones((len(chosen), 1), np.float32)), axis=1).astype(np.float64)
    try:
        plane = fit_floor_plane(1.0 / depth[chosen].astype(np.float64), ray, None, rng)
    except FitError as error:
        why = str(error).removeprefix("no floor is seen: ")
        raise ObstacleError(
            f"no floor is seen: {why}; or give base_frame, or camera_height and pitch_deg", "no_floor"
        ) from error
    ahead = np.array([0.0, 0.0, 1.0])
    x = ahead - (ahead @ plane.up) * plane.up
    x /= np.linalg.norm(x)
    base_from_camera = np.eye(4)
    base_from_camera[:3, :3] = x, np.cross(plane.up, x), plane.up
    base_from_camera[2, 3] = plane.height
    return base_from_camera
