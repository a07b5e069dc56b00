# SPDX-License-Identifier: Apache-2.0
"""What is the same for every image of a camera that is fixed on its robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.maps import kept
from mono_depth_ros.geometry.rays import rays

Floats = NDArray[np.float32]

SECTOR = float(np.radians(1.0))
"""Of bearings, in which the floor is followed from near to far."""
_COLUMNS = 320  # of the image are looked at: at 4 m a voxel of 5 cm is still 3 of them wide


@dataclass(frozen=True, eq=False)
class ObstacleView:
    """The rays of a grid of M pixels, turned into the robot's frame: x ahead, y left, z up.

    Attributes:
        stride: every so many pixels one. forward: (M, 3) by metre of depth. along: (M,) horizontal metres by metre of
            depth. sector: (M,) int32 of the bearing from the camera. sectors: how many. bearing: (sectors,) of their
            middles, radians. origin: (3,) of the camera, metres.
    """

    stride: int
    forward: Floats
    along: Floats
    sector: NDArray[np.int32]
    bearing: Floats
    origin: Floats

    @property
    def sectors(self) -> int:
        return len(self.bearing)


def obstacle_view(camera: Camera, base_from_camera: NDArray[np.float64]) -> ObstacleView:
    """The view of a camera on a robot.

    Args:
        base_from_camera: (4, 4), of the optical frame.
    """
    return _view(camera, base_from_camera.tobytes())


@kept
def _view(camera: Camera, pose: bytes) -> ObstacleView:
    base_from_camera = np.frombuffer(pose).reshape(4, 4)
    stride = max(1, round(camera.width / _COLUMNS))
    grid = rays(camera.strided(stride)).numpy().reshape(-1, 2)
    forward = grid @ base_from_camera[:3, :2].T + base_from_camera[:3, 2]
    bearing = np.arctan2(forward[:, 1], forward[:, 0])
    known = np.isfinite(bearing)
    # A camera that looks back sees both ends of the circle.
    middle = np.arctan2(np.sin(bearing[known]).mean(), np.cos(bearing[known]).mean()) if known.any() else 0.0
    turned = np.where(known, (bearing - middle + np.pi) % (2 * np.pi) - np.pi, 0.0)
    first = float(turned.min())
    sector = np.floor((turned - first) / SECTOR).astype(np.int32)
    middles = middle + first + SECTOR * (np.arange(int(sector.max()) + 1) + 0.5)
    along = np.linalg.norm(forward[:, :2], axis=1)
    floats = (forward, along, middles, base_from_camera[:3, 3])
    forward, along, middles, origin = (np.ascontiguousarray(values, dtype=np.float32) for values in floats)
    return ObstacleView(stride, forward, along, sector, middles, origin)
