# SPDX-License-Identifier: Apache-2.0
"""One frame that a network learns from or is judged by: image, camera, and what is known of its depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import pixel_rays, project

Floats = NDArray[np.float32]

MAX_AREA = 640 * 480
"""Pixels of a frame that is kept: the networks read smaller ones."""

DENSE = 0.1
"""Of the pixels: a reference that knows more of them is kept as a map, one that knows fewer as points."""

_USUAL = 0.05  # sigma / depth at which a sample counts half


@dataclass(frozen=True, eq=False)
class Example:
    """A frame.

    Attributes:
        name: for people. source: which recording or sequence it is of. index: in that. stamp_s: by its clock.
        rgb: (H, W, 3) uint8. camera: of it, with its distortion.
        points: (N, 3) float32 metres in the camera's optical frame that the reference knows. weight: (N,) of each.
        dense: (H, W) floating point metres along the optical axis, NaN unknown, +inf sky; or None.
        dense_weight: how much `dense` counts: 1 where it was measured, less where it was inferred.
    """

    name: str
    source: str
    index: int
    stamp_s: float
    rgb: NDArray[np.uint8]
    camera: Camera
    points: Floats
    weight: Floats
    dense: NDArray[np.floating] | None = None
    dense_weight: float = 1.0

    @property
    def known(self) -> int:
        """How many depths are known, without those that were inferred."""
        measured = self.dense is not None and not len(self.points)
        return int(np.isfinite(self.dense).sum()) if measured and self.dense is not None else len(self.points)

    def depth_map(self) -> Floats:
        """(H, W) metres where the reference knows them, NaN elsewhere; of several points in a pixel the nearest."""
        if not len(self.points):
            assert self.dense is not None
            return self.dense.astype(np.float32)
        return scattered(self.points, self.weight, self.camera)[0]


def make_example(
    name: str,
    source: str,
    index: int,
    stamp_s: float,
    rgb: NDArray[np.uint8],
    camera: Camera,
    samples: Samples,
) -> Example:
    """An example of an image and its samples, at most `MAX_AREA` large.

    Args:
        rgb: (H, W, 3) uint8. samples: of this image; with a standard deviation that is large they weigh less.
    """
    height, width = rgb.shape[:2]
    empty = np.empty((0, 3), np.float32)
    small, small_camera = reduced(rgb, camera)
    base = Example(name, source, index, stamp_s, small, small_camera, empty, empty[:, 0])
    if len(samples) > DENSE * width * height:
        depth = np.full((height, width), np.nan, np.float32)
        depth[samples.rows, samples.columns] = samples.depth
        if small.shape != rgb.shape:
            depth = cv2.resize(depth, small.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return replace(base, dense=depth)
    pixels = torch.from_numpy(np.stack((samples.columns, samples.rows), axis=1).astype(np.float64))
    directions = pixel_rays(pixels, camera).numpy()
    z = samples.depth[:, None].astype(np.float64)
    points = np.concatenate((directions * z, z), axis=1).astype(np.float32)
    weight = np.ones(len(samples), np.float32) if samples.weight is None else samples.weight.astype(np.float32)
    if samples.sigma is not None:
        weight = weight / (1 + (samples.sigma / samples.depth / _USUAL) ** 2)
    seen = np.isfinite(points).all(axis=1)
    return replace(base, points=points[seen], weight=weight[seen].astype(np.float32))


def reduced(rgb: NDArray[np.uint8], camera: Camera) -> tuple[NDArray[np.uint8], Camera]:
    """An image and its camera, averaged down where they have more pixels than `MAX_AREA`."""
    height, width = rgb.shape[:2]
    if width * height <= MAX_AREA:
        return rgb, camera
    factor = (MAX_AREA / (width * height)) ** 0.5
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return small, camera.resized(*size)


def scattered(points: Floats, weight: Floats, camera: Camera) -> tuple[Floats, Floats]:
    """(H, W) metres and (H, W) weights of points (N, 3) at the pixels of a camera; NaN and 0 where there is none."""
    depth = np.full((camera.height, camera.width), np.nan, np.float32)
    weights = np.zeros_like(depth)
    if camera.rectified:
        with np.errstate(divide="ignore", invalid="ignore"):
            u = camera.fx * points[:, 0] / points[:, 2] + camera.cx
            v = camera.fy * points[:, 1] / points[:, 2] + camera.cy
    else:
        u, v = project(torch.from_numpy(points), camera).numpy().T
    with np.errstate(invalid="ignore"):
        inside = (points[:, 2] > 0) & (u > -0.5) & (u < camera.width - 0.5) & (v > -0.5) & (v < camera.height - 0.5)
    rows, columns = np.rint(v[inside]).astype(np.int64), np.rint(u[inside]).astype(np.int64)
    z, own = points[inside, 2], weight[inside]
    order = np.argsort(-z, kind="stable")  # of two at a pixel the nearer is written last
    depth[rows[order], columns[order]] = z[order]
    weights[rows[order], columns[order]] = own[order]
    return depth, weights
