# SPDX-License-Identifier: Apache-2.0
"""Edges of things between the beams of a lidar.

A triangle with corners on two things says nothing of where one ends: interpolated, edges are saw-toothed, a tooth a
beam. There depth is that of the samples around that look like the place, in colour and in predicted depth: their
weighted median, which is of one thing or of the other (He et al. 2013 filter depth so; Zhang et al. 2014 weigh it).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.interpolation import Known

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

USUAL = np.array([0.4, 0.6])
"""Weights of the triangle and of the samples that look alike, where nothing is known."""

_JUMP, _UNPREDICTED = 0.1, 0.05  # of ln d, between the corners, and of what the fit leaves there
_BESIDE = 3  # samples on each side of a corner in its beam
_UNLIKE_COLOUR = 20.0  # sum over red, green and blue of the difference at which a sample counts 1/e
_UNLIKE_DEPTH = 0.2  # of ln d


def across_edges(corners: Ints, known: Known) -> Ints:
    """Which triangles, of corners (3, Q), lie on two things: a floor at grazing incidence is where it is predicted."""
    found = np.ones(corners.shape[1], dtype=bool)
    for values, least in ((known.log_depth, _JUMP), (known.log_depth - known.fitted, _UNPREDICTED)):
        of = values[corners]
        found &= of.max(axis=0) - of.min(axis=0) > least
    return np.flatnonzero(found)


def beside(line: Ints, columns: Ints) -> Ints:
    """(N, 7) for each sample itself and those beside it in its beam, or itself where there is none."""
    order = np.lexsort((columns, line))
    place = np.arange(len(order))[:, None] + np.arange(-_BESIDE, _BESIDE + 1)
    there = order[np.clip(place, 0, len(order) - 1)]
    found = np.empty_like(there)
    found[order] = np.where(line[there] == line[order][:, None], there, order[:, None])
    return found


def alike(near: Ints, apart: Floats, known: Known, fitted: Floats, colour: Floats | None) -> Floats:
    """(Q,) ln d of the samples around places that look like them.

    Args:
        near, apart: (Q, K) samples, and pixels to them. fitted: (Q,) ln of the fit's depth at the places.
        colour: (3, Q) there, or None.
    """
    unlike = np.abs(known.fitted[near] - fitted[:, None]) * np.float32(1 / _UNLIKE_DEPTH)
    if colour is not None and known.colour is not None:
        for at, of in zip(colour, known.colour, strict=True):
            unlike += np.abs(of[near] - at[:, None]) * np.float32(1 / _UNLIKE_COLOUR)
    scale = apart.mean(axis=1, keepdims=True)
    unlike += 0.5 * np.square(apart / scale)
    weight = np.exp(unlike.min(axis=1, keepdims=True) - unlike)
    values = known.log_depth[near]
    order = np.argsort(values, axis=1)
    total = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    middle = (total >= total[:, -1:] / 2).argmax(axis=1)[:, None]
    found: Floats = np.take_along_axis(values, np.take_along_axis(order, middle, axis=1), axis=1)[:, 0]
    return found
