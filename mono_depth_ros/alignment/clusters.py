# SPDX-License-Identifier: Apache-2.0
"""A part of the image whose samples all err alike: a mirror, an object of a map that moved, a wrong match of stereo.

Within such a part neighbours agree, so none is contradicted; but all around it depth and its ratio to the prediction
jump together, by about the same factor. A true thing jumps in depth, and the prediction mostly with it. The two parts
are found from the jumps between neighbours: the leading eigenvector of the graph whose edges are 1, and -1 where both
jump (the signed Laplacian of Kunegis et al. 2010), has another sign in each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.outliers import neighbours
from mono_depth_ros.alignment.samples import Samples

_MIN_SAMPLES, _MOST = 60, 1000  # fewer have no parts; of more, some are looked at
_JUMP = 0.3  # of ln d and of the ratio, at an edge
_STEPS = 100  # of the power iteration
_SIGMAS = 3.0  # robust deviations of the ratio: a part that is so far off needs no search
_MIN_BORDER = 30  # edges between the parts: on one line there are no more, and any thing on it is a part
_SHARE = (0.06, 0.5)  # of the samples, in the smaller part
_MOST_BORDER = 0.6  # of the edges of the part: more, and these are single samples
_WHOLE = 0.75  # of the samples of the part differ by half of the jump at its border: fewer, and single ones are in it
_BORDER, _WITHIN = 0.6, 0.12  # part of the edges that jump: at least between the parts, at most within them
_FACTOR, _SCATTER = 0.58, 0.3  # ln of the factor between the parts, at least, and its median deviation, at most


@dataclass(frozen=True, eq=False)
class Cluster:
    """share: of the samples. factor: their depth by that of the samples around, as it jumps there."""

    share: float
    factor: float


def cluster(samples: Samples, prediction: NDArray[np.floating]) -> Cluster | None:
    """The part that stands apart, or None.

    Args:
        prediction: (N,) metres at the samples, of any scale.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.flatnonzero(np.isfinite(np.log(prediction)))
    if len(known) > _MOST:
        known = known[np.linspace(0, len(known) - 1, _MOST).astype(np.int64)]
    if len(known) < _MIN_SAMPLES:
        return None
    samples = samples.select(known)
    log_depth = np.log(samples.depth)
    ratio = log_depth - np.log(prediction[known].astype(np.float32))
    index = neighbours(samples, np.ones(len(samples), dtype=bool))
    there = index >= 0
    jump, of_ratio = log_depth[index] - log_depth[:, None], ratio[index] - ratio[:, None]
    jumps = there & (np.abs(jump) > _JUMP) & (np.abs(of_ratio) > _JUMP) & (jump * of_ratio > 0)
    if jumps.sum() < _MIN_BORDER:
        return None
    off = np.abs(ratio - np.median(ratio))
    for part in (off > _SIGMAS * 1.4826 * np.median(off), _two_parts(index, there, jumps)):
        between = there & part[:, None] & ~part[index]
        within = there & (part[:, None] == part[index])
        if not _SHARE[0] <= part.mean() <= _SHARE[1] or between.sum() < _MIN_BORDER:
            continue
        if between.sum() > _MOST_BORDER * there[part].sum():
            continue
        factor = -np.median(of_ratio[between])
        scatter = np.median(np.abs(-of_ratio[between] - factor))
        alike = (ratio[part] - np.median(ratio[~part])) * np.sign(factor) > abs(factor) / 2
        same = min(abs(factor), abs(np.median(jump[between]))) >= _FACTOR and scatter <= _SCATTER
        if same and alike.mean() >= _WHOLE and jumps[between].mean() >= _BORDER and jumps[within].mean() <= _WITHIN:
            return Cluster(float(part.mean()), float(np.exp(factor)))
    return None


def _two_parts(index: NDArray[np.int64], there: NDArray[np.bool_], jumps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) the smaller of the two, by power iteration."""
    weight = np.where(jumps, -1.0, np.where(there, 1.0, 0.0)) / np.maximum(there.sum(axis=1, keepdims=True), 1)
    vector = np.random.default_rng(0).normal(size=len(index))
    for _ in range(_STEPS):
        vector = vector + (weight * vector[index]).sum(axis=1)
        vector /= np.abs(vector).max()
    part: NDArray[np.bool_] = vector > 0
    return part if part.mean() <= 0.5 else ~part
