# SPDX-License-Identifier: Apache-2.0
"""One point in each cube of a grid, and no specks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_BITS = 20  # of a cube's index along one axis: 50 km of 5 cm
_MIDDLE = 1 << (_BITS - 1)
_AROUND = np.array(
    [
        (x << 2 * _BITS) + (y << _BITS) + z
        for x in (-1, 0, 1)
        for y in (-1, 0, 1)
        for z in (-1, 0, 1)
        if (x, y, z) != (0, 0, 0)
    ]
)


def thinned(points: Floats, size: float, fewest: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The mean of the points in each cube.

    Args:
        points: (N, 3) metres. size: of a cube. fewest: points of a cube that has no neighbour, else it is a speck.

    Returns:
        (M, 3) float32 metres; (N,) which points are in a cube that stays.
    """
    if not len(points):
        return points, np.zeros(0, dtype=bool)
    index = np.floor(points * np.float32(1.0 / size)).astype(np.int64) + _MIDDLE
    key = (index[:, 0] << 2 * _BITS) + (index[:, 1] << _BITS) + index[:, 2]
    order = np.argsort(key)
    ordered = key[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    count = np.diff(np.append(first, len(key)))
    mean = (np.add.reduceat(points[order], first, axis=0) / count[:, None]).astype(np.float32)
    cubes, few = ordered[first], np.flatnonzero(count < fewest)
    neighbours = cubes[few, None] + _AROUND
    at = np.minimum(np.searchsorted(cubes, neighbours), len(cubes) - 1)
    kept = np.ones(len(cubes), dtype=bool)
    kept[few] = (cubes[at] == neighbours).any(axis=1)
    of_points = np.empty(len(points), dtype=bool)
    of_points[order] = np.repeat(kept, count)
    return mean[kept], of_points
