# SPDX-License-Identifier: Apache-2.0
"""Single-image metrology (Metric3D v2, arXiv 2404.15506, section 4.4): the distance between two pixels' points."""

from __future__ import annotations

from typing import Any

import numpy as np

from mono_depth_ros.errors import DataError, UsageError
from mono_depth_ros.pipeline import Frame

Pixels = tuple[int, int, int, int]


def parse(text: str) -> Pixels:
    """u1, v1, u2, v2 from `u1,v1,u2,v2`: columns and rows, (0, 0) is the upper left pixel.

    Raises:
        UsageError: it is anything else.
    """
    try:
        u1, v1, u2, v2 = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--measure is '{text}', expected two pixels in whole numbers: u1,v1,u2,v2") from None
    return u1, v1, u2, v2


def measure(frame: Frame, pixels: Pixels) -> dict[str, Any]:
    """The distance in space between the points that two pixels show.

    Returns:
        metres; pick_m, by how much that changes at most when either pixel is moved to a neighbour: large where one lies
        on an edge; points, (x, y, z) in the camera optical frame; confidence of the two, None where the model has none.

    Raises:
        DataError: a pixel lies outside the image, or its depth is not known.
    """
    points = frame.points.cpu().numpy().astype(np.float64)
    ends = [_end(points, u, v) for u, v in (pixels[:2], pixels[2:])]
    middle = [points[v, u] for u, v in (pixels[:2], pixels[2:])]
    metres = float(np.linalg.norm(middle[0] - middle[1]))
    around = np.linalg.norm(ends[0][:, None] - ends[1][None], axis=-1)
    confidence = frame.prediction.confidence
    return {
        "pixels": list(pixels),
        "metres": round(metres, 6),
        "pick_m": round(float(np.abs(around - metres).max()), 6),
        "points": [[round(value, 6) for value in point.tolist()] for point in middle],
        "confidence": None
        if confidence is None
        else [round(float(confidence[v, u]), 4) for u, v in (pixels[:2], pixels[2:])],
    }


def in_words(found: dict[str, Any]) -> str:
    """A measurement as a line for eyes."""
    u1, v1, u2, v2 = found["pixels"]
    line = f"({u1}, {v1}) to ({u2}, {v2}): {found['metres']:.3f} m, +-{found['pick_m']:.3f} m for a pixel's step"
    if found["confidence"] is None:
        return line + "; the model gives no confidence"
    return line + "; confidence {:.2f} and {:.2f}".format(*found["confidence"])


def _end(points: np.ndarray, u: int, v: int) -> np.ndarray:
    """(N, 3): the points of a pixel and of its neighbours that are known."""
    height, width = points.shape[:2]
    if not (0 <= u < width and 0 <= v < height):
        raise DataError(f"--measure: pixel ({u}, {v}) is not in the image of {width}x{height}")
    if not np.isfinite(points[v, u]).all():
        raise DataError(f"--measure: the depth at pixel ({u}, {v}) is not known: sky, out of range or no ray")
    near = points[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2].reshape(-1, 3)
    return near[np.isfinite(near).all(axis=1)]
