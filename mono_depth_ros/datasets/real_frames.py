# SPDX-License-Identifier: Apache-2.0
"""Real frames with measured depth: KITTI, NYUv2 and 7-Scenes samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera


@dataclass(frozen=True)
class RealFrame:
    """rgb (H, W, 3) uint8; depth (H, W) float32 metres along z, NaN where unknown; the pinhole camera of both."""

    name: str
    rgb: np.ndarray
    depth: np.ndarray
    camera: Camera


def kitti_depth(folder: Path) -> Iterator[RealFrame]:
    """`rgb/N.png` and `depth/N.png` (16 bit, value / 256 = m, 0 unknown), 1242x375."""
    for path in _listed(folder / "rgb", "*.png"):
        yield _frame(path, folder / "depth" / path.name, 256.0, (707.0493, 707.0493, 604.0814, 180.5066))


def nyu_depth(folder: Path) -> Iterator[RealFrame]:
    """`rgb/rgb_N.jpg` and `depth/sync_depth_N.png` (16 bit, value / 1000 = m, 0 unknown), 640x480."""
    for path in _listed(folder / "rgb", "rgb_*.jpg"):
        depth = folder / "depth" / f"{path.stem.replace('rgb', 'sync_depth')}.png"
        yield _frame(path, depth, 1000.0, (518.8579, 519.46961, 325.58245, 253.73617))


def seven_scenes(folder: Path, every: int = 5) -> Iterator[RealFrame]:
    """`frame-N.color.jpg` and `frame-N.depth.png` (16 bit, value / 1000 = m, 0 and 65535 unknown); one in `every`."""
    for path in _listed(folder, "*.color.jpg")[::every]:
        yield _frame(path, path.with_name(path.name.replace("color.jpg", "depth.png")), 1000.0, (585, 585, 320, 240))


READERS: dict[str, Callable[[Path], Iterator[RealFrame]]] = {
    "kitti_depth": kitti_depth,
    "nyu_depth": nyu_depth,
    "seven_scenes": seven_scenes,
}


def _listed(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        raise DataError(f"no frames: found no {pattern} in {folder}")
    return found


def _frame(
    rgb_path: Path, depth_path: Path, units_per_m: float, pinhole: tuple[float, float, float, float]
) -> RealFrame:
    bgr = cv2.imread(str(rgb_path), cv2.IMREAD_COLOR)
    raw = cv2.imread(str(depth_path), cv2.IMREAD_UNCHANGED)
    if bgr is None or raw is None:
        raise DataError(f"cannot read {rgb_path if bgr is None else depth_path} as an image")
    if raw.shape != bgr.shape[:2]:
        raise DataError(f"{depth_path} has shape {raw.shape}, expected {bgr.shape[:2]} as {rgb_path.name}")
    unknown = (raw == 0) | (raw == 65535)
    depth = np.where(unknown, np.nan, raw.astype(np.float32) / units_per_m).astype(np.float32)
    height, width = raw.shape
    return RealFrame(rgb_path.stem, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), depth, Camera(width, height, *pinhole))
