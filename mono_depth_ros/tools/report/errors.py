# SPDX-License-Identifier: Apache-2.0
"""How the errors of many pixels are distributed: over their size, and over the true distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ERROR_EDGES = np.linspace(-1.0, 1.0, 81)
"""Bins of the signed relative error (depth - truth) / truth; what lies outside counts in the outermost."""

DISTANCE_EDGES_M = np.geomspace(0.25, 256.0, 41)
"""Bins of the true distance: four for each doubling."""

_FINE_EDGES = np.linspace(0.0, 1.0, 201)  # of the absolute relative error, for its quartiles by distance
_MIN_SHARE = 0.002  # of all pixels; a distance with fewer is left out


class ErrorDistribution:
    """Accumulates pairs of depth and truth.

    Attributes:
        signed: (80,) pixels a bin of `ERROR_EDGES`.
        by_distance: (40, 200) pixels a bin of true distance and of absolute relative error.
    """

    def __init__(self) -> None:
        self.signed = np.zeros(len(ERROR_EDGES) - 1)
        self.by_distance = np.zeros((len(DISTANCE_EDGES_M) - 1, len(_FINE_EDGES) - 1))

    def add(self, depth: NDArray[np.floating], truth: NDArray[np.floating]) -> None:
        """Count pairs (N,) of finite positive metres."""
        relative = (depth - truth) / truth
        self.signed += np.histogram(np.clip(relative, -1.0, 1.0), ERROR_EDGES)[0]
        pair = (np.clip(truth, DISTANCE_EDGES_M[0], DISTANCE_EDGES_M[-1]), np.minimum(np.abs(relative), 1.0))
        self.by_distance += np.histogram2d(*pair, bins=(DISTANCE_EDGES_M, _FINE_EDGES))[0]

    def quartiles_by_distance(self) -> list[tuple[float, float, float, float, float]]:
        """Distance from, to in metres; 25th, 50th and 75th percentile of the absolute relative error between them."""
        rows = []
        for k, counts in enumerate(self.by_distance):
            if counts.sum() > _MIN_SHARE * self.by_distance.sum():
                share = np.cumsum(counts) / counts.sum()
                low, middle, high = (float(np.interp(q, share, _FINE_EDGES[1:])) for q in (0.25, 0.5, 0.75))
                rows.append((float(DISTANCE_EDGES_M[k]), float(DISTANCE_EDGES_M[k + 1]), low, middle, high))
        return rows
