# SPDX-License-Identifier: Apache-2.0
"""Depth maps of files: 16-bit PNG and .npy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import DataError, ImageError
from mono_depth_ros.media.arrays import read_array, read_bytes
from mono_depth_ros.media.images import decode_picture

SUFFIXES = (".png", ".tif", ".tiff", ".npy")

UNKNOWN = (0, 65535)
"""Counts that mean no depth unless a data set says otherwise: nothing measured, and the end of the range."""


def read_depth(
    path: str | os.PathLike[str],
    counts_per_m: float = 1000.0,
    unknown: Sequence[int] = UNKNOWN,
    array_per_m: float = 1.0,
) -> NDArray[np.float64]:
    """A depth map.

    Args:
        path: a 16-bit one-channel picture (.png, .tif), or an .npy with (H, W) floats.
        counts_per_m: counts of the picture that make a metre: 1000 for millimetres (NYU, 7-Scenes, RealSense), 256 for
            KITTI, 5000 for TUM RGB-D.
        unknown: counts of the picture that mean no depth.
        array_per_m: what makes a metre in an .npy, 1 as `mono_depth image` writes it.

    Returns:
        (H, W) float64 metres along the optical axis; NaN unknown. In an .npy infinite values stay, zero and negative
        ones become NaN.

    Raises:
        DataError: the file is missing or broken, has 8 bits or colours, or is an array of another shape or type; a
            number a metre is not positive.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"depth is {path}, expected a file ending in one of: {', '.join(SUFFIXES)}")
    is_array = path.suffix.lower() == ".npy"
    per_m = array_per_m if is_array else counts_per_m
    if not (np.isfinite(per_m) and per_m > 0):
        raise DataError(f"{path} has {per_m:g} counts a metre, expected more than 0")
    if is_array:
        numbers = read_array(path)
        if numbers.ndim != 2 or numbers.dtype.kind != "f":
            found = f"{numbers.dtype} of shape {numbers.shape}"
            raise DataError(f"depth {path} is {found}, expected floating-point numbers of shape (H, W)")
        return np.where(numbers > 0, numbers, np.nan).astype(np.float64) / per_m
    try:
        counts = decode_picture(path.suffix[1:], np.frombuffer(read_bytes(path), np.uint8), unchanged=True)
    except ImageError as error:
        raise DataError(f"depth {path} cannot be decoded, expected a 16-bit PNG: is it cut off? {error}") from error
    if counts.dtype != np.uint16 or counts.ndim != 2:
        channels = 1 if counts.ndim == 2 else counts.shape[2]
        found = f"{channels} channel(s) of {counts.dtype.itemsize * 8} bits"
        raise DataError(f"depth {path} has {found}, expected 1 of 16 bits: is it a picture of depth?")
    return np.where(np.isin(counts, tuple(unknown)), np.nan, counts / per_m)
