# SPDX-License-Identifier: Apache-2.0
"""Pixels to viewing rays and points to pixels. Camera optical frame: x right, y down, z forward."""

from __future__ import annotations

from functools import lru_cache

import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.distortion import distort, undistort


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
        return pixel_rays(_pixels(camera), camera).to(torch.float32).to(device)


def _pixels(camera: Camera) -> torch.Tensor:
    u = torch.arange(camera.width, dtype=torch.float64)
    v = torch.arange(camera.height, dtype=torch.float64)
    return torch.stack(torch.meshgrid(u, v, indexing="xy"), dim=-1)


def pixel_rays(pixels: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Rays (..., 2) of the given float64 pixel positions (..., 2)."""
    focal = torch.tensor([camera.fx, camera.fy], dtype=pixels.dtype, device=pixels.device)
    centre = torch.tensor([camera.cx, camera.cy], dtype=pixels.dtype, device=pixels.device)
    return undistort((pixels - centre) / focal, camera)


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
    focal = points.new_tensor([camera.fx, camera.fy])
    centre = points.new_tensor([camera.cx, camera.cy])
    return torch.where(in_front, distort(xy, camera) * focal + centre, torch.nan)
