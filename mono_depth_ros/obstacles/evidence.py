# SPDX-License-Identifier: Apache-2.0
"""Which pixels have so little evidence that they belong to a better seen surface near by on their ray.

What stands upright puts all its height into few cells of the plan. A depth that is smeared or wrong spreads the same
pixels over many. So each cell, by bearing and range, is given the area that is seen in it, and a cell yields to one
with more within the error of its depth.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

STEP = 0.025
"""Of the range from one ring to the next."""
_NEAREST_M = 0.2  # range of the first ring
_ERRORS = 2.0  # the depth is looked for within so many of its expected errors
_MAX_RINGS = 12
_SHARE = 0.4  # of the area of the best cell near by: with less a cell yields


def evident(
    run: Floats, sector: NDArray[np.int32], sectors: int, area: Floats, error: Floats | None
) -> NDArray[np.bool_]:
    """Which pixels stay.

    Args:
        run: (N,) horizontal metres from the camera. sector: (N,) of the bearing, of so many.
        area: (N,) square metres that each pixel covers. error: (N,) of the depth, relative; None: not known.

    Returns:
        (N,) bool.
    """
    if not len(run):
        return np.zeros(0, dtype=bool)
    ring = (np.log(np.maximum(run, _NEAREST_M) / _NEAREST_M) / math.log(1 + STEP)).astype(np.int32)
    rings = int(ring.max()) + 1
    cell = sector * rings + ring
    size = sectors * rings
    seen = np.bincount(cell, area / run, size).reshape(sectors, rings).astype(np.float32)
    seen = cv2.boxFilter(seen, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    reach = np.ones((sectors, rings))
    if error is not None:
        mean = np.bincount(cell, error, size) / np.maximum(np.bincount(cell, minlength=size), 1)
        reach = np.clip(np.round(_ERRORS / STEP * mean), 1, _MAX_RINGS).reshape(sectors, rings)
    best = seen
    kept = np.zeros((sectors, rings), dtype=bool)
    for rings_away in range(1, int(reach.max()) + 1):
        best = cv2.dilate(best, np.ones((1, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        kept |= (reach == rings_away) & (seen >= np.float32(_SHARE) * best)
    stays: NDArray[np.bool_] = kept.reshape(-1)[cell]
    return stays
