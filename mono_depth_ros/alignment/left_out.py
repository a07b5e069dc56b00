# SPDX-License-Identifier: Apache-2.0
"""What samples say that were left out: each predicted from others alone, as far away as the sensor's gaps are wide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 3.0
"""Of |ln|: a depth that is off by twenty times is off by no more."""

_CHOSEN_BY = 5.0  # samples with which errors look half as large as they are
_TAIL = (0.1, 0.2)  # errors just below what an outlier is


def fit_alone(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, K), as `LeftOut.outside`, of a result that is not corrected."""
    found: NDArray[np.float32] = np.zeros((3, len(distance)), dtype=np.float32)
    found[2] = 1
    return found


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Leave-group-out cross-validation of one image's samples; those taken for outliers are not among them.

    Attributes:
        number: (Q,) int64, which of the samples. error: (Q,) float32 ln of the depth predicted there by the measured.
        distance: (Q,) float32 pixels to the nearest sample that it was predicted from.
        inside: (Q,) bool, whether samples that it was predicted from lie on all sides of it.
        outside: how much of the ratio of the nearest sample, of its depth, and of the fit is taken where samples do not
            lie on all sides: a function of the distance (K,) pixels that gives (3, K).
        disagreement, of_image: (Q,) float32 ln of how far the samples around it disagree, NaN where none are on all
            sides; and (h, w), the same at every `step`-th pixel of the image. None: it is not known.
        steps: of ln d between the corners of the triangles that they lie in, on average.
        outliers: part of all samples, 0 to 1, that were taken for outliers before.
    """

    number: NDArray[np.int64]
    error: NDArray[np.float32]
    distance: NDArray[np.float32]
    inside: NDArray[np.bool_]
    outside: Callable[[NDArray[np.float32]], NDArray[np.float32]] = fit_alone
    disagreement: NDArray[np.float32] | None = None
    of_image: NDArray[np.float32] | None = None
    step: int = 1
    steps: float = 0.0
    outliers: float = 0.0

    def __len__(self) -> int:
        return int(self.number.size)

    @property
    def relative(self) -> NDArray[np.float32]:
        """(Q,) |predicted - measured| / measured, and a little more: how to predict was chosen by the same samples."""
        chosen = np.float32(1 + _CHOSEN_BY / max(len(self), 1))
        found: NDArray[np.float32] = chosen * np.abs(np.expm1(np.clip(self.error, -MOST, MOST)))
        return found

    @property
    def cut(self) -> float:
        """The part of right samples, 0 to 1, that were taken for outliers: those of thin things and at edges.

        Errors have a tail with about as many above any size as between half of it and that.
        """
        relative, (low, high) = self.relative, _TAIL
        return min(float(np.mean((relative > low) & (relative < high))), self.outliers) if len(self) else 0.0
