# SPDX-License-Identifier: Apache-2.0
"""Pictures that show nothing: nearly black, nearly white, without contrast."""

from __future__ import annotations

import cv2
import numpy as np

_BLACK, _WHITE, _FLAT = 6.0, 250.0, 2.0  # of 255: means and standard deviation
_ACROSS = 64  # samples along the shorter side


def levels(rgb: np.ndarray) -> tuple[float, float]:
    """Mean and largest standard deviation of the channels of (H, W, 3) uint8, from 0 to 255, from a grid of pixels."""
    step = max(1, min(rgb.shape[:2]) // _ACROSS)
    means, deviations = cv2.meanStdDev(np.ascontiguousarray(rgb[::step, ::step]))
    return float(means.mean()), float(deviations.max())


def doubtful_light(subject: str, mean: float, deviation: float) -> str:
    """A sentence on pictures of such `levels` that a network sees next to nothing in; "" for others.

    Args:
        subject: the beginning, such as "the pictures are".
    """
    if mean < _BLACK:
        hint = "is the lens covered, the exposure too short, or image_bits too large?"
        return f"{subject} nearly black (mean {mean:.0f} of 255): {hint}"
    if mean > _WHITE:
        return f"{subject} nearly white (mean {mean:.0f} of 255): is the exposure too long?"
    if deviation < _FLAT:
        hint = "is the lens covered, or are these values of a thermal camera, which need a range of their own?"
        return f"{subject} without contrast (standard deviation {deviation:.1f} of 255): {hint}"
    return ""
