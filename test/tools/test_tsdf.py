# SPDX-License-Identifier: Apache-2.0
"""Depth of a wall from several places becomes that wall, once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mono_depth_ros.frame import Frame
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.tsdf import TsdfMap

pytest.importorskip("open3d", reason="open3d is not installed")

STRAIGHT = Camera(160, 120, 130.0, 130.0, 80.0, 60.0)
BENT = Camera(160, 120, 130.0, 130.0, 80.0, 60.0, "plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0))
WALL_M = 2.0


def frame(camera=STRAIGHT, error=0.0, sigma=0.02, colour=(200, 100, 50)):
    """Of a wall across the optical axis, slanted by what its right side is farther."""
    x = rays(camera)[..., 0]
    depth = WALL_M / (1 - 0.3 * x) + error
    rgb = torch.tensor(colour, dtype=torch.uint8).expand(camera.height, camera.width, 3)
    prediction = DepthPrediction(depth, DepthKind.METRIC, uncertainty=torch.full_like(depth, sigma))
    return Frame(rgb.contiguous(), camera, prediction)


def pose(x):
    out = np.eye(4)
    out[0, 3] = x
    return out


def distance(points):
    """From the wall z = 2 m + 0.3 x."""
    return (points[:, 2] - 0.3 * points[:, 0] - WALL_M) / np.hypot(1, 0.3)


def fused(*frames, memory_mib=64.0, max_error=0.05):
    surface = TsdfMap(0.02, 5.0, max_error, memory_mib)
    for one in frames:
        surface.add(one, pose(0.0))
    return surface


@pytest.mark.parametrize("camera", [STRAIGHT, BENT])
def test_a_wall_is_where_it_is(camera):
    surface = TsdfMap(0.02, 5.0, 0.05, 64.0)
    for x in (0.0, 0.1, 0.2):
        seen = frame(camera)
        moved = seen.prediction.values * (1 + 0.3 * x / WALL_M)
        surface.add(replace(seen, prediction=replace(seen.prediction, values=moved)), pose(x))
    vertices, normals, colours, triangles = surface.surface()
    assert len(vertices) > 3000 and len(triangles) > 6000 and triangles.max() < len(vertices)
    assert np.abs(distance(vertices)).max() < 0.01
    assert np.mean(np.abs(normals @ [-0.3, 0, 1] / np.hypot(1, 0.3)) > 0.95) > 0.99
    assert np.abs(colours.astype(int) - (200, 100, 50)).max() <= 1


def test_what_is_known_better_counts_more():
    vertices, *_ = fused(frame(error=0.0, sigma=0.02), frame(error=0.1, sigma=0.1)).surface()
    # One over 1 + (sigma / voxel)^2 each: 1/2 and 1/26.
    expected = 0.1 / 26 / (1 / 2 + 1 / 26)
    assert np.median(vertices[:, 2] - 0.3 * vertices[:, 0]) - WALL_M == pytest.approx(expected, abs=0.004)


def test_what_is_not_known_well_enough_is_left_out():
    assert len(fused(frame(sigma=0.2)).surface()[0]) == 0
    assert len(fused(*[frame(sigma=0.2)] * 20).surface()[0]) > 3000  # by all of them together
    assert len(fused(frame(sigma=1.0), max_error=9.0).surface()[0]) == 0
    assert len(fused().surface()[0]) == 0


def test_a_full_map_takes_no_more():
    one = fused(frame(), memory_mib=16.0)
    assert not one.full
    few = fused(frame(), memory_mib=1.0)
    assert few.full and 0 < len(few.surface()[0]) < len(one.surface()[0])


def test_what_was_saved_goes_on(tmp_path):
    whole = fused(frame(), frame(error=0.03))
    half = fused(frame())
    half.save(tmp_path / "half.npz")
    other = TsdfMap(0.02, 5.0, 0.05, 64.0)
    other.restore(tmp_path / "half.npz")
    other.add(frame(error=0.03), pose(0.0))
    expected, found = (np.sort(one.surface()[0].round(5), axis=0) for one in (whole, other))
    np.testing.assert_array_equal(found, expected)
