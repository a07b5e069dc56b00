# SPDX-License-Identifier: Apache-2.0
"""Which beam of a spinning lidar each point of a cloud is of, where the cloud does not say.

Some files have one beam after the other: the azimuth runs one way and starts again with each. Others have the points in
the order of firing: then the elevations lie in as many narrow clusters as there are beams.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_BEAMS = 256
_MIN_POINTS = 8  # of a beam, on average
_BACK_RAD = 0.2  # of the azimuth, against the turn: another beam begins
_MAX_SPREAD_RAD = np.radians(0.5)  # median deviation of the elevations of one beam in the order of a file
_LOOKED_AT = 20_000  # points from which the clusters are found
_GAPS_RAD = np.radians((0.02, 0.05, 0.1, 0.2, 0.5, 1.0))  # between clusters, tried in this order
_MIN_SEPARATION = 3.0  # distance of neighbouring beams by the spread of one
_AXES = (2, 1, 0)  # up: z of a lidar; y for points that were given in a camera's frame


def beams(points: NDArray[np.floating[Any]]) -> NDArray[np.int64] | None:
    """(N,) the number of the beam of each point, -1 where the point is not finite; None where no beams are seen.

    Args:
        points: (N, 3) metres, from the lidar's origin, in the lidar's frame (or any with an axis upright to the beams'
            cones), in the order of the file or message.
    """
    known = np.isfinite(points).all(axis=1)
    xyz = np.asarray(points[known] if not known.all() else points, dtype=np.float32)
    if len(xyz) < _MIN_POINTS:
        return None
    for up in _AXES:
        x, y = (xyz[:, axis] for axis in range(3) if axis != up)
        elevation = np.arctan2(xyz[:, up], np.hypot(x, y))
        found = _by_order(np.arctan2(y, x), elevation)
        found = _by_elevation(elevation) if found is None else found
        if found is not None:
            number = np.full(len(points), -1, dtype=np.int64)
            number[known] = found
            return number
    return None


def _by_order(azimuth: NDArray[np.float32], elevation: NDArray[np.float32]) -> NDArray[np.int64] | None:
    step = np.diff(azimuth % np.float32(2 * np.pi))
    direction = np.sign(np.median(step))
    if not direction:
        return None
    number: NDArray[np.int64] = np.r_[0, np.cumsum(step * direction < -_BACK_RAD)]
    count = int(number[-1]) + 1
    if not 1 <= count <= min(_MAX_BEAMS, len(azimuth) // _MIN_POINTS):
        return None
    starts = np.searchsorted(number, np.arange(count + 1))
    spreads = [_spread(elevation[low:high]) for low, high in pairwise(starts)]
    return number if np.median(spreads) <= _MAX_SPREAD_RAD else None


def _by_elevation(elevation: NDArray[np.float32]) -> NDArray[np.int64] | None:
    some = np.sort(elevation[:: max(len(elevation) // _LOOKED_AT, 1)])
    gap = np.diff(some)
    for least in _GAPS_RAD:
        cuts = np.flatnonzero(gap > least)
        count = len(cuts) + 1
        if count > min(_MAX_BEAMS, len(some) // _MIN_POINTS):
            continue
        first, last = np.r_[0, cuts + 1], np.r_[cuts, len(some) - 1]
        low, high = some[first], some[last]
        between = float(np.median(np.diff((low + high) / 2))) if count > 1 else least * _MIN_SEPARATION
        if between >= _MIN_SEPARATION * float(np.average(high - low, weights=last - first + 1)):
            return np.searchsorted((some[cuts] + some[cuts + 1]) / 2, elevation)
    return None


def _spread(values: NDArray[np.float32]) -> float:
    return float(np.median(np.abs(values - np.median(values))))
