# SPDX-License-Identifier: Apache-2.0
"""Pixels to viewing rays and points to pixels. Camera optical frame: x right, y down, z forward."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.distortion import distort, newton_steps, undistort
from mono_depth_ros.geometry.maps import kept

_BAND = 16384  # pixels of the CPU's cache, for each thread


def rays(camera: Camera, device: torch.device | str = "cpu") -> Tensor:
    """The viewing ray of every pixel with z = 1, lens distortion undone.

    Returns:
        (H, W, 2) float32 tensor of (x/z, y/z) on `device`, shared and cached: do not write to it. NaN where the lens
        model has no ray in front of the camera.
    """
    return _rays(camera, str(device))


@kept
def _rays(camera: Camera, device: str) -> Tensor:
    # Kept for callers in and out of inference mode: a tensor made in it could not be used where gradients flow.
    with torch.inference_mode(False):
        grid = torch.empty((camera.height, camera.width, 2), device=device)
        for rows, x, y in ray_bands(camera, device):
            grid[rows, :, 0], grid[rows, :, 1] = x, y
        return grid


def ray_bands(camera: Camera, device: str) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """The rays of some rows at a time: the rows, and x/z and y/z (rows, W) float64 there, NaN without a ray.

    On the CPU so few that they stay in its cache, elsewhere all at once.
    """
    rows = camera.height
    if torch.device(device).type == "cpu":
        rows = -(-_BAND * torch.get_num_threads() // camera.width)
    x = (torch.arange(camera.width, dtype=torch.float64, device=device) - camera.cx) / camera.fx
    y = (torch.arange(camera.height, dtype=torch.float64, device=device) - camera.cy) / camera.fy
    steps = newton_steps(camera)
    for top in range(0, camera.height, rows):
        band = slice(top, top + rows)
        yield band, *undistort(x, y[band, None], camera, steps)


def pixel_rays(pixels: Tensor, camera: Camera) -> Tensor:
    """Rays (..., 2) of the given float64 pixel positions (..., 2)."""
    x, y = (pixels[..., 0] - camera.cx) / camera.fx, (pixels[..., 1] - camera.cy) / camera.fy
    return torch.stack(undistort(x, y, camera), dim=-1)


def project(points: Tensor, camera: Camera) -> Tensor:
    """Where points appear in the image, lens distortion applied.

    Args:
        points: (..., 3) in metres, camera optical frame, any float dtype and device.

    Returns:
        (..., 2) pixel positions (u, v), pixel centres at integers; they may lie outside the image. NaN for points
        that are not in front of the camera, not finite, or beyond the field the lens model describes.
    """
    x, y, z = points.unbind(-1)
    in_front = torch.isfinite(points).all(dim=-1) & (z > 0)
    depth = torch.where(in_front, z, 1.0)
    u, v = distort(x / depth, y / depth, camera)
    pixels = torch.stack((u * camera.fx + camera.cx, v * camera.fy + camera.cy), dim=-1)
    return torch.where(in_front[..., None], pixels, torch.nan)
