# SPDX-License-Identifier: Apache-2.0
"""Files with known depths: clouds (KITTI .bin, .ply, .pcd, .npy) and depth maps (16-bit .png, .npy)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.pcd import read_pcd
from mono_depth_ros.media.ply_reader import read_ply

_KITTI_POINT = 16  # bytes: float32 x, y, z, intensity
_PNG_END = b"IEND\xaeB`\x82"


def read_points_file(path: str | os.PathLike[str]) -> np.ndarray:
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
    return reader(path, _bytes(path))


def read_depth_file(path: str | os.PathLike[str], unit: float = 0.001) -> np.ndarray:
    """A depth map.

    Args:
        path: a 16-bit one-channel `.png` whose counts are multiples of `unit` and 0 unknown, or a `.npy` with (H, W)
            floats in metres, as `mono_depth image` writes.
        unit: metres a count of the `.png`: 0.001 for millimetres (NYU, 7-Scenes, RealSense), 1/256 for KITTI. 65535 is
            unknown too: sensors saturate there. Not used for `.npy`.

    Returns:
        (H, W) float32 metres; NaN unknown. In `.npy` files infinite values stay; zero and negative become NaN.

    Raises:
        DataError: the file is missing or broken, has 8 bits or colours, or an array of another shape or type; `unit` is
            not positive.
    """
    path = Path(path)
    if not (np.isfinite(unit) and unit > 0):
        raise DataError(f"the unit of {path} is {unit:g} m a count, expected more than 0")
    if path.suffix.lower() == ".npy":
        depth = _array(path)
        if depth.ndim != 2 or depth.dtype.kind != "f":
            found = f"{depth.dtype} of shape {depth.shape}"
            raise DataError(f"depth {path} is {found}, expected floating-point metres of shape (H, W)")
        return np.where(depth > 0, depth, np.nan).astype(np.float32)
    if path.suffix.lower() != ".png":
        raise DataError(f"depth is {path}, expected a file ending in one of: .png, .npy")
    data = _bytes(path)
    # OpenCV fills the missing rest of a cut file with zeros and says nothing.
    counts = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED) if _PNG_END in data else None
    if counts is None:
        raise DataError(f"depth {path} cannot be decoded, expected a 16-bit PNG: is it cut off?")
    if counts.dtype != np.uint16 or counts.ndim != 2:
        channels = 1 if counts.ndim == 2 else counts.shape[2]
        found = f"{channels} channel(s) of {counts.dtype.itemsize * 8} bits"
        raise DataError(f"depth {path} has {found}, expected 1 of 16 bits: is it a picture of depth?")
    known = (counts > 0) & (counts < 65535)
    return np.where(known, counts * np.float64(unit), np.nan).astype(np.float32)


def _read_bin(path: Path, data: bytes) -> np.ndarray:
    if not data or len(data) % _KITTI_POINT:
        expected = f"expected a multiple of {_KITTI_POINT} (float32 x, y, z, intensity)"
        raise DataError(f"cloud {path} has {len(data)} bytes, {expected}")
    return np.frombuffer(data, dtype="<f4").reshape(-1, 4)[:, :3].astype(np.float32)


def _read_npy(path: Path, _: bytes) -> np.ndarray:
    points = _array(path)
    if points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind not in "fiu":
        raise DataError(f"cloud {path} is {points.dtype} of shape {points.shape}, expected numbers of shape (N, 3)")
    return points[:, :3].astype(np.float32)


def _array(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is no array of numpy: {error}") from error
    if not isinstance(loaded, np.ndarray):
        loaded.close()
        raise DataError(f"{path} is an archive of arrays, expected one array (.npy)")
    return loaded


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


_READERS: dict[str, Callable[[Path, bytes], np.ndarray]] = {
    ".bin": _read_bin,
    ".ply": read_ply,
    ".pcd": read_pcd,
    ".npy": _read_npy,
}
