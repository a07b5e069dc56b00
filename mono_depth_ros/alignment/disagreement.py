# SPDX-License-Identifier: Apache-2.0
"""How far the samples around a place disagree: where they do, no estimate of its depth can be right for sure.

Two things show it. The estimates of the depth there lie apart: of 1/d, and of the prediction's ratio. And the slopes
of the triangles around are not alike, as in error estimates of finite elements (Zienkiewicz and Zhu 1987): slopes of
1/d, or of the ratio, whichever is the smoother.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.interpolation import INVERSE, RATIO, Known
from mono_depth_ros.alignment.triangulation import Places

Floats = NDArray[np.float32]

APART = [INVERSE, RATIO]
"""The estimates that are compared."""

LEAST = 0.004
"""Of ln d: less disagreement than that says nothing."""

_OF_BENT, _OF_APART = 0.5, 0.3  # powers with which errors grow; see `uncertainty`


def disagreement(places: Places, rough: Floats, found: Floats, fitted: Floats) -> Floats:
    """(Q,) natural logarithm of what errors are in proportion to.

    Args:
        rough: (N,) of `roughness`. found: (7, Q) of `estimates`, with all of APART. fitted: (Q,) as there.
    """
    bent = sum(weight * rough.take(corner) for weight, corner in zip(places.weights, places.corners, strict=True))
    bent *= places.distance
    bent += LEAST
    apart = np.abs(found[INVERSE] - fitted - found[RATIO])
    apart += LEAST
    result: Floats = np.float32(_OF_BENT) * np.log(bent) + np.float32(_OF_APART) * np.log(apart)
    return result


def roughness(rows: NDArray[np.int64], columns: NDArray[np.int64], known: Known, corners: NDArray[np.int64]) -> Floats:
    """(N,) how far the slopes of the triangles (3, T) around each sample lie from their mean, in ln d a pixel."""
    count, around = len(rows), np.ravel(corners)
    usual = np.maximum(np.bincount(around, minlength=count), 1)
    (x, x1, x2), (y, y1, y2) = ([at.take(corner) for corner in corners] for at in (columns, rows))
    x1, x2, y1, y2 = (side.astype(np.float32) for side in (x1 - x, x2 - x, y1 - y, y2 - y))
    area = x1 * y2 - x2 * y1
    inverse = np.exp(-known.log_depth)
    found = []
    for values in (inverse, known.log_depth - known.fitted):
        v, v1, v2 = (values.take(corner) for corner in corners)
        v1, v2 = (v1 - v) / area, (v2 - v) / area
        away = np.zeros(corners.shape, dtype=np.float32)
        for slope in (v1 * y2 - v2 * y1, x1 * v2 - x2 * v1):
            mean = (np.bincount(around, np.tile(slope, 3), count) / usual).astype(np.float32)
            away += (slope - mean.take(corners)) ** 2
        found.append(np.bincount(around, np.sqrt(away).ravel(), count) / usual)
    result: Floats = np.minimum(found[0] / inverse, found[1]).astype(np.float32)
    return result
