# SPDX-License-Identifier: Apache-2.0
"""The bytes of a file, and the array of an .npy file, with errors of this package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mono_depth_ros.errors import DataError


def read_bytes(path: Path) -> bytes:
    """Raises DataError where the file cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def read_array(path: Path) -> np.ndarray:
    """Raises DataError where the file cannot be read or holds no single array of numbers."""
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
