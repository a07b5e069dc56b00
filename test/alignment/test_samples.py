# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.alignment.projected_points import project_points
from mono_depth_ros.alignment.reference_depth import samples_from_reference_depth
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.stereo import stereo_sigma
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera

CAMERA = Camera(64, 48, 50.0, 50.0, 31.5, 23.5)
ALL = ReferenceConfig(occlusion_window=0)


def test_group_and_sigma_go_with_their_sample() -> None:
    n, sigma = 20, np.full(20, 0.1, dtype=np.float32)
    samples = Samples(
        np.arange(n),
        np.arange(n),
        np.linspace(1, 2, n).astype(np.float32),
        (48, 64),
        np.arange(n) % 3,
        sigma,
    )
    for part in (samples.select(np.arange(n) > 7), *samples.split(0.5, 1), samples.thinned(10)):
        assert part.group is not None and part.sigma is not None
        assert np.array_equal(part.group, part.rows % 3) and len(part.sigma) == len(part)
    with pytest.raises(DataError, match="group of samples has shape"):
        Samples(samples.rows, samples.columns, samples.depth, (48, 64), np.zeros(3, dtype=np.int64))


@pytest.mark.parametrize("window", [0, 9])
def test_points_keep_theirs_through_lens_z_buffer_and_edges(window: int) -> None:
    """Each point's group is its depth in centimetres: whatever is dropped, they still go together."""
    rng = np.random.default_rng(0)
    z = np.round(rng.uniform(0.1, 5.0, 3000), 2)
    points = np.stack((rng.uniform(-2, 2, 3000), rng.uniform(-2, 2, 3000), z), axis=1)
    points[::9] = np.nan
    for camera in (CAMERA, Camera(64, 48, 50.0, 50.0, 31.5, 23.5, "plumb_bob", (-0.1, 0.01, 0.0, 0.0, 0.0))):
        group, sigma = np.rint(100 * z).astype(np.int64), (z / 10).astype(np.float32)
        found = project_points(points, camera, ReferenceConfig(occlusion_window=window), group, sigma)
        assert found.counts.z_buffered and found.samples.group is not None and found.samples.sigma is not None
        assert bool(found.counts.occluded) == (window > 0)
        np.testing.assert_array_equal(found.samples.group, np.rint(100 * found.samples.depth))
        np.testing.assert_allclose(found.samples.sigma, found.samples.depth / 10, rtol=1e-5)


@pytest.mark.parametrize("turned", [None, np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0])])
def test_a_depth_image_keeps_its_sigma(turned: np.ndarray | None) -> None:
    depth = np.random.default_rng(1).uniform(1, 5, (48, 64)).astype(np.float32)
    sigma = stereo_sigma(depth, 50.0, 0.1)
    assert sigma[0, 0] == pytest.approx(0.25 * depth[0, 0] ** 2 / 5.0), "a quarter of a pixel: z^2 / (f b) * 0.25"
    found = samples_from_reference_depth(depth, CAMERA, CAMERA, turned, ALL, sigma)
    assert found.sigma is not None
    np.testing.assert_allclose(found.sigma, stereo_sigma(found.depth, 50.0, 0.1), rtol=1e-5)
