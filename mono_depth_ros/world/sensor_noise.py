# SPDX-License-Identifier: Apache-2.0
"""From a rendered image to one that an ordinary camera would have taken. Nothing here knows ROS."""

from __future__ import annotations

import math

import cv2
import numpy as np

BLUR_PX = 0.5  # standard deviation
NOISE = 2.0  # standard deviation, grey levels
EXPOSURE = 0.08  # natural logarithm of the largest gain
EXPOSURE_PERIOD_S = 7.0


def sensor_image(rgb: np.ndarray, strength: float, time_s: float, seed: int) -> np.ndarray:
    """Blur, drifting exposure and noise.

    Args:
        rgb: (H, W, 3) uint8. strength: 0 gives `rgb` itself, 1 an ordinary camera. time_s: for the exposure.
        seed: of the noise; the same arguments give the same bytes.

    Returns:
        (H, W, 3) uint8.
    """
    if strength == 0.0:
        return rgb
    gain = math.exp(strength * EXPOSURE * math.sin(2 * math.pi * time_s / EXPOSURE_PERIOD_S))
    levels = np.clip(np.arange(256) * gain + 0.5, 0, 255).astype(np.uint8)
    noise = np.empty(rgb.shape, np.int16)
    cv2.setRNGSeed(seed % (1 << 31))
    cv2.randn(noise, np.zeros(3), np.full(3, strength * NOISE))
    return cv2.add(cv2.LUT(cv2.GaussianBlur(rgb, (0, 0), strength * BLUR_PX), levels), noise, dtype=cv2.CV_8U)
