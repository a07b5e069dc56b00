# SPDX-License-Identifier: Apache-2.0
"""Obstacles and free space as a planar scan."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.geometry.maps import kept
from mono_depth_ros.obstacles.view import ObstacleView

Floats = NDArray[np.float32]

INCREMENT = math.radians(0.5)
"""Between two beams: 3.5 cm at 4 m, less than a cell of most costmaps."""
_COLUMNS = 2  # of the image that is looked at, at least, in each beam
_NEAR_M = 0.3  # an obstacle this near is still within the beams
_KNOWN = 0.5  # of the pixels of a beam, at least, for it to be free


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


@kept
def _beams(view: ObstacleView, max_range: float, max_height: float) -> tuple[float, float, NDArray[np.int32], Floats]:
    """First angle and increment; of each pixel (M,) the beam in which it leaves the range, -1 if above max_height; the
    pixels (count,) of each beam.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        per_metre = (view.forward / view.along).T
        ends = view.origin + np.float32(max_range) * per_metre
        near = view.origin + np.float32(_NEAR_M) * per_metre
    looks = np.isfinite(ends).all(axis=1)
    if not looks.any():
        return 0.0, INCREMENT, np.full(len(looks), -1, np.int32), np.zeros(1, np.float32)
    bearing = np.arctan2(ends[looks, 1], ends[looks, 0])
    middle = math.atan2(np.sin(bearing).mean(), np.cos(bearing).mean())
    every = np.concatenate((bearing, np.arctan2(near[looks, 1], near[looks, 0])))
    turned = (every - middle + np.pi) % (2 * np.pi) - np.pi
    low, span = float(turned.min()), float(np.ptp(turned))
    increment = max(INCREMENT, _COLUMNS * span / view.shape[1])
    count = int(span / increment) + 1
    beam = np.full(len(looks), -1, np.int32)
    beam[looks] = ((turned[: len(bearing)] - low) / increment).astype(np.int32)
    beam[~(ends[:, 2] < max_height)] = -1
    return middle + low, increment, beam, np.bincount(beam[beam >= 0], minlength=count).astype(np.float32)


def flat_scan(
    x: Floats, y: Floats, view: ObstacleView, known: NDArray[np.bool_], clear: NDArray[np.bool_],
    max_range: float, max_height: float,
) -> Scan:  # fmt: skip
    """The scan of obstacles and of what is free beside them.

    Args:
        x, y: (N,) metres of obstacles, base frame. known, clear: (M,) of the view's pixels: those with a depth, and
            those whose rays meet nothing within the range.
        max_height: of obstacles; rays that are higher where they leave the range tell nothing of what is below.
    """
    first, increment, beam, pixels = _beams(view, max_range, max_height)
    count = len(pixels)
    ranges = np.full(count, np.nan, np.float32)
    seen = np.bincount(beam[known & (beam >= 0)], minlength=count)
    through = np.bincount(beam[clear & (beam >= 0)], minlength=count)
    ranges[(through > 0) & (seen >= _KNOWN * pixels)] = np.inf
    distance = np.sqrt(x * x + y * y)
    turn = np.arctan2(y, x) - np.float32(first)
    turn = np.where(turn < 0, turn + np.float32(2 * np.pi), turn)
    hit = (turn * np.float32(1 / increment)).astype(np.int64)
    inside = (hit < count) & (distance <= max_range)
    nearest = torch.full((count,), torch.inf).scatter_reduce_(
        0, torch.from_numpy(hit[inside]), torch.from_numpy(distance[inside]), "amin"
    )
    stops = nearest.numpy() < np.inf
    ranges[stops] = nearest.numpy()[stops]
    start = first + increment / 2
    return Scan(start, start + (count - 1) * increment, increment, 0.0, max_range, ranges)
