# SPDX-License-Identifier: Apache-2.0
"""Pixels to viewing rays and points to pixels. Camera optical frame: x right, y down, z forward."""

from __future__ import annotations

from functools import lru_cache

import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.distortion import distort, newton_steps, undistort

_BAND = 16384  # pixels


def rays(camera: Camera, device: torch.device | str = "cpu") -> torch.Tensor:
    """The viewing ray of every pixel with z = 1, lens distortion undone.

    Returns:
        (H, W, 2) float32 tensor of (x/z, y/z) on `device`, shared and cached: do not write to it. NaN where the lens
        model has no ray in front of the camera.
    """
    return _rays(camera, str(device))


@lru_cache(maxsize=32)
def _rays(camera: Camera, device: str) -> torch.Tensor:
    # Kept for callers in and out of inference mode: a tensor made in it could not be used where gradients flow.
    with torch.inference_mode(False):
        grid = torch.empty((camera.height, camera.width, 2), device=device)
        x = (torch.arange(camera.width, dtype=torch.float64, device=device) - camera.cx) / camera.fx
        y = (torch.arange(camera.height, dtype=torch.float64, device=device) - camera.cy) / camera.fy
        # On the CPU a few rows at a time, which stay in its cache.
        rows = -(-_BAND * torch.get_num_threads() // camera.width) if grid.device.type == "cpu" else camera.height
        steps = newton_steps(camera)
        for band, some in zip(grid.split(rows), y[:, None].split(rows), strict=True):
            band[..., 0], band[..., 1] = undistort(x, some, camera, steps)
        return grid


def pixel_rays(pixels: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Rays (..., 2) of the given float64 pixel positions (..., 2)."""
    x, y = (pixels[..., 0] - camera.cx) / camera.fx, (pixels[..., 1] - camera.cy) / camera.fy
    return torch.stack(undistort(x, y, camera), dim=-1)


def project(points: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Where points appear in the image, lens distortion applied.

    Args:
        points: (..., 3) in metres, camera optical frame, any float dtype and device.

    Returns:
        (..., 2) pixel positions (u, v), pixel centres at integers; they may lie outside the image. NaN for points
        that are not in front of the camera, not finite, or beyond the field the lens model describes.
    """
    z = points[..., 2:]
    in_front = torch.isfinite(points).all(dim=-1, keepdim=True) & (z > 0)
    xy = points[..., :2] / torch.where(in_front, z, torch.ones_like(z))
    x, y = torch.where(in_front, distort(xy, camera), torch.nan).unbind(-1)
    return torch.stack((x * camera.fx + camera.cx, y * camera.fy + camera.cy), dim=-1)
