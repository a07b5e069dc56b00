# SPDX-License-Identifier: Apache-2.0
"""16-bit values to 8 bits: cameras of 10, 12 or 14 bits deliver them in the low bits of 16."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

DEPTHS = (8, 10, 12, 14, 16)

Scale = Callable[[np.ndarray], np.ndarray]
"""From uint16 of any shape to uint8."""


def to_8bit(pixels: np.ndarray, bits: int = 16) -> np.ndarray:
    """uint8 of the same shape: v * 255 / (2^bits - 1), rounded to the nearest, at most 255; with 16 bits as cv_bridge.

    Args:
        pixels: uint16.
    """
    return cv2.convertScaleAbs(pixels, alpha=255 / (2**bits - 1))


class BitDepth:
    """A `Scale` by the smallest of DEPTHS that holds all values so far: never by the range of a single picture, which
    would let the brightness breathe.

    Args:
        bits: given; 0 finds it. tell: gets a sentence when it is found to be less than 16.

    Attributes:
        found: so far; 0 before the first picture of 16 bits.
    """

    def __init__(self, bits: Callable[[], int], tell: Callable[[str], None], found: int = 0) -> None:
        self._given, self._tell, self.found = bits, tell, found

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        given = self._given()
        if given:
            return to_8bit(pixels, given)
        highest = int(pixels.max())
        needed = next(bits for bits in DEPTHS if highest < 2**bits)
        if needed > self.found:
            self.found = needed
            if needed < DEPTHS[-1]:
                self._tell(
                    f"the images of 16 bits have values up to {highest}, so they are read as {needed} bits; to read "
                    "them otherwise, set image_bits"
                )
        return to_8bit(pixels, self.found)
