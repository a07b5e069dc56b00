# SPDX-License-Identifier: Apache-2.0
"""The cache of a compiled kernel knows the sources it was made of; without a place for a cache it still compiles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.world import World, kernels
from mono_depth_ros.world.shading import shade


def test_stamp_of_the_cache_holds_the_digest_of_the_kernels():
    assert kernels._digest() in shade._cache._cache_file._source_stamp


def test_without_a_cache_folder_a_kernel_still_computes(monkeypatch, caplog):
    real = kernels.njit

    def no_locator(cache: bool = False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(kernels, "njit", no_locator)

    @kernels.kernel()
    def double(x):
        return 2 * x

    assert double(21) == 42
    assert "no folder to cache double" in caplog.text


def test_two_threads_may_render_at_once():
    world, camera = World.generate("room", 1), Camera.from_fov((64, 48), 70.0)
    poses = [world.path().pose(0.2 * k) for k in range(12)]
    alone = [world.render(camera, pose).depth for pose in poses]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pose: world.render(camera, pose).depth, poses))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)
