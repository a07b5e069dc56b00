# SPDX-License-Identifier: Apache-2.0
"""Flying pixels: what a network smears between a near and a far surface hangs on neither.

In a row or column of the image such a pixel has a nearer neighbour on one side and a farther one on the other, both by
far. So has a surface that is seen at a grazing angle, a table's top at eye level; but on a plane inverse depth is
linear in the pixel, so that both steps are the same there, and on a smeared jump they are not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MIN_STEP = 0.05
"""Of inverse depth to either neighbour, relative: surfaces at more than 5 degrees to the ray have less."""
_PLANAR = 0.02  # by which two steps on a plane differ, relative to their sum


def flying_pixels(inverse: Floats) -> NDArray[np.bool_]:
    """Which pixels hang between two surfaces.

    Args:
        inverse: (H, W) inverse depth; 0 where the depth is infinite or not known.

    Returns:
        (H, W) bool.
    """
    limit = np.float32(MIN_STEP) * inverse
    hangs = np.zeros(inverse.shape, dtype=bool)
    across, down = np.diff(inverse, axis=1), np.diff(inverse, axis=0)
    hangs[:, 1:-1] = _hangs(across[:, :-1], across[:, 1:], limit[:, 1:-1])
    hangs[1:-1] |= _hangs(down[:-1], down[1:], limit[1:-1])
    return hangs


def _hangs(before: Floats, after: Floats, limit: Floats) -> NDArray[np.bool_]:
    low, high = np.minimum(before, after), np.maximum(before, after)
    # Both steps rise, or both fall, by more than the limit.
    steep = (low > limit) | (high < -limit)
    steep &= high - low > np.float32(_PLANAR) * np.abs(low + high)
    return steep
