# SPDX-License-Identifier: Apache-2.0
"""The floor, followed from the robot's feet outwards in every direction.

A depth that is off by a tenth lifts or lowers a floor seen from a height h by a tenth of h, everywhere alike. So the
floor is not where the robot's frame says, but begins near there and goes on from each ring to the next, as far as a
ramp would.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RING_M = 0.1
_STEP = 0.03  # m, by which the lowest points of two rings differ on a plane
_OF_HEIGHT = 0.1  # of the camera's: what a wrong scale lifts the floor by, where it is first seen
_HIDDEN_M = 0.5  # behind a thing the floor is looked for as if it were hidden no longer than this
_HOME = 0.05  # m, where the floor of the robot's frame is met again, wherever it was last seen
_LOW = 0.05  # m from the lowest point of a ring: its floor, where it has any


def follow_floor(
    height: Floats, run: Floats, cell: NDArray[np.int32], sectors: int, rings: int, eye: float, slope: float
) -> Floats:
    """Where the floor is.

    Args:
        height: (N,) metres of points, in a frame whose floor is at 0. run: (N,) horizontal metres from the camera.
        cell: (N,) of each, sector * rings + ring. eye: the camera's height. slope: rise by run of the steepest ramp.

    Returns:
        (sectors, rings) metres; where none is seen, that of the ring before.
    """
    size = sectors * rings
    within = np.flatnonzero(np.abs(height) < _STEP + _OF_HEIGHT * eye + np.float32(slope) * run)
    height, cell = height[within], cell[within]
    lowest = torch.full((size,), torch.inf).scatter_reduce_(
        0, torch.from_numpy(cell).long(), torch.from_numpy(height), "amin", include_self=True
    )
    low = _median_of_three(lowest.numpy().reshape(sectors, rings)).reshape(-1)
    with np.errstate(invalid="ignore"):
        near = np.flatnonzero(np.abs(height - low[cell]) < _LOW)
    of = cell[near]
    count = np.bincount(of, minlength=size)
    total = np.bincount(of, weights=height[near], minlength=size)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32).reshape(sectors, rings)
    home = np.abs(mean) <= _HOME
    floor = np.zeros((sectors, rings), np.float32)
    now, hidden, seen = np.zeros(sectors, np.float32), np.zeros(sectors, np.float32), np.zeros(sectors, dtype=bool)
    for ring in range(rings):
        hidden += RING_M
        allowed = _STEP + slope * np.minimum(hidden, _HIDDEN_M) + np.where(seen, 0.0, _OF_HEIGHT * eye)
        with np.errstate(invalid="ignore"):
            goes_on = (np.abs(mean[:, ring] - now) <= allowed) | home[:, ring]
        now = np.where(goes_on, mean[:, ring], now)
        hidden[goes_on] = 0.0
        seen |= goes_on
        floor[:, ring] = now
    return floor


def _median_of_three(low: Floats) -> Floats:
    """Of each sector and those beside it: a single pixel that is too low is no floor."""
    if len(low) < 3:
        return low
    before, here, after = low[:-2], low[1:-1], low[2:]
    middle = np.maximum(np.minimum(before, after), np.minimum(np.maximum(before, after), here))
    return np.concatenate((low[:1], middle, low[-1:]))
