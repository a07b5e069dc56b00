# SPDX-License-Identifier: Apache-2.0
"""One point in each cube of a grid, and no specks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_AROUND = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)])


def thinned(points: Floats, size: float, fewest: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The mean of the points in each cube.

    Args:
        points: (N, 3) metres. size: of a cube. fewest: points of a cube that has no neighbour, else it is a speck.

    Returns:
        (M, 3) float32 metres; (N,) which points are in a cube that stays.
    """
    if not len(points):
        return points, np.zeros(0, dtype=bool)
    index = [np.floor(points[:, axis] * np.float32(1.0 / size)).astype(np.int64) for axis in range(3)]
    span = [int(i.max()) - int(i.min()) + 3 for i in index]  # with a margin for neighbours
    steps = np.array((span[1] * span[2], span[2], 1))
    key = sum((i - i.min() + 1) * step for i, step in zip(index, steps, strict=True))
    # Keys and places are sorted as one number: a sort of numbers is several times as fast as one that returns places.
    bits = len(points).bit_length()
    packed = np.sort((key << bits) | np.arange(len(points)))
    ordered, order = packed >> bits, packed & ((1 << bits) - 1)
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    count = np.diff(np.append(first, len(points)))
    cubes, few = ordered[first], np.flatnonzero(count < fewest)
    neighbours = cubes[few, None] + _AROUND @ steps
    at = np.minimum(np.searchsorted(cubes, neighbours), len(cubes) - 1)
    kept = np.ones(len(cubes), dtype=bool)
    kept[few] = (cubes[at] == neighbours).any(axis=1)
    of_points = np.empty(len(points), dtype=bool)
    of_points[order] = np.repeat(kept, count)
    mean = np.stack([np.add.reduceat(points[:, axis][order], first) / count for axis in range(3)], axis=1)
    return mean[kept].astype(np.float32), of_points
