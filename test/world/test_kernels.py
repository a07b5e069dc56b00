# SPDX-License-Identifier: Apache-2.0
"""The cache of a compiled kernel knows the sources of the whole room."""

from __future__ import annotations

from mono_depth_ros.world import kernels
from mono_depth_ros.world.shading import shade


def test_stamp_of_the_cache_holds_the_digest_of_the_room():
    assert kernels._digest() in shade._cache._cache_file._source_stamp


def test_a_kernel_computes():
    @kernels.kernel()
    def double(x):
        return 2 * x

    assert double(21) == 42
