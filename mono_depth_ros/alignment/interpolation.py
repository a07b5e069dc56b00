# SPDX-License-Identifier: Apache-2.0
"""Estimates of the depth between samples, from the corners of the triangle around each place.

Flat surfaces are planes in 1/d, and triangles across edges are less wrong in d; the nearest sample keeps edges sharp.
None of these needs the prediction. What is left in ln d after the fit, interpolated or of the nearest sample, keeps
every edge of the prediction. And corners that look like the place, in colour or in the prediction, may count more.
Which of these is best depends on the scene, the network and the sensor: their weights are found in `blending`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.triangulation import Places

Floats = NDArray[np.float32]

INVERSE, LINEAR, NEAREST, COLOUR, SHAPE, RATIO, NEAREST_RATIO = range(7)
"""The estimates: of 1/d, of d, of the nearest corner; of 1/d with corners alike in colour, or in predicted depth; of
the prediction times what the corners say, interpolated or of the nearest."""

USUAL = np.array([0.45, 0.25, 0.05, 0.1, 0.05, 0.08, 0.02])
"""Their weights where nothing is known: what is right for a network that errs much in a room, or on a road."""

OF_RATIO = slice(RATIO, NEAREST_RATIO + 1)
_UNLIKE_COLOUR = 60.0  # sum over red, green and blue of the difference at which a corner counts 1/e
_UNLIKE_DEPTH = 0.1  # of ln d
_LEAST = 1e-6  # what a corner that is not alike at all counts


@dataclass(frozen=True, eq=False)
class Known:
    """What is known at N samples.

    Attributes:
        log_depth: (N,) ln d. fitted: (N,) ln of the depth of the fit. colour: (3, N) 0 to 255, or None.
    """

    log_depth: Floats
    fitted: Floats
    colour: Floats | None


def estimates(places: Places, known: Known, fitted: Floats, colour: Floats | None, wanted: NDArray[np.bool_]) -> Floats:
    """(7, Q) ln d of each estimate that is wanted; of the two of ratios less `fitted`.

    Args:
        fitted: (Q,) ln of the fit's depth at the places. colour: (3, Q), or None: as if it said nothing.
        wanted: (7,) others stay 0.
    """
    found = np.zeros((len(wanted), len(fitted)), dtype=np.float32)
    if not len(fitted):
        return found
    weights, residual = places.weights, known.log_depth - known.fitted
    inverse = np.exp(-known.log_depth)
    inverse_d = [inverse.take(corner) for corner in places.corners]
    if wanted[INVERSE]:
        found[INVERSE] = -np.log(_mean(weights, inverse_d))
    if wanted[LINEAR]:
        found[LINEAR] = np.log(_mean(weights, [1 / one for one in inverse_d]))
    if wanted[RATIO]:
        found[RATIO] = _mean(weights, [residual.take(corner) for corner in places.corners])
    if wanted[NEAREST] or wanted[NEAREST_RATIO]:
        found[NEAREST], found[NEAREST_RATIO] = known.log_depth.take(places.nearest), residual.take(places.nearest)
    if wanted[SHAPE]:
        found[SHAPE] = _alike(
            weights,
            inverse_d,
            [np.abs(fitted - known.fitted.take(corner)) * np.float32(1 / _UNLIKE_DEPTH) for corner in places.corners],
        )
    if wanted[COLOUR]:
        assert colour is not None and known.colour is not None
        unlike = [
            sum(np.abs(at - of.take(corner)) for at, of in zip(colour, known.colour, strict=True))
            * np.float32(1 / _UNLIKE_COLOUR)
            for corner in places.corners
        ]
        found[COLOUR] = _alike(weights, inverse_d, unlike)
    return found


def _mean(weights: Floats, values: list[Floats]) -> Floats:
    found: Floats = weights[0] * values[0] + weights[1] * values[1] + weights[2] * values[2]
    return found


def _alike(weights: Floats, inverse: list[Floats], unlike: list[Floats]) -> Floats:
    """-ln of the mean of 1/d, with weights that fall with how unlike the place a corner is."""
    kept = [weight * (np.exp(-away) + np.float32(_LEAST)) for weight, away in zip(weights, unlike, strict=True)]
    found: Floats = np.log((kept[0] + kept[1] + kept[2]) / _mean(np.stack(kept), inverse))
    return found
