# SPDX-License-Identifier: Apache-2.0
"""What samples say that were left out: each predicted from others alone, as far away as the sensor's gaps are wide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 3.0
"""Of |ln|: a depth that is off by twenty times is off by no more."""

_CHOSEN_BY = 5.0  # samples with which errors look half as large as they are


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Leave-group-out cross-validation of one image's samples; those taken for outliers are not among them.

    Attributes:
        number: (Q,) int64, which of the samples. error: (Q,) float32 ln of the depth predicted there by the measured.
        distance: (Q,) float32 pixels to the nearest sample that it was predicted from.
        inside: (Q,) bool, whether samples that it was predicted from lie on all sides of it.
    """

    number: NDArray[np.int64]
    error: NDArray[np.float32]
    distance: NDArray[np.float32]
    inside: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.number.size)

    @property
    def relative(self) -> NDArray[np.float32]:
        """(Q,) |predicted - measured| / measured, and a little more: how to predict was chosen by the same samples."""
        chosen = np.float32(1 + _CHOSEN_BY / max(len(self), 1))
        found: NDArray[np.float32] = chosen * np.abs(np.expm1(np.clip(self.error, -MOST, MOST)))
        return found
