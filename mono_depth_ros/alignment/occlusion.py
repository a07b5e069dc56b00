# SPDX-License-Identifier: Apache-2.0
"""Which samples the camera cannot see: a lidar looks past edges that hide what is behind them from the camera."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

_WINDOWS = (9, 63)  # pixels: the smallest, which is that of references without lines, and the largest
_STRIP = 8  # pixels: lines of a lidar are level over so many columns
_CHUNK = 4096  # samples looked at together, so that a dense reference does not take hundreds of megabytes


def occluded(
    image: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64], window: int, ratio: float
) -> NDArray[np.bool_]:
    """Which samples lie behind a nearer surface, as far as samples tell.

    A sample is behind a surface when nearer ones surround it: no half plane through its pixel holds them all. Nearer
    ones on one side alone are no sign: on a plane, however slanted, they are all on one side, and so they are beside
    the edge of a near thing. (The visibility cones of Pintus, Gobbetti and Agus 2011, "Real-time rendering of massive
    unstructured raw point clouds using screen-space operators", cut down to the half plane.)

    Args:
        image: (H, W) float32 metres, +inf where there is no sample.
        rows, columns: (N,) the samples. window: side of the square around each, in pixels; below 3: nothing is hidden.
        ratio: a neighbour is nearer when the sample is farther by more than this part.

    Returns:
        (N,) bool.
    """
    hidden = np.zeros(len(rows), dtype=bool)
    reach = window // 2
    if reach < 1 or not len(rows):
        return hidden
    # Most samples have no nearer neighbour at all: the minimum of the window tells that quickly.
    nearest = cv2.erode(image, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    limit = image[rows, columns] / np.float32(1.0 + ratio)
    doubtful = np.flatnonzero(nearest[rows, columns] < limit)
    if not len(doubtful):
        return hidden
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=float("inf"))
    dy, dx, angle = _directions(reach)
    steps = dy * padded.shape[1] + dx
    flat = padded.reshape(-1)
    for start in range(0, len(doubtful), _CHUNK):
        some = doubtful[start : start + _CHUNK]
        centre = (rows[some] + reach) * padded.shape[1] + columns[some] + reach
        nearer = flat[centre[:, None] + steps] < limit[some, None]
        hidden[some] = _largest_gap(nearer, angle) <= np.pi + 1e-6
    return hidden


def line_window(rows: NDArray[np.int64], columns: NDArray[np.int64], group: NDArray[np.int64] | None) -> int:
    """The `window` of `occluded` that reaches from a line of a lidar to the lines on either side of it.

    Args:
        rows, columns: (N,) the samples. group: (N,) the line of each, -1 for none; None: there are no lines.

    Returns:
        An odd number of pixels.
    """
    least, most = _WINDOWS
    if group is None or len(np.unique(known := group[group >= 0])) < 3:
        return least
    across, along = rows[group >= 0], columns[group >= 0]
    order = np.argsort(known, kind="stable")
    steps = np.diff(known[order]) == 0
    # Along a line neighbours are apart in columns; where the camera lies on its side, in rows.
    if np.abs(np.diff(across[order]))[steps].mean() > np.abs(np.diff(along[order]))[steps].mean():
        across, along = along, across
    order = np.lexsort((across, along // _STRIP))
    strip, line, place = along[order] // _STRIP, known[order], across[order]
    next_line = (np.diff(strip) == 0) & (np.diff(line) != 0)
    if not next_line.any():
        return least
    return int(np.clip(2 * np.ceil(np.median(np.diff(place)[next_line])) + 1, least, most))


def _largest_gap(chosen: NDArray[np.bool_], angle: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) radians of the widest sector without a chosen direction; each row of (N, D) has at least one.

    Args:
        chosen: (N, D). angle: (D,) ascending, within one turn.
    """
    turn = np.float32(2 * np.pi)
    at = np.where(chosen, angle, np.float32(-np.inf))
    before = np.maximum.accumulate(at, axis=1)
    last = before[:, -1]
    # Ahead of the first comes the last, a turn earlier.
    previous = np.concatenate(((last - turn)[:, None], np.maximum(before[:, :-1], (last - turn)[:, None])), axis=1)
    gap: NDArray[np.float32] = np.where(chosen, angle - previous, np.float32(0)).max(axis=1)
    return gap


@lru_cache(maxsize=8)
def _directions(reach: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Offsets of the neighbours in the square, in the order of their angle."""
    dy, dx = (grid.ravel() for grid in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    angle = np.arctan2(dy, dx)
    order = np.argsort(angle, kind="stable")
    order = order[(dy[order] != 0) | (dx[order] != 0)]
    return dy[order].astype(np.int64), dx[order].astype(np.int64), angle[order].astype(np.float32)
