# SPDX-License-Identifier: Apache-2.0
"""Points in the camera's frame to samples in its image: the nearest of each pixel, without what the camera misses."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.occlusion import line_window, occluded
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import project, rays

_DEFAULT = ReferenceConfig()


@dataclass(frozen=True)
class Counts:
    """What became of the points of one cloud: `points` is the sum of all the others."""

    points: int = 0
    kept: int = 0
    not_finite: int = 0
    behind: int = 0  # z <= 0
    outside: int = 0  # in front of the camera and outside the image
    out_of_limits: int = 0  # nearer than reference_min or farther than reference_max
    z_buffered: int = 0  # behind another point in the same pixel
    occluded: int = 0  # past the edge of something nearer

    def __str__(self) -> str:
        dropped = [(item.name.replace("_", " "), getattr(self, item.name)) for item in fields(self)[2:]]
        lost = ", ".join(f"{count} {name}" for name, count in dropped if count)
        return f"{self.kept} of {self.points} points" + (f" ({lost})" if lost else "")


@dataclass(frozen=True, eq=False)
class Projection:
    """The samples of a cloud in an image, and the count of what was dropped."""

    samples: Samples
    counts: Counts = field(default_factory=Counts)


def samples_from_points(
    points: NDArray[np.floating],
    camera: Camera,
    config: ReferenceConfig = _DEFAULT,
    group: NDArray[np.int64] | None = None,
    sigma: NDArray[np.float32] | None = None,
) -> Samples:
    """The samples of `project_points`.

    Raises:
        SamplesError: not one point is left; the sentence says where they went.
    """
    found = project_points(points, camera, config, group, sigma)
    if not len(found.samples):
        raise SamplesError(*why_none(found.counts))
    return found.samples


def project_points(
    points: NDArray[np.floating],
    camera: Camera,
    config: ReferenceConfig = _DEFAULT,
    group: NDArray[np.int64] | None = None,
    sigma: NDArray[np.float32] | None = None,
) -> Projection:
    """Project points through the lens of the image and keep those that the camera sees.

    Args:
        points: (N, 3) metres, in the camera's optical frame (x right, y down, z forward).
        camera: of the image at hand, with its distortion.
        group, sigma: (N,) of the points, as of `Samples`; `alignment.beams` finds groups where the sensor says none.

    Returns:
        At most one sample a pixel, in the order of pixels, and what became of the points. None may be left.

    Raises:
        SamplesError: `points` is not (N, 3).
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise SamplesError(f"points have shape {points.shape}, expected (N, 3)", "reference_shape")
    # Column by column and with compress: a boolean index of rows takes ten times as long.
    x, y, z = (np.ascontiguousarray(column, dtype=np.float32) for column in points.T)
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(x + y + z)
        front = finite & (z > 0)
        within = front & (z >= config.reference_min) & (z <= config.reference_max)
    total, n_finite, n_front = len(z), int(np.count_nonzero(finite)), int(np.count_nonzero(front))
    pixels, depth, chosen = _in_image(x.compress(within), y.compress(within), z.compress(within), camera)
    n_within = int(np.count_nonzero(within))
    image = np.full((camera.height, camera.width), np.inf, dtype=np.float32)
    order = np.argsort(-depth)  # of two assignments to one pixel the last one, the nearer, stays
    image.reshape(-1)[pixels[order]] = depth[order]
    rows, columns = np.nonzero(np.isfinite(image))
    samples = Samples(rows, columns, image[rows, columns], (camera.height, camera.width))
    if group is not None or sigma is not None:
        point = np.empty(image.size, dtype=np.int64)
        point[pixels[order]] = np.flatnonzero(within)[chosen[order]]
        point = point[samples.pixels]
        samples = replace(
            samples,
            group=None if group is None else group[point],
            sigma=None if sigma is None else sigma[point],
        )
    window = config.occlusion_window
    window = line_window(rows, columns, samples.group) if window < 0 else window
    hidden = occluded(image, rows, columns, window, config.occlusion_ratio)
    kept = samples.select(~hidden) if hidden.any() else samples
    counts = Counts(
        points=total,
        kept=len(kept),
        not_finite=total - n_finite,
        behind=n_finite - n_front,
        outside=n_within - len(depth),
        out_of_limits=n_front - n_within,
        z_buffered=len(depth) - len(samples),
        occluded=len(samples) - len(kept),
    )
    return Projection(kept, counts)


def why_none(counts: Counts) -> tuple[str, str]:
    """One sentence on why a cloud gave no sample, and its slug."""
    n, usable = counts.points, counts.points - counts.not_finite
    if n == 0:
        return "the reference has no points, expected at least one", "reference_empty"
    if usable == 0:
        return f"all {n} points of the reference are NaN or infinite, expected finite ones", "reference_not_finite"
    if counts.behind == usable:
        found = f"all {usable} points of the reference are behind the camera"
        return f"{found}: is cam_from_reference right (optical frame: z forward, x right, y down)?", "reference_behind"
    if counts.out_of_limits and not counts.outside:
        found = f"all {counts.out_of_limits} points in front of the camera are nearer than reference_min or farther"
        return f"{found} than reference_max: are they in metres?", "reference_limits"
    found = f"no point of the reference falls into the image: {counts}"
    return (
        f"{found}; is cam_from_reference right, and does the sensor look where the camera looks?",
        "reference_outside",
    )


def _in_image(
    x: NDArray[np.float32], y: NDArray[np.float32], z: NDArray[np.float32], camera: Camera
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Flat pixel, depth and index of the points (N,), z > 0, that fall into the image."""
    index = np.arange(len(z))
    x, y = x / z, y / z
    if camera.rectified:
        u, v = camera.fx * x + camera.cx, camera.fy * y + camera.cy
    else:
        # A good part of a cloud lies farther out than any ray of the image: it needs no distortion.
        near = x * x + y * y < _image_radius(camera) ** 2
        x, y, z, index = x.compress(near), y.compress(near), z.compress(near), index.compress(near)
        uv = project(torch.from_numpy(np.stack((x, y, np.ones_like(x)), axis=-1)), camera).numpy()
        u, v = uv[:, 0], uv[:, 1]
    with np.errstate(invalid="ignore"):
        inside = (u >= -0.5) & (u < camera.width - 0.5) & (v >= -0.5) & (v < camera.height - 0.5)
    columns = np.rint(u.compress(inside)).astype(np.int64)
    rows = np.rint(v.compress(inside)).astype(np.int64)
    return rows * camera.width + columns, z.compress(inside), index.compress(inside)


@lru_cache(maxsize=32)
def _image_radius(camera: Camera) -> float:
    """A radius hypot(x/z, y/z) beyond which nothing is in the image: that of its outermost ray, and a little more."""
    radius = torch.linalg.vector_norm(rays(camera), dim=-1)
    if bool(torch.isnan(radius).any()):  # it sees as far as the lens model goes, or its rays were not found
        return math.inf
    return 1.05 * float(radius.max()) + 0.01
