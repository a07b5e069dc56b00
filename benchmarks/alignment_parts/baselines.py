# SPDX-License-Identifier: Apache-2.0
"""Dense depth from sparse samples alone, without any image or prediction: what the local correction must be worth."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.samples import Samples

Depth = NDArray[np.float32]

_FARTHEST_M = 100.0  # IP-Basic's max_depth: depths are turned round to 100 m - d, so that dilation favours the near
_EMPTY = 0.1  # IP-Basic's threshold between empty and known


def nearest(samples: Samples) -> Depth:
    """(H, W) metres: the depth of the nearest sample, by a distance transform (5x5 mask, 2 % of the distance)."""
    sparse = np.ones(samples.size, dtype=np.uint8)
    sparse[samples.rows, samples.columns] = 0
    _, labels = cv2.distanceTransformWithLabels(sparse, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    of_label = np.zeros(len(samples) + 1, dtype=np.float32)
    of_label[labels[samples.rows, samples.columns]] = samples.depth
    found: Depth = of_label[labels]
    return found


def linear(samples: Samples) -> Depth:
    """(H, W) metres: planes over the Delaunay triangles of the samples; outside of them the nearest sample."""
    height, width = samples.size
    image = np.full(samples.size, np.nan, dtype=np.float64)
    image[samples.rows, samples.columns] = samples.depth
    found = nearest(samples).astype(np.float64)
    division = cv2.Subdiv2D((-1, -1, width + 2, height + 2))
    division.insert(np.stack((samples.columns, samples.rows), axis=1).astype(np.float32).tolist())
    for corners in np.rint(division.getTriangleList()).astype(np.int64).reshape(-1, 3, 2):
        x, y = corners[:, 0], corners[:, 1]
        if x.min() < 0 or y.min() < 0 or x.max() >= width or y.max() >= height:
            continue  # with a corner of the triangle around everything
        area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
        if not area:
            continue
        v, u = np.mgrid[y.min() : y.max() + 1, x.min() : x.max() + 1]
        b1 = ((u - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (v - y[0])) / area
        b2 = ((x[1] - x[0]) * (v - y[0]) - (u - x[0]) * (y[1] - y[0])) / area
        d0, d1, d2 = image[y, x]
        inside = (b1 >= -1e-9) & (b2 >= -1e-9) & (b1 + b2 <= 1 + 1e-9)
        found[v[inside], u[inside]] = (d0 + b1 * (d1 - d0) + b2 * (d2 - d0))[inside]
    return found.astype(np.float32)


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
