# SPDX-License-Identifier: Apache-2.0
"""The positions among the columns of a cloud's points, as PLY and PCD files hold them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mono_depth_ros.errors import DataError


def binary_points(
    path: Path, data: bytes, start: int, count: int, kind: np.dtype[np.void], names: Sequence[str]
) -> np.ndarray:
    """(N, 3) float32 x, y, z of `count` points of a structured type whose fields are "0", "1" ... in order of `names`.

    Raises:
        DataError: there are fewer points than that.
    """
    if len(data) - start < count * kind.itemsize:
        found = f"{len(data) - start} bytes of data"
        raise DataError(f"{path} has {found}, expected {count * kind.itemsize} for its {count} points: is it cut off?")
    points = np.frombuffer(data, kind, count, start)
    return np.stack([points[str(names.index(name))] for name in "xyz"], axis=-1).astype(np.float32)


def ascii_points(path: Path, data: bytes, count: int, columns: Sequence[int], width: int) -> np.ndarray:
    """(N, 3) float32 of three columns of `count` lines of numbers, at least `width` on each; empty lines are skipped.

    Raises:
        DataError: there are fewer lines, one is shorter, or holds something that is no number.
    """
    lines = [line for line in data.decode("ascii", errors="replace").splitlines() if line.strip()][:count]
    if len(lines) < count:
        raise DataError(f"{path} has {len(lines)} points, expected {count}: is it cut off?")
    points = np.empty((count, 3), dtype=np.float32)
    for row, line in enumerate(lines):
        words = line.split()
        if len(words) < width:
            raise DataError(f"point {row} of {path} has {len(words)} numbers, expected {width}")
        try:
            points[row] = [float(words[column]) for column in columns]
        except ValueError as error:
            raise DataError(f"point {row} of {path}: {error}, expected numbers") from error
    return points
