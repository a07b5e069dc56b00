# SPDX-License-Identifier: Apache-2.0
"""Dense depth from sparse samples alone, without any image or prediction: what the local correction must be worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.samples import Samples

Depth = NDArray[np.float32]

_FARTHEST_M = 100.0  # IP-Basic's max_depth: depths are turned round to 100 m - d, so that dilation favours the near
_EMPTY = 0.1  # IP-Basic's threshold between empty and known


def nearest_index(samples: Samples) -> NDArray[np.int64]:
    """(H, W): the nearest sample of each pixel, by a distance transform (5x5 mask, 2 % of the distance)."""
    sparse = np.ones(samples.size, dtype=np.uint8)
    sparse[samples.rows, samples.columns] = 0
    _, labels = cv2.distanceTransformWithLabels(sparse, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    of_label = np.zeros(len(samples) + 1, dtype=np.int64)
    of_label[labels[samples.rows, samples.columns]] = np.arange(len(samples))
    found: NDArray[np.int64] = of_label[labels]
    return found


def nearest(samples: Samples) -> Depth:
    """(H, W) metres: the depth of the nearest sample."""
    found: Depth = samples.depth[nearest_index(samples)]
    return found


@dataclass(frozen=True, eq=False)
class Triangulation:
    """Delaunay's of the samples: index (H, W, 3) of the corners of each pixel's triangle, and their weights, float32.

    Outside of the hull the nearest sample has all the weight, and everywhere where the samples lie on one line.
    """

    index: NDArray[np.int64]
    weight: Depth

    @classmethod
    def of(cls, samples: Samples) -> Triangulation:
        height, width = samples.size
        index = np.repeat(nearest_index(samples)[..., None], 3, axis=2)
        weight = np.zeros(index.shape, dtype=np.float32)
        weight[..., 0] = 1.0
        at = np.full(samples.size, -1, dtype=np.int64)
        at[samples.rows, samples.columns] = np.arange(len(samples))
        division = cv2.Subdiv2D((-4 * width, -4 * height, 9 * width, 9 * height))
        division.insert(np.stack((samples.columns, samples.rows), axis=1).astype(np.float32).tolist())
        corners = np.rint(division.getTriangleList()).astype(np.int32).reshape(-1, 3, 2)
        # Those with a corner outside have one of the triangle around everything.
        corners = corners[np.all((corners >= 0) & (corners < (width, height)), axis=(1, 2))]
        x, y = corners[..., 0].astype(np.float32), corners[..., 1].astype(np.float32)
        area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
        corners, x, y, area = (part[area != 0] for part in (corners, x, y, area))
        label = np.full(samples.size, -1, dtype=np.int32)
        for number, triangle in enumerate(corners):
            cv2.fillConvexPoly(label, triangle, number)
        v, u = np.nonzero(label >= 0)
        k = label[v, u]
        du, dv = u - x[k, 0], v - y[k, 0]
        b1 = (du * (y[k, 2] - y[k, 0]) - (x[k, 2] - x[k, 0]) * dv) / area[k]
        b2 = ((x[k, 1] - x[k, 0]) * dv - du * (y[k, 1] - y[k, 0])) / area[k]
        # Pixels that an edge was drawn through may lie up to one outside.
        weights = np.clip(np.stack((1 - b1 - b2, b1, b2), axis=1), 0, 1)
        index[v, u], weight[v, u] = at[corners[k, :, 1], corners[k, :, 0]], weights / weights.sum(axis=1, keepdims=True)
        return cls(index, weight)

    def interpolate(self, values: NDArray[np.floating[Any]]) -> Depth:
        """(H, W) of values (N,) at the samples."""
        found: Depth = np.einsum("hwk,hwk->hw", values[self.index], self.weight, dtype=np.float32)
        return found


def linear(samples: Samples) -> Depth:
    """(H, W) metres: planes over the Delaunay triangles of the samples; outside of them the nearest sample."""
    return Triangulation.of(samples).interpolate(samples.depth)


def ip_basic(samples: Samples) -> Depth:
    """(H, W) metres, in the way of IP-Basic (Ku, Harakeh and Waslander 2018, arXiv 1802.00036, section III).

    Diamond dilation 5, closing 5, filling 7, extension of columns to the top, filling 31, median 5, Gaussian 5, of
    depths turned round so that the near wins. It is made for 64 lidar lines: where samples are so sparse that holes are
    left, the filling by 31 is repeated until none is.
    """
    depth = np.zeros(samples.size, dtype=np.float32)
    depth[samples.rows, samples.columns] = _FARTHEST_M - np.minimum(samples.depth, _FARTHEST_M - 2 * _EMPTY)
    depth = cv2.dilate(depth, _diamond(5))
    depth = cv2.morphologyEx(depth, cv2.MORPH_CLOSE, _full(5))
    depth = _filled(depth, 7)
    known = depth > _EMPTY
    top = np.where(known.any(axis=0), known.argmax(axis=0), 0)
    above = np.arange(depth.shape[0])[:, None] < top[None]
    depth = np.where(above, depth[top, np.arange(depth.shape[1])][None], depth).astype(np.float32)
    while (depth <= _EMPTY).any():
        depth = _filled(depth, 31)
    depth = cv2.GaussianBlur(cv2.medianBlur(depth, 5), (5, 5), 0)
    found: Depth = np.asarray(_FARTHEST_M - depth, dtype=np.float32)
    return found


METHODS: dict[str, Callable[[Samples], Depth]] = {"nearest": nearest, "linear": linear, "IP-Basic": ip_basic}


def _filled(depth: Depth, size: int) -> Depth:
    dilated = cv2.dilate(depth, _full(size))
    filled: Depth = np.where(depth > _EMPTY, depth, dilated)
    return filled


def _full(size: int) -> NDArray[np.uint8]:
    return np.ones((size, size), dtype=np.uint8)


def _diamond(size: int) -> NDArray[np.uint8]:
    away = np.abs(np.arange(size) - size // 2)
    return (away[:, None] + away[None] <= size // 2).astype(np.uint8)
