# SPDX-License-Identifier: Apache-2.0
"""How the camera moved between two images, by points whose depth is known in the first."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.motion.bundle import Floats

_WITHIN_PX = 3.0  # from where a point is seen to where it should be: an inlier
_HYPOTHESES = 100


def relative_pose(points: Floats, rays: Floats, fx: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Perspective-n-point by consensus (Fischler and Bolles 1981), refined by Levenberg-Marquardt.

    Args:
        points: (N, 3) metres in the camera before, N >= 4. rays: (N, 2) x/z, y/z now. fx: pixels.

    Returns:
        (4, 4) points of the camera before in the camera now, and (N,) which points agree; none where nothing does.
    """
    found, turn, move, inliers = cv2.solvePnPRansac(
        points, rays, np.eye(3), None, iterationsCount=_HYPOTHESES, reprojectionError=_WITHIN_PX / fx,
        confidence=0.999, flags=cv2.SOLVEPNP_EPNP,
    )  # fmt: skip
    agree = np.zeros(len(points), dtype=bool)
    now_from_before = np.eye(4)
    if not found or inliers is None:
        return now_from_before, agree
    agree[inliers.ravel()] = True
    turn, move = cv2.solvePnPRefineLM(points[agree], rays[agree], np.eye(3), None, turn, move)
    now_from_before[:3, :3], now_from_before[:3, 3] = cv2.Rodrigues(turn)[0], move.ravel()
    return now_from_before, agree
