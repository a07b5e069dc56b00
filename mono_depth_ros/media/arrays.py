# SPDX-License-Identifier: Apache-2.0
"""The bytes of a file, and arrays as .npy and .png files, with errors of this package."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np

from mono_depth_ros.atomic import write_whole
from mono_depth_ros.errors import DataError
from mono_depth_ros.paths import require_file


def read_bytes(path: Path) -> bytes:
    """Raises DataError where the file cannot be read."""
    try:
        require_file(path)
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by their names, or the one of an .npy file.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    if path.suffix.lower() != ".npz":
        return {"": read_array(path)}
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # zipfile, zlib and numpy each have their own for what is broken
        raise DataError(f"{path} is no archive of arrays of numpy: {error}") from error


def read_array(path: Path) -> np.ndarray:
    """Raises DataError where the file cannot be read or holds no single array of numbers."""
    try:
        loaded = np.load(path, allow_pickle=False)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # of a broken header numpy and Python's parser have many
        raise DataError(f"{path} is no array of numpy: {error}") from error
    if not isinstance(loaded, np.ndarray):
        loaded.close()
        raise DataError(f"{path} is an archive of arrays, expected one array (.npy)")
    return loaded


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an .npy file, whole or not at all. Raises OSError with the reason in words."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(values))
    write_whole(path, header.getvalue(), np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)


def write_png(path: Path, pixels: np.ndarray, options: tuple[int, ...] = ()) -> None:
    """Write a PNG file of pixels as OpenCV has them, whole or not at all. Raises OSError with the reason in words."""
    write_whole(path, cv2.imencode(".png", pixels, options)[1].data)
