# SPDX-License-Identifier: Apache-2.0
"""Beyond the triangles: the depth of the nearest sample, what the fit leaves there, and the fit itself.

How much each of these counts depends on how far the nearest sample is. Pairs of samples that are as far apart tell it:
one of the two is predicted from the other.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.blending import blend

Floats = NDArray[np.float64]

DISTANCES = 2.0 ** np.arange(2, 10)
"""Pixels, at which the weights are found; between, they are interpolated by the logarithm of the distance."""

_USUAL = np.stack(
    [np.interp(np.log(DISTANCES), np.log([8, 64, 256]), of) for of in ([0.15, 0.12, 0.05], [0.84, 0.73, 0.5])]
)
_DOUBT = 0.15
_SAMPLES = 200  # of which pairs are made
_PAIRS = 1000  # of about each distance
_APART = (0.8, 1.4)  # times the distance
_LEAST_SHARE, _LEAST = 0.2, 8  # of the samples must have a partner, else the usual weights stand


def extrapolation_weights(
    at: NDArray[np.float32],
    log_depth: NDArray[np.float32],
    fitted: NDArray[np.float32],
    group: NDArray[np.int64] | None,
    rng: np.random.Generator,
) -> Floats:
    """(D, 3) of the fit's depth times the nearest sample's ratio, of that sample's depth, and of the fit.

    Args:
        at: (N, 2) pixels. log_depth, fitted: (N,) ln of the samples' depth and of the fit's there.
        group: (N,) of the beam: within one of several samples say little of what is beyond it; None: no groups.
    """
    count = min(_SAMPLES, len(at))
    one, other = (rng.choice(len(at), count, replace=False) for _ in range(2))
    row, column = (of[one][:, None] - of[other] for of in at.T)
    apart = row * row + column * column  # squared
    if group is not None and np.ptp(group):
        apart[group[one][:, None] == group[other]] = -1
    residual, found = (log_depth - fitted).astype(np.float64), []
    for number, distance in enumerate(DISTANCES):
        usual = np.array([*_USUAL[:, number], 1 - _USUAL[:, number].sum()])
        a, b = np.nonzero((apart >= (_APART[0] * distance) ** 2) & (apart < (_APART[1] * distance) ** 2))
        if np.count_nonzero(np.bincount(a)) >= max(_LEAST_SHARE * count, _LEAST):
            some = slice(None, None, len(a) // _PAIRS + 1)
            a, b = one[a[some]], other[b[some]]
            own = residual[a]
            errors = np.stack((residual[b] - own, log_depth[b] - fitted[a] - own, -own), axis=1)
            usual = blend(errors, np.exp(log_depth[a].astype(np.float64)), usual, _DOUBT)
        found.append(usual)
    return np.array(found)


def weights_at(weights: Floats, distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, Q) of `extrapolation_weights` for places so many pixels from the nearest sample."""
    position = np.log(np.maximum(distance, 1))
    return np.stack([np.interp(position, np.log(DISTANCES), of) for of in weights.T]).astype(np.float32)


def nearest_on_grid(
    rows: NDArray[np.int64], columns: NDArray[np.int64], size: tuple[int, int], step: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(h * w,) the nearest sample of each place of a grid, nearly, and how many pixels away it is."""
    height, width = ((side - 1) // step + 1 for side in size)
    rows, columns = (np.minimum((of + step // 2) // step, side - 1) for of, side in ((rows, height), (columns, width)))
    free = np.ones((height, width), dtype=np.uint8)
    free[rows, columns] = 0
    distance, label = cv2.distanceTransformWithLabels(
        free, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    sample = np.zeros(int(label.max()) + 1, dtype=np.int64)
    sample[label[rows, columns]] = np.arange(len(rows))
    return sample.take(label.reshape(-1)), step * distance.reshape(-1)
