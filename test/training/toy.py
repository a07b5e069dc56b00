# SPDX-License-Identifier: Apache-2.0
"""A toy pool with known depth: a checkered floor and boxes standing on it, seen from a level camera at 0.6 m."""

from __future__ import annotations

import numpy as np

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.training.augment import ray_axes
from mono_depth_ros.training.pool import META, Pool

HEIGHT_M = 0.6


def toy_frame(camera: Camera, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """rgb (H, W, 3) uint8 and depth (H, W) float32 of one scene: floor below, boxes on it, sky above."""
    x, y = (axis.astype(np.float64) for axis in ray_axes(camera))
    x, y = np.meshgrid(x, y)
    depth = np.where(y > 1e-3, HEIGHT_M / np.maximum(y, 1e-3), np.inf)
    with np.errstate(invalid="ignore"):
        tile = (np.floor(x * depth / 0.5) + np.floor(depth / 0.5)) % 2
    rgb = np.where(np.isfinite(depth), np.where(tile > 0, 180.0, 90.0), 230.0)[..., None] * np.ones(3)
    for _ in range(3):
        near, left, wide, tall = rng.uniform(0.8, 5.0), rng.uniform(-2, 2), rng.uniform(0.3, 1.0), rng.uniform(0.3, 1.5)
        at_x, at_y = x * near, y * near
        inside = (at_x > left) & (at_x < left + wide) & (at_y < HEIGHT_M) & (at_y > HEIGHT_M - tall) & (near < depth)
        depth = np.where(inside, near, depth)
        rgb = np.where(inside[..., None], rng.uniform(20, 250, 3), rgb)
    return rgb.astype(np.uint8), depth.astype(np.float32)


def toy_pool(frames: int, seed: int, width: int = 256, height: int = 192) -> Pool:
    """A pool of toy frames in memory."""
    rng = np.random.default_rng(seed)
    rgb = np.empty((frames, height, width, 3), np.uint8)
    depth = np.empty((frames, height, width), np.float16)
    meta = np.zeros(frames, META)
    for i in range(frames):
        camera = Camera.from_fov((width, height), float(rng.uniform(45, 105)))
        rgb[i], depth[i] = toy_frame(camera, rng)
        meta[i] = (camera.fx, camera.fy, camera.cx, camera.cy, 0, i)
    return Pool(rgb, depth, meta, ("toy",))
