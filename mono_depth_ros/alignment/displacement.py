# SPDX-License-Identifier: Apache-2.0
"""Samples that all lie beside where they belong: a reference that is late while the camera turns, or placed wrongly.

Such samples agree with each other, and those that are left out are predicted well: nothing but the prediction, whose
edges lie elsewhere, can tell. It is looked whether it fits the samples much better some pixels away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.samples import Samples

_WIDTH = 160  # of the map that is looked at, about
_FARTHEST, _EVERY = (4, 16), 2  # of its pixels: rows, columns
_SAMPLES, _MIN_SAMPLES = 300, 60
_MOST = 0.3  # of |ln d|: a sample that is off by more says no more
_BETTER, _GAIN, _GOOD, _SIGMAS = 0.65, 0.04, 0.1, 4.0
"""The mean |ln d| must fall to this part, by so much, to so little, and by so many of its standard errors."""


@dataclass(frozen=True)
class Displacement:
    """rows, columns: pixels from where the samples lie to where they belong. abs_rel: what that does to the depth."""

    rows: int
    columns: int
    abs_rel: float

    @property
    def words(self) -> str:
        """A sentence."""
        found = [f"{abs(self.columns)} px to the {'right' if self.columns > 0 else 'left'}"] if self.columns else []
        found += [f"{abs(self.rows)} px {'below' if self.rows > 0 else 'above'}"] if self.rows else []
        where = " and ".join(found)
        return f"the samples fit the image better {where}: are time stamps and extrinsics right?"


def displacement(depth: NDArray[np.float32], step: int, samples: Samples) -> Displacement | None:
    """None where the samples fit best about where they are, or the prediction is too poor to tell.

    Args:
        depth: (h, w) metres of any scale, at every `step`-th pixel.
    """
    every = max(round(depth.shape[1] / _WIDTH), 1)
    small, step = depth[::every, ::every], every * step
    height, width = small.shape
    down, right = (of.ravel()[:, None] for of in np.mgrid[tuple(slice(-far, far + 1, _EVERY) for far in _FARTHEST)])
    rows, columns = samples.rows // step, samples.columns // step
    all_see = (rows >= _FARTHEST[0]) & (rows < height - _FARTHEST[0])
    all_see &= (columns >= _FARTHEST[1]) & (columns < width - _FARTHEST[1])
    chosen = np.flatnonzero(all_see)
    if len(chosen) > _SAMPLES:
        chosen = chosen[np.linspace(0, len(chosen) - 1, _SAMPLES).astype(np.int64)]
    seen = small[rows[chosen] + down, columns[chosen] + right]  # (shifts, samples)
    known = (np.isfinite(seen) & (seen > 0)).all(axis=0)
    if np.count_nonzero(known) < _MIN_SAMPLES:
        return None
    log = np.log(seen[:, known])
    off = np.log(samples.depth[chosen[known]]) - log
    off = np.minimum(np.abs(off - np.median(off, axis=1, keepdims=True)), _MOST)
    mean = off.mean(axis=1)
    here, best = len(mean) // 2, int(mean.argmin())
    gain = off[here] - off[best]
    sure = gain.mean() > max(_GAIN, _SIGMAS * float(gain.std()) / len(gain) ** 0.5)
    if not sure or mean[best] > min(_BETTER * mean[here], _GOOD):
        return None
    change = np.minimum(np.abs(np.expm1(log[best] - log[here])), 1.0)
    return Displacement(int(down[best, 0]) * step, int(right[best, 0]) * step, float(change.mean()))
