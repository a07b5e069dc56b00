# SPDX-License-Identifier: Apache-2.0
"""Obstacles and free space as a planar scan."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

INCREMENT = math.radians(0.5)
"""Between two directions: 3.5 cm at 4 m, less than a cell of most costmaps."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A sensor_msgs/LaserScan about the z axis of the base frame; range i is at angle_min + i * angle_increment.

    Attributes:
        angle_min, angle_max, angle_increment: radians, 0 along x, positive to the left. range_min, range_max: metres.
        ranges: (N,) float32 metres: the nearest obstacle; +inf where the direction is free up to range_max, NaN where
            it is unknown.
    """

    angle_min: float
    angle_max: float
    angle_increment: float
    range_min: float
    range_max: float
    ranges: Floats


def flat_scan(points: Floats, free: Floats, bearings: tuple[float, float], max_range: float) -> Scan:
    """The scan of obstacles and of what is free beside them.

    Args:
        points: (N, 3) metres of obstacles, base frame. free: (M, 3) where rays end that meet none.
        bearings: the first and the last direction of the view, radians.
    """
    first, last = bearings
    count = max(1, math.ceil((last - first) / INCREMENT))
    ranges = np.full(count, np.nan, np.float32)
    beam, distance = _beams(free, first, count)
    ranges[beam[distance > max_range - 2 * INCREMENT * max_range]] = np.inf
    beam, distance = _beams(points, first, count)
    nearest = np.full(count, np.inf, np.float32)
    np.minimum.at(nearest, beam, distance)
    hit = np.isfinite(nearest)
    ranges[hit] = nearest[hit]
    start = first + INCREMENT / 2
    return Scan(start, start + (count - 1) * INCREMENT, INCREMENT, 0.0, max_range, ranges)


def _beams(points: Floats, first: float, count: int) -> tuple[NDArray[np.intp], Floats]:
    turn = (np.arctan2(points[:, 1], points[:, 0]) - first) % (2 * np.pi)
    beam = (turn / INCREMENT).astype(np.intp)
    inside = beam < count
    return beam[inside], np.hypot(points[inside, 0], points[inside, 1])
