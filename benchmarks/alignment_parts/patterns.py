# SPDX-License-Identifier: Apache-2.0
"""Where sensors have their samples: what the product is given of a frame, through the same functions as a user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from alignment_parts.scenes import Scene
from mono_depth_ros.alignment.reference import as_samples
from mono_depth_ros.alignment.reference_depth import samples_from_reference_depth
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.alignment.stereo import stereo_depth
from mono_depth_ros.config import ReferenceConfig

Pattern = Callable[[Scene, np.random.Generator], Samples]

ELEVATIONS_DEG = np.arange(-15.0, 16.0, 2.0)  # of 16 beams, as the VLP-16 has them
AZIMUTH_DEG = 0.2
SCAN_DEG = 0.33


def random_points(count: int) -> Pattern:
    """Anywhere, all pixels with truth alike likely."""
    return lambda scene, rng: _drawn(samples_from_depth(scene.truth), count, rng)


def left_third(scene: Scene, rng: np.random.Generator) -> Samples:
    """500 points, none of them in the other two thirds."""
    known = samples_from_depth(scene.truth)
    return _drawn(known.select(known.columns < scene.camera.width // 3), 500, rng)


def beams(count: int) -> Pattern:
    """Every n-th of the 64 beams of the lidar that gave the truth, beginning with another in each draw."""

    def given(scene: Scene, rng: np.random.Generator) -> Samples:
        assert scene.cloud is not None and scene.beams is not None
        every = 64 // count
        points = scene.cloud[scene.beams % every == rng.integers(every)]
        return as_samples(points, scene.truth.shape, scene.camera, cam_from_lidar=scene.cam_from_lidar)

    return given


def sixteen_beams(scene: Scene, _: np.random.Generator) -> Samples:
    """16 beams, 2 degrees apart, from the place of the camera; column after column, as a lidar fires."""
    return _looked_at(scene, ELEVATIONS_DEG, AZIMUTH_DEG)


def scan_line(scene: Scene, _: np.random.Generator) -> Samples:
    """One level line, of a laser scanner."""
    return _looked_at(scene, np.zeros(1), SCAN_DEG)


def stereo(scene: Scene, _: np.random.Generator) -> Samples:
    """The pair, matched and thinned as the node does."""
    assert scene.right is not None
    found = stereo_depth(scene.rgb, scene.right, scene.camera, scene.baseline_m, shift_px=scene.offset_px)
    samples = samples_from_reference_depth(
        found.depth, found.camera, scene.camera, np.eye(4), ReferenceConfig(), found.sigma
    )
    return samples.thinned(ReferenceConfig().reference_samples)


PATTERNS: dict[str, Pattern] = {
    "50 points": random_points(50),
    "500 points": random_points(500),
    "5000 points": random_points(5000),
    "32 beams": beams(32),
    "16 beams": beams(16),
    "8 beams": beams(8),
    "16-beam pattern": sixteen_beams,
    "scan line": scan_line,
    "left third": left_third,
    "stereo": stereo,
}
DRAWS = {"50 points": 6, "500 points": 3, "left third": 3, "32 beams": 2, "16 beams": 4, "8 beams": 4}
"""Choices of samples in each frame, where not 1: few points are luck."""


def possible(name: str, scene: Scene) -> bool:
    """Whether the frame has what the pattern needs."""
    if name in ("32 beams", "16 beams", "8 beams"):
        return scene.cloud is not None
    if name in ("16-beam pattern", "scan line"):
        return scene.cloud is None
    return name != "stereo" or scene.right is not None


def with_outliers(samples: Samples, share: float, cluster: bool, rng: np.random.Generator) -> Samples:
    """A share of the samples made wrong.

    Isolated ones have any depth from half the nearest to 1.5 times the farthest; a cluster is those around one sample,
    all at half or all at twice their depth.
    """
    depth, count = samples.depth.copy(), round(share * len(samples))
    if cluster:
        centre = rng.integers(len(samples))
        apart = np.hypot(samples.rows - samples.rows[centre], samples.columns - samples.columns[centre])
        depth[np.argsort(apart, kind="stable")[:count]] *= rng.choice((0.5, 2.0))
    else:
        low, high = np.percentile(depth, (1, 99))
        depth[rng.permutation(len(samples))[:count]] = rng.uniform(0.5 * low, 1.5 * high, count)
    return replace(samples, depth=depth.astype(np.float32))


def _drawn(known: Samples, count: int, rng: np.random.Generator) -> Samples:
    chosen = np.sort(rng.choice(len(known), min(count, len(known)), replace=False))
    return known.select(chosen)


def _looked_at(scene: Scene, elevations_deg: NDArray[np.float64], step_deg: float) -> Samples:
    camera = scene.camera
    azimuth = np.radians(np.arange(-80.0, 80.0, step_deg))[:, None]
    elevation = np.radians(elevations_deg)[None]
    x, y = np.tan(azimuth) + 0 * elevation, -np.tan(elevation) / np.cos(azimuth)
    columns = np.rint(camera.fx * x + camera.cx).astype(int)
    rows = np.rint(camera.fy * y + camera.cy).astype(int)
    inside = (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height)
    z = scene.truth[rows[inside], columns[inside]]
    points = np.stack((x[inside] * z, y[inside] * z, z), axis=1)[np.isfinite(z)]
    return as_samples(points.astype(np.float32), scene.truth.shape, camera, cam_from_lidar=np.eye(4))
