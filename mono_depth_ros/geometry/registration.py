# SPDX-License-Identifier: Apache-2.0
"""A depth image of one camera, seen by another: each point lands on its nearest pixel, the nearest point stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import project, rays


@dataclass(frozen=True, eq=False)
class Registration:
    """A depth camera beside a colour camera.

    Attributes:
        depth_camera: of the raw depth image.
        camera_from_depth: (4, 4) from the optical frame of the depth camera to that of the colour camera, metres.
    """

    depth_camera: Camera
    camera_from_depth: NDArray[np.float64]

    def apply(self, depth: NDArray[np.float64], camera: Camera) -> NDArray[np.float64]:
        """Raw depth (H, W), metres along the optical axis, registered to the colour image of `camera`.

        Returns:
            (camera.height, camera.width) float64 metres along the axis of `camera`; NaN where no point lands: nothing
            is interpolated.

        Raises:
            DataError: the depth image is not of its camera's size.
        """
        size = (self.depth_camera.height, self.depth_camera.width)
        if depth.shape != size:
            found = "x".join(map(str, depth.shape[::-1]))
            raise DataError(f"the depth image is {found}, expected {size[1]}x{size[0]}, the size of the depth camera")
        known = np.isfinite(depth) & (depth > 0)
        z = depth[known]
        points = np.c_[rays(self.depth_camera).numpy()[known] * z[:, None], z]
        points = points @ self.camera_from_depth[:3, :3].T + self.camera_from_depth[:3, 3]
        pixels = project(torch.from_numpy(points), camera).numpy()
        with np.errstate(invalid="ignore"):
            inside = ((pixels >= -0.5) & (pixels < (camera.width - 0.5, camera.height - 0.5))).all(axis=1)
        columns, rows = np.rint(pixels[inside]).astype(np.int64).T
        landed = points[inside, 2]
        out = np.full((camera.height, camera.width), np.nan)
        farthest_first = np.argsort(-landed)  # of two assignments to one pixel the last one, the nearer, stays
        out[rows[farthest_first], columns[farthest_first]] = landed[farthest_first]
        return out
