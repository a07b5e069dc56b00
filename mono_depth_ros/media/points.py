# SPDX-License-Identifier: Apache-2.0
"""Point clouds of files: KITTI .bin, .ply, .pcd, .npy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.arrays import read_array, read_bytes
from mono_depth_ros.media.pcd import read_pcd
from mono_depth_ros.media.ply import read_ply

_KITTI_POINT = 16  # bytes: float32 x, y, z, intensity


def read_points(path: str | os.PathLike[str]) -> np.ndarray:
    """The points of a file, in its own frame.

    Args:
        path: `.bin` (KITTI: little-endian float32 x, y, z, intensity), `.ply` (ascii, binary of both byte orders),
            `.pcd` (ascii, binary), or `.npy` with an array (N, 3 or more) whose first columns are x, y, z.

    Returns:
        (N, 3) float32 metres, memory of its own; points that are not known may be NaN.

    Raises:
        DataError: the file is missing, cut off, of another format, or has no x, y, z.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"cloud is {path}, expected a file ending in one of: {', '.join(_READERS)}")
    return reader(path, read_bytes(path))


def _read_bin(path: Path, data: bytes) -> np.ndarray:
    if not data or len(data) % _KITTI_POINT:
        expected = f"expected a multiple of {_KITTI_POINT} (float32 x, y, z, intensity)"
        raise DataError(f"cloud {path} has {len(data)} bytes, {expected}")
    return np.frombuffer(data, dtype="<f4").reshape(-1, 4)[:, :3].astype(np.float32)


def _read_npy(path: Path, _: bytes) -> np.ndarray:
    points = read_array(path)
    if points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind not in "fiu":
        raise DataError(f"cloud {path} is {points.dtype} of shape {points.shape}, expected numbers of shape (N, 3)")
    return points[:, :3].astype(np.float32)


_READERS: dict[str, Callable[[Path, bytes], np.ndarray]] = {
    ".bin": _read_bin,
    ".ply": read_ply,
    ".pcd": read_pcd,
    ".npy": _read_npy,
}
