# SPDX-License-Identifier: Apache-2.0
"""Resample a raw image into a rectified camera."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch.nn.functional import grid_sample

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.maps import kept
from mono_depth_ros.geometry.rays import project, ray_bands

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
    grid = _sampling_grid(raw, rectified, rotation, str(rgb.device))
    out = grid_sample(rgb.permute(2, 0, 1)[None].float(), grid[None], align_corners=False)
    return out[0].permute(1, 2, 0).round().to(torch.uint8)


def rectification_map(
    raw: Camera, rectified: Camera, rotation: Rotation = IDENTITY, device: str = "cpu"
) -> torch.Tensor:
    """(H, W, 2) float32: the raw pixel (u, v) seen at each rectified pixel; NaN where the lens does not see it."""
    r = rotation
    with torch.inference_mode(False):
        pixels = torch.empty((rectified.height, rectified.width, 2), device=device)
        for rows, x, y in ray_bands(rectified, device):
            # p_raw = R' p_rectified, of a point with z = 1
            points = (x * r[i] + (y * r[3 + i] + r[6 + i]) for i in range(3))
            pixels[rows] = project(torch.stack(tuple(points), dim=-1), raw)
        return pixels


@kept
def _sampling_grid(raw: Camera, rectified: Camera, rotation: Rotation, device: str) -> torch.Tensor:
    """The map as `grid_sample` takes it, on a device: -1 to 1 from edge to edge, and outside where nothing is seen."""
    pixels = rectification_map(raw, rectified, rotation, device)
    return torch.stack(
        [
            ((pixels[..., axis] + 0.5) * (2 / side) - 1).nan_to_num_(nan=-2.0)
            for axis, side in enumerate((raw.width, raw.height))
        ],
        dim=-1,
    )


@kept
def _fixed_point_map(raw: Camera, rectified: Camera, rotation: Rotation) -> tuple[np.ndarray, np.ndarray]:
    # OpenCV's fixed-point maps halve the time of remap; -2 lies outside, so unseen pixels become black.
    pixels = torch.nan_to_num(rectification_map(raw, rectified, rotation), nan=-2.0).numpy()
    coordinates, fractions = cv2.convertMaps(pixels, None, cv2.CV_16SC2)
    return coordinates, fractions
