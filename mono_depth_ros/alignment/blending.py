# SPDX-License-Identifier: Apache-2.0
"""Weights of several estimates of one depth, by their errors at samples that none of them used.

The mean of estimates is better than each of them where they err apart: stacked regression (Wolpert 1992), with weights
that are positive and of sum 1 (Breiman 1996), so that the mean lies within what it is made of. Both the relative error
and the error in metres count, each by what the usual weights make of it.

Samples are held out farther from the others than the places to be filled are, where they lie in lines: what is best
there need not be best here. So usual weights stand unless others are better by much more than that may change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_METRES = 1.0  # of the loss: the square of the error in metres, by the relative error
_STEPS = 3  # of reweighting
_SMALL = 0.1  # of the mean error: what is smaller is no better
_RIDGE = 1e-3
_EXACT = 1e-5  # of ln d: smaller errors are alike
_FEW = 4.0  # errors with which an estimate's own size counts half
_SOME = 20.0  # errors with which the best weights count half


def blend(errors: Floats, depth: Floats, usual: Floats, doubt: float) -> Floats:
    """(K,) weights, positive, of sum 1.

    Args:
        errors: (Q, K) of ln d of each estimate. depth: (Q,) metres.
        usual: (K,) weights where nothing is known; an estimate without gets none.
        doubt: the part of the loss by which others must be better to count half.
    """
    count = len(depth)
    if not count:
        return usual
    known = usual > 0
    if not known.all():
        weights = np.zeros(len(usual))
        weights[known] = blend(errors[:, known], depth, usual[known], doubt)
        return weights
    # Estimates that err more count less, before any are weighed against each other.
    relative, metres = np.abs(errors).mean(axis=0) + _EXACT, _rms(errors * depth[:, None]) + _EXACT * depth.mean()
    size = relative / relative.min() + metres / metres.min()
    usual = usual * (1 - count / (count + _FEW) * (1 - (size.min() / size) ** 2))
    usual = usual / usual.sum()
    unit = float(np.abs(errors @ usual).mean()) + _EXACT, float(_rms(errors @ usual * depth) + _EXACT * depth.mean())

    weights = usual
    for _ in range(_STEPS):
        error = np.abs(errors @ weights)
        share = 1 / (np.maximum(error, _SMALL * unit[0]) * unit[0]) + _METRES * (depth / unit[1]) ** 2
        moments = (errors * share[:, None]).T @ errors / count
        weights = _least(moments + (_RIDGE * np.trace(moments) / len(usual) + 1e-12) * np.eye(len(usual)))
    error = errors @ weights
    loss = float(np.abs(error).mean()) / unit[0], float(_rms(error * depth)) / unit[1]
    gain = max(1 - (loss[0] + 0.5 * loss[1]) / 1.5, 0.0)
    trust = gain**2 / (gain**2 + doubt**2) * count / (count + _SOME)
    found: Floats = trust * weights + (1 - trust) * usual
    return found


def _least(moments: Floats) -> Floats:
    """(K,) w >= 0 of sum 1 with the least w^T moments w: one by one those go that would be negative."""
    active = np.arange(len(moments))
    while True:
        found = np.linalg.solve(moments[np.ix_(active, active)], np.ones(len(active)))
        if (found >= 0).all() or len(active) == 1:
            weights = np.zeros(len(moments))
            weights[active] = found / found.sum()
            return weights
        active = np.delete(active, found.argmin())


def _rms(values: Floats) -> Floats:
    found: Floats = np.sqrt(np.square(values).mean(axis=0))
    return found
