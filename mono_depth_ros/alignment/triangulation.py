# SPDX-License-Identifier: Apache-2.0
"""Delaunay triangles of samples: which three surround a place, on all sides of it, and with what weights.

The nearest few samples of a place may all lie on one line of a lidar; the corners of its triangle never do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

_FIRST = 4  # number of the first point that is inserted: before it are none, and the corners around everything
_NEXT_LEFT = cv2.SUBDIV2D_NEXT_AROUND_LEFT
_EDGE = 1e-3  # pixels: a place on an edge is in both triangles
_OBTUSE = -0.95  # cosine of the largest angle of a sliver
_SLIVER_SIDES = 2.0  # its longest side, by that of most triangles


@dataclass(frozen=True, eq=False)
class Places:
    """Q places that lie in triangles.

    Attributes:
        number: (Q,) which of the places that were asked for. corners: (3, Q) samples. weights: (3, Q), of sum 1.
        nearest, distance: (Q,) the nearest corner, and how many pixels away it is.
        sliver: (Q,) bool: the triangle spans a bay of the hull: its corners are far, though other samples may be near.
    """

    number: Ints
    corners: Ints
    weights: Floats
    nearest: Ints
    distance: Floats
    sliver: NDArray[np.bool_]


class Triangulation:
    """Of samples at pixels, no two at the same one.

    Args:
        rows, columns: (N,) pixels. size: (height, width) of the image.
        chosen: the samples that count, until `add` adds others; None: all.
    """

    def __init__(self, rows: Ints, columns: Ints, size: tuple[int, int], chosen: Ints | None = None) -> None:
        self._rows, self._columns, self._size = rows.astype(np.float32), columns.astype(np.float32), size
        height, width = size
        self._division = cv2.Subdiv2D((-4 * width, -4 * height, 9 * width, 9 * height))
        self._order = np.zeros(0, dtype=np.int64)
        self.add(np.arange(len(rows)) if chosen is None else chosen)

    def add(self, chosen: Ints) -> None:
        """Let more samples count."""
        rows, columns = self._rows[chosen], self._columns[chosen]
        order = self._winding(rows, columns)
        self._division.insert(np.stack((columns, rows), axis=1)[order])
        self._order = np.concatenate((self._order, chosen[order]))
        vars(self).pop("corners", None)

    def _winding(self, rows: NDArray[Any], columns: NDArray[Any]) -> Ints:
        """The order of a winding path, on which each place is found beside the one before: in a fifth of the time."""
        height, width = self._size
        cell = max(round(2 * (height * width / max(len(rows), 1)) ** 0.5), 1)
        band = rows.astype(np.int32) // cell
        along = columns.astype(np.int32)
        key = band * width + np.where(band % 2, width - 1 - along, along)
        if height // cell * width + width < 2**16:  # sorted by digits
            key = key.astype(np.uint16)
        return np.argsort(key, kind="stable")

    @cached_property
    def corners(self) -> Ints:
        """(3, T) samples of each triangle."""
        height, width = self._size
        found = np.asarray(self._division.getTriangleList(), dtype=np.float32).reshape(-1, 6).T.astype(np.int32)
        x, y = found[::2], found[1::2]
        # Those with a corner outside have one of the triangle around everything.
        inside = ((x >= 0) & (x < width) & (y >= 0) & (y < height)).all(axis=0)
        x, y = (of.compress(inside & ~_flat(x, y), axis=1) for of in (x, y))
        index = np.zeros(height * width, dtype=np.int64)
        at = self._rows[self._order] * width + self._columns[self._order]
        index[at.astype(np.int64)] = self._order
        corners: Ints = index.take(y * width + x)
        return corners

    def on_grid(self, step: int) -> Places:
        """Those of a grid: every `step`-th row and column, row after row, as far as the image goes."""
        height, width = ((side - 1) // step + 1 for side in self._size)
        label = self._filled(step, height, width)
        inside = np.flatnonzero(label >= 0)
        row = inside // width
        rows, columns = ((step * of).astype(np.float32) for of in (row, inside - row * width))
        number = label.take(inside)
        corners = self.corners.take(number, axis=1)
        return self._places(
            inside, corners, rows, columns, self._sliver(self.corners, self.long(self.corners)).take(number)
        )

    def _filled(self, step: int, height: int, width: int) -> NDArray[np.int32]:
        """(height * width,) which triangle each place of a grid is in, or -1.

        The upper and the lower half of each are filled row by row, from one side to the other.
        """
        x, y = (list(of.take(self.corners) / np.float32(step)) for of in (self._columns, self._rows))
        for a, b in ((0, 1), (1, 2), (0, 1)):  # by y
            swap = y[a] > y[b]
            x[a], x[b] = np.where(swap, x[b], x[a]), np.where(swap, x[a], x[b])
            y[a], y[b] = np.minimum(y[a], y[b]), np.maximum(y[a], y[b])
        (x0, x1, x2), (y0, y1, y2) = x, y
        whole, upper, lower = (
            (end - start) / np.maximum(run, np.float32(1e-9))
            for start, end, run in ((x0, x2, y2 - y0), (x0, x1, y1 - y0), (x1, x2, y2 - y1))
        )
        first, middle, end = np.ceil(y0), np.ceil(y1), np.floor(y2) + 1
        row = np.stack((first, middle), axis=1)  # (T, 2) of either half, and how many rows
        count = np.stack((middle - first, end - middle), axis=1).astype(np.int32).ravel()
        one = np.stack((x0 + whole * (first - y0), x0 + whole * (middle - y0)), axis=1)  # where its sides are there
        other = np.stack((x0 + upper * (first - y0), x1 + lower * (middle - y1)), axis=1)
        half = np.flatnonzero(count > 0)
        which, below = _spread(count[half])
        number = half.take(which)
        one = one.take(number) + np.stack((whole, whole), axis=1).take(number) * below
        other = other.take(number) + np.stack((upper, lower), axis=1).take(number) * below
        left = np.maximum(np.ceil(np.minimum(one, other) - _EDGE), 0).astype(np.int32)
        right = np.minimum(np.floor(np.maximum(one, other) + _EDGE), width - 1).astype(np.int32)
        count = right - left + 1
        some = np.flatnonzero(count > 0)
        place = ((row.astype(np.int32).take(number) + below) * width + left)[some]
        which, along = _spread(count[some])
        label = np.full(height * width, -1, dtype=np.int32)
        label[place.take(which) + along] = (number[some] >> 1).astype(np.int32).take(which)
        return label

    def around(self, rows: Ints, columns: Ints) -> tuple[Ints, Ints]:
        """Which of single pixels (Q,) without a sample lie in triangles, and (3, K) the corners of these."""
        sample = np.concatenate((np.zeros(_FIRST, dtype=np.int64), self._order))
        inside, corners, find = [], [], self._division
        locate, following, first, last = find.locate, find.getEdge, find.edgeOrg, find.edgeDst
        order = self._winding(rows, columns)
        for number, *place in zip(order.tolist(), columns[order].tolist(), rows[order].tolist(), strict=True):
            edge = locate(place)[1]
            ends = one, two, three = first(edge)[0], last(edge)[0], last(following(edge, _NEXT_LEFT))[0]
            if one >= _FIRST and two >= _FIRST and three >= _FIRST:
                inside.append(number)
                corners.append(ends)
        of = sample[np.array(corners, dtype=np.int64).reshape(-1, 3).T]
        whole = ~_flat(self._columns[of], self._rows[of])
        return np.array(inside, dtype=np.int64)[whole], of[:, whole]

    def places(self, number: Ints, corners: Ints, rows: Ints, columns: Ints, long: Floats | float) -> Places:
        """Pixels (Q,) in triangles of any of the samples; `long`: (Q,) or one, as of `long`, of these triangles."""
        return self._places(
            number, corners, rows.astype(np.float32), columns.astype(np.float32), self._sliver(corners, long)
        )

    def long(self, corners: Ints) -> float:
        """The square of the longest side that no triangle (3, T) but a few has, in pixels."""
        return _SLIVER_SIDES**2 * float(np.median(self._sides(corners).max(axis=0))) if corners.size else 0.0

    def _places(self, number: Ints, corners: Ints, rows: Floats, columns: Floats, sliver: NDArray[np.bool_]) -> Places:
        (x0, x1, x2), (y0, y1, y2) = ([of.take(corner) for corner in corners] for of in (self._columns, self._rows))
        x1, x2, y1, y2, x, y = x1 - x0, x2 - x0, y1 - y0, y2 - y0, columns - x0, rows - y0
        area = x1 * y2 - x2 * y1
        one, two = (x * y2 - x2 * y) / area, (x1 * y - x * y1) / area
        weights = np.clip(np.stack((1 - one - two, one, two)), 0, 1)
        away = x * x + y * y, (x - x1) ** 2 + (y - y1) ** 2, (x - x2) ** 2 + (y - y2) ** 2
        later = np.minimum(away[1], away[2])
        nearest = np.where(away[0] <= later, corners[0], np.where(away[1] <= away[2], *corners[1:]))
        distance = np.sqrt(np.minimum(away[0], later))
        return Places(number, corners, weights, nearest, distance, sliver)

    def _sliver(self, corners: Ints, long: Floats | float) -> NDArray[np.bool_]:
        """(Q,) which triangles span a bay of the hull.

        Where a lidar sees no farther, a curved line of samples is the hull's edge. Triangles across its bay join
        samples from far apart, though others of the line are near; so obtuse and long none is within the hull.
        """
        sides = self._sides(corners)
        found = sides.max(axis=0) > long
        chosen = np.flatnonzero(found)  # few
        sides = np.sort(sides[:, chosen], axis=0)
        found[chosen] = (sides[0] + sides[1] - sides[2]) / (2 * np.sqrt(sides[0] * sides[1])) < _OBTUSE
        return found

    def _sides(self, corners: Ints) -> Floats:
        """(3, T) squares of the lengths."""
        x, y = self._columns[corners], self._rows[corners]
        found: Floats = (x - x[[1, 2, 0]]) ** 2 + (y - y[[1, 2, 0]]) ** 2
        return found


def _spread(count: NDArray[np.int32]) -> tuple[Ints, NDArray[np.int32]]:
    """For each of so many, all positive, in turn: (S,) which one it belongs to, and (S,) how many of it are before."""
    end = np.cumsum(count)
    first = np.zeros(end[-1] if len(end) else 0, dtype=np.int8)
    first[end[:-1]] = 1
    which: Ints = np.cumsum(first, dtype=np.int64)
    return which, np.arange(len(first), dtype=np.int32) - (end - count).astype(np.int32).take(which)


def _flat(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
    """(T,) which triangles (3, T) are of three samples on one line: they surround nothing."""
    found: NDArray[np.bool_] = (x[1] - x[0]) * (y[2] - y[0]) == (x[2] - x[0]) * (y[1] - y[0])
    return found
