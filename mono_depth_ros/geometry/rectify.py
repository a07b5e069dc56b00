# SPDX-License-Identifier: Apache-2.0
"""Resample a raw image into a rectified camera."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch.nn.functional import grid_sample

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import project, rays

Rotation = tuple[float, ...]
IDENTITY: Rotation = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def rectify(rgb: torch.Tensor, raw: Camera, rectified: Camera, rotation: Rotation = IDENTITY) -> torch.Tensor:
    """The image that the pinhole camera `rectified` would have taken.

    Args:
        rgb: (H, W, 3) uint8 of camera `raw`, any device.
        raw: the camera with its distortion. rectified: the pinhole to resample into (P of a CameraInfo).
        rotation: 9 numbers, row major: `R` of a CameraInfo, p_rectified = R @ p_raw.

    Returns:
        (rectified.height, rectified.width, 3) uint8 on the same device, bilinear; black outside the raw image.
    """
    if raw == rectified and rotation == IDENTITY:
        return rgb
    if rgb.device.type == "cpu":
        coordinates, fractions = _fixed_point_map(raw, rectified, rotation)
        return torch.from_numpy(cv2.remap(rgb.numpy(), coordinates, fractions, cv2.INTER_LINEAR))
    pixels = rectification_map(raw, rectified, rotation).to(rgb.device)
    size = pixels.new_tensor([raw.width, raw.height])
    grid = torch.nan_to_num((pixels + 0.5) * 2 / size - 1, nan=-2.0)
    out = grid_sample(rgb.permute(2, 0, 1)[None].float(), grid[None], align_corners=False)
    return out[0].permute(1, 2, 0).round().to(torch.uint8)


@lru_cache(maxsize=8)
def rectification_map(raw: Camera, rectified: Camera, rotation: Rotation = IDENTITY) -> torch.Tensor:
    """(H, W, 2) float32: the raw pixel (u, v) seen at each rectified pixel; NaN where the lens does not see it."""
    xy = rays(rectified).double()
    points = torch.cat((xy, torch.ones_like(xy[..., :1])), dim=-1)
    raw_from_rectified = torch.tensor(rotation, dtype=torch.float64).reshape(3, 3).T
    return project(points @ raw_from_rectified.T, raw).float()


@lru_cache(maxsize=8)
def _fixed_point_map(raw: Camera, rectified: Camera, rotation: Rotation) -> tuple[np.ndarray, np.ndarray]:
    # OpenCV's fixed-point maps halve the time of remap; -2 lies outside, so unseen pixels become black.
    pixels = torch.nan_to_num(rectification_map(raw, rectified, rotation), nan=-2.0).numpy()
    return cv2.convertMaps(pixels, None, cv2.CV_16SC2)
