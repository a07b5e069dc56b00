# SPDX-License-Identifier: Apache-2.0
"""Depth maps of files: 16-bit pictures, arrays of numpy, floating-point TIFF, PFM and OpenEXR."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import DataError, ImageError
from mono_depth_ros.media.arrays import read_arrays, read_bytes
from mono_depth_ros.media.images import decode_picture

SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".npz", ".pfm", ".exr")

UNKNOWN = (0, 65535)
"""Counts that mean no depth unless a data set says otherwise: nothing measured, and the end of the range."""

_PFM = re.compile(rb"Pf\s+(\d{1,6})\s+(\d{1,6})\s+(-?[\d.eE+-]+)\s")
_UNITS = 4.0  # medians that are within this factor of 1000 to 1 are those of two units, and not of two scenes


def read_depth(
    path: str | os.PathLike[str],
    counts_per_m: float = 1000.0,
    unknown: Sequence[int] = UNKNOWN,
    array_per_m: float = 1.0,
) -> NDArray[np.float64]:
    """A depth map: whole numbers are counts, floating-point numbers are metres unless it is said otherwise.

    Args:
        path: a one-channel picture of 16 bits (.png, .tif); (H, W) numbers in an .npy or .npz (the only array in it, or
            the one called depth); floating-point numbers in a .tif, .pfm or .exr of one channel.
        counts_per_m: counts that make a metre: 1000 for millimetres (NYU, 7-Scenes, RealSense), 256 for KITTI, 5000 for
            TUM RGB-D.
        unknown: counts that mean no depth.
        array_per_m: what makes a metre in floating-point numbers, 1 as `mono_depth image` writes them.

    Returns:
        (H, W) float64 metres along the optical axis; NaN unknown. Of floating-point numbers infinite ones stay, zero
        and negative ones become NaN.

    Raises:
        DataError: the file is missing or broken, has 8 bits or colours, or is an array of another shape or type; a
            number a metre is not positive.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"depth is {path}, expected a file ending in one of: {', '.join(SUFFIXES)}")
    numbers = _numbers(path)
    is_float = numbers.dtype.kind == "f"
    per_m = array_per_m if is_float else counts_per_m
    if not (np.isfinite(per_m) and per_m > 0):
        raise DataError(f"{path} has {per_m:g} counts a metre, expected more than 0")
    if is_float:
        return np.where(numbers > 0, numbers, np.nan).astype(np.float64) / per_m
    return np.where(np.isin(numbers, tuple(unknown)) | (numbers < 0), np.nan, numbers / per_m)


def unit_problem(known: NDArray[Any], predicted: NDArray[Any]) -> str:
    """A clause on the unit of known depths, metres of any shape, whose median is about 1000 times, or a 1000th of, that
    of a metric prediction of the same image; "" else."""
    medians = [float(np.median(values[good])) for values in (known, predicted) if (good := _positive(values)).any()]
    if len(medians) < 2:
        return ""
    ratio, words = medians[0] / medians[1], f"the median of the known depths is {medians[0]:.3g} m, and the"
    for factor, unit in ((1000.0, "millimetres"), (0.001, "metres that are divided by 1000")):
        if 1 / _UNITS < ratio / factor < _UNITS:
            return f"{words} prediction's {medians[1]:.3g} m, near {factor:g} to 1: are its numbers {unit}?"
    return ""


def _positive(values: NDArray[Any]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.isfinite(values) & (values > 0)


def _numbers(path: Path) -> NDArray[Any]:
    """(H, W) counts, or floating-point numbers."""
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        numbers = _array(path)
        if numbers.ndim != 2 or numbers.dtype.kind not in "fiu" or not numbers.size or numbers.dtype == np.uint8:
            found = f"{numbers.dtype} of shape {numbers.shape}"
            raise DataError(f"depth {path} is {found}, expected numbers of shape (H, W), of more than 8 bits")
        return numbers
    if suffix == ".pfm":
        return _pfm(path, read_bytes(path))
    if suffix == ".exr":
        return _exr(path)
    try:
        counts = decode_picture(suffix[1:], np.frombuffer(read_bytes(path), np.uint8), unchanged=True)
    except ImageError as error:
        raise DataError(f"depth {path} cannot be decoded, expected a 16-bit PNG: is it cut off? {error}") from error
    if counts.ndim != 2 or counts.dtype not in (np.uint16, np.float32, np.float64):
        channels = 1 if counts.ndim == 2 else counts.shape[2]
        found = f"{channels} channel(s) of {counts.dtype.itemsize * 8} bits"
        raise DataError(f"depth {path} has {found}, expected 1 of 16 bits: is it a picture of depth?")
    return counts


def _array(path: Path) -> NDArray[Any]:
    arrays = read_arrays(path)
    chosen = next(iter(arrays.values())) if len(arrays) == 1 else arrays.get("depth")
    if chosen is None:
        raise DataError(
            f"depth {path} holds the arrays {', '.join(arrays) or 'none'}, expected one, or one called depth"
        )
    return np.squeeze(chosen, 0) if chosen.ndim == 3 and chosen.shape[0] == 1 else chosen


def _pfm(path: Path, data: bytes) -> NDArray[np.float32]:
    """http://www.pauldebevec.com/Research/HDR/PFM/: rows from the bottom, a negative scale for little endian."""
    header = _PFM.match(data[:200])
    if header is None:
        raise DataError(f"depth {path} is no PFM of depth, expected 'Pf' (one channel), width, height and scale")
    width, height = int(header[1]), int(header[2])
    found, expected = len(data) - header.end(), 4 * width * height
    if found < expected or not expected:
        raise DataError(f"depth {path} has {found} bytes, expected {expected} for {width}x{height}: is it cut off?")
    kind = "<f4" if header[3].startswith(b"-") else ">f4"
    return np.frombuffer(data, kind, width * height, header.end()).reshape(height, width)[::-1].astype(np.float32)


def _exr(path: Path) -> NDArray[np.float32]:
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # read when the first such file is decoded
    try:
        numbers = cv2.imdecode(np.frombuffer(read_bytes(path), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise DataError(f"depth {path} cannot be read by this OpenCV: {error.err or 'no OpenEXR'}") from error
    if numbers is None or numbers.dtype != np.float32:
        raise DataError(f"depth {path} cannot be decoded, expected an OpenEXR file with one channel of depth")
    if numbers.ndim == 3 and (numbers[..., :1] == numbers[..., :3]).all():
        numbers = numbers[..., 0]  # grey, written three times
    if numbers.ndim != 2:
        raise DataError(f"depth {path} has {numbers.shape[2]} channels that differ, expected one: is it a picture?")
    return np.asarray(numbers)
