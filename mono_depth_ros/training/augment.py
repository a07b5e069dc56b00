# SPDX-License-Identifier: Apache-2.0
"""Random changes of a training frame: window, mirror, colour, noise. Depth stays metric: the rays change too.

A crop and resize is another camera that looks at the same scene, so z-depth per pixel is kept and only the intrinsics
change (as Metric3D's canonical camera, Yin et al. 2023, arXiv 2307.10984, turned round: here the network is told).
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from mono_depth_ros.geometry.camera import Camera

Sample = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def random_window(
    width: int, height: int, target: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """(x, y, width, height) of a random window with the aspect ratio of `target`, within 8 % of anamorphic stretch."""
    aspect = target[0] / target[1] * float(rng.uniform(0.96, 1.04))
    largest = min(width, height * aspect)
    share = 1.0 if rng.random() < 0.7 else float(rng.uniform(0.6, 1.0))
    w, h = max(8, int(largest * share)), max(8, min(height, int(largest * share / aspect)))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    return x, y, w, h


def ray_axes(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """x/z of each column (W,) and y/z of each row (H,), float32, of a pinhole."""
    x = (np.arange(camera.width) - camera.cx) / camera.fx
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    return x.astype(np.float32), y.astype(np.float32)


def augment(
    rgb: np.ndarray, depth: np.ndarray, camera: Camera, target: tuple[int, int], rng: np.random.Generator
) -> Sample:
    """One training sample at the size `target` (width, height).

    Args:
        rgb: (H, W, 3) uint8. depth: (H, W) float, metres along z. camera: their pinhole.

    Returns:
        rgb (h, w, 3) uint8, depth (h, w) float32, and the ray axes x (w,), y (h,) float32.
    """
    x, y, w, h = random_window(camera.width, camera.height, target, rng)
    rgb, depth = rgb[y : y + h, x : x + w], depth[y : y + h, x : x + w].astype(np.float32)
    camera = camera.cropped(x, y, w, h).resized(*target)
    if (w, h) != target:
        shrinks = w * h > target[0] * target[1]
        rgb = cv2.resize(rgb, target, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        depth = cv2.resize(depth, target, interpolation=cv2.INTER_NEAREST_EXACT)
    ray_x, ray_y = ray_axes(camera)
    if rng.random() < 0.5:
        rgb, depth, ray_x = rgb[:, ::-1], depth[:, ::-1], -ray_x[::-1]
    return change_colour(np.ascontiguousarray(rgb), rng), depth, ray_x, ray_y


def change_colour(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random gamma, contrast, brightness, white balance, saturation and hue, then at times blur, noise, JPEG. uint8."""
    levels = np.arange(256, dtype=np.float32)[:, None] / 255
    gain = np.exp(rng.normal(0, 0.1) + rng.normal(0, 0.04, 3)).astype(np.float32)
    gamma, contrast = float(np.exp(rng.normal(0, 0.1))), float(np.exp(rng.normal(0, 0.1)))
    curve = ((levels * gain) ** gamma - 0.5) * contrast + 0.5 + float(rng.normal(0, 0.02))
    table = (np.clip(curve, 0, 1) * 255 + 0.5).astype(np.uint8)
    out: np.ndarray = cv2.LUT(rgb, table.reshape(256, 1, 3))
    if rng.random() < 0.3:
        out = cv2.transform(out, _saturation_and_hue(float(rng.uniform(0.4, 1.4)), float(rng.normal(0, 0.1))))
    if rng.random() < 0.1:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.3, 1.0)))
    if rng.random() < 0.2:
        noise = np.empty(out.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(1 << 31)))
        cv2.randn(noise, np.zeros(3), np.full(3, rng.uniform(1, 8)))
        out = cv2.add(out, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.1:
        quality = int(rng.integers(25, 90))
        encoded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        out = cast(np.ndarray, cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return out


def _saturation_and_hue(saturation: float, hue_rad: float) -> np.ndarray:
    """3x3 colour matrix: turn about the grey axis by the hue, then scale the distance from it (Rodrigues)."""
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = np.cos(hue_rad) * (np.eye(3) - grey) + grey + np.sin(hue_rad) * cross
    return cast(np.ndarray, (saturation * np.eye(3) + (1 - saturation) * grey) @ turn)
