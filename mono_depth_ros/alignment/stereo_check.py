# SPDX-License-Identifier: Apache-2.0
"""Whether two images are a rectified stereo pair, left and right: by corners that appear in both (ORB, Rublee 2011)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import SamplesError

_FEATURES, _MIN_MATCHES = 1500, 40
_SIZE_PX = 1000  # larger images are looked at in this width or height
_RATIO = 0.8  # best over second best distance (Lowe 2004)
_ROWS_PX = 2.0  # the median of what rows are off; corners are found within one pixel
_BEHIND, _BEHIND_IF_SWAPPED = 0.1, 0.2  # of those that have a disparity; of those behind as they are


def check_pair(left: NDArray[np.uint8], right: NDArray[np.uint8], shift_px: float = 0.0) -> None:
    """Refuse a pair whose rows do not correspond, or whose right image is the left one.

    Images with fewer than 40 corners in common pass: nothing is known about them.

    Args:
        left, right: (H, W, 3) RGB uint8 of one size. shift_px: cx of the left minus cx of the right camera.

    Raises:
        SamplesError: reason `stereo_rectified` or `stereo_swapped`.
    """
    scale = min(1.0, _SIZE_PX / max(left.shape))
    a, b = _corners(left, right, scale)
    if len(a) < _MIN_MATCHES:
        return
    rows = float(np.median(np.abs(a[:, 1] - b[:, 1])))
    if rows > _ROWS_PX:
        found = f"the rows of the pair do not correspond: {len(a)} corners are off by {rows / scale:.0f} px (median)"
        raise SamplesError(f"{found}, expected a rectified pair, whose rows are the same", "stereo_rectified")
    # Nothing lies behind infinity, at a disparity below 0: neither as they are, nor if left and right were swapped.
    found_px, shift = (a - b)[np.abs(a[:, 1] - b[:, 1]) <= _ROWS_PX, 0], shift_px * scale
    moved = int(np.sum(np.abs(found_px - shift) > 1.0))
    behind, if_swapped = (int(np.sum(sign * found_px - shift < -1.0)) for sign in (1, -1))
    if behind > max(_BEHIND * moved, _MIN_MATCHES / 2) and if_swapped < _BEHIND_IF_SWAPPED * behind:
        found = f"{behind} of {moved} corners lie farther right in the right image, expected farther left"
        raise SamplesError(f"left and right are swapped, or cx of the cameras differs: {found}", "stereo_swapped")


def _corners(left: NDArray[np.uint8], right: NDArray[np.uint8], scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) of the same corners in both images, at `scale`."""
    detector, found = cv2.ORB.create(_FEATURES), []
    for image in (left, right):
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        grey = grey if scale == 1.0 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        points, descriptors = detector.detectAndCompute(grey, None)
        if descriptors is None:
            return np.zeros((0, 2)), np.zeros((0, 2))
        found.append((np.array([point.pt for point in points]), descriptors))
    (a, of_a), (b, of_b) = found
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(of_a, of_b, k=2)
    good = [m[0] for m in pairs if len(m) == 2 and m[0].distance < _RATIO * m[1].distance]
    return a[[m.queryIdx for m in good]].reshape(-1, 2), b[[m.trainIdx for m in good]].reshape(-1, 2)
