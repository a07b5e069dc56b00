# SPDX-License-Identifier: Apache-2.0
"""The parts that obstacles are found by: floor, evidence, voxels, view."""

import math

import numpy as np
import pytest
from scenes import CAMERA, LEVEL

from mono_depth_ros.obstacles.evidence import evident
from mono_depth_ros.obstacles.floor import RING_M, follow_floor
from mono_depth_ros.obstacles.flying import flying_pixels
from mono_depth_ros.obstacles.view import obstacle_view
from mono_depth_ros.obstacles.voxels import thinned

RINGS, SECTORS = 30, 5


def _followed(heights: np.ndarray, eye: float = 1.0, slope_deg: float = 10.0) -> np.ndarray:
    """The floor of (SECTORS, RINGS, N) heights of points, NaN for none."""
    sector, ring, _ = np.indices(heights.shape)
    seen = np.isfinite(heights)
    run = ((ring + 0.5) * RING_M).astype(np.float32)[seen]
    cell = (sector * RINGS + ring).astype(np.int32)[seen]
    slope = math.tan(math.radians(slope_deg))
    return follow_floor(heights.astype(np.float32)[seen], run, cell, SECTORS, RINGS, eye, slope)


def test_a_floor_that_a_wrong_scale_lifts_is_followed() -> None:
    heights = np.full((SECTORS, RINGS, 3), 0.14)
    heights[:, :10] = np.nan
    assert np.allclose(_followed(heights, eye=1.5)[:, 10:], 0.14)


def test_the_floor_of_the_robot_is_met_again_after_a_bad_beginning() -> None:
    heights = np.zeros((SECTORS, RINGS, 3))
    heights[:, :5], heights[:, 5:10] = np.nan, -0.12
    floor = _followed(heights, slope_deg=1.0)
    assert np.allclose(floor[:, 5:10], -0.12) and np.allclose(floor[:, 10:], 0.0)


def test_a_single_pixel_that_is_too_low_is_no_floor() -> None:
    heights = np.zeros((SECTORS, RINGS, 3))
    heights[2, 12, 0] = -0.08
    assert np.allclose(_followed(heights, slope_deg=30.0), 0.0)


def test_a_table_is_no_floor() -> None:
    heights = np.zeros((SECTORS, RINGS, 3))
    heights[:, 15:20] = 0.7
    assert np.allclose(_followed(heights), 0.0)


def _stays(error: float | None, run: float, count: int = 10) -> bool:
    """Do 10 pixels at `run` stay before 1000 at 3 m?"""
    runs = np.r_[np.full(count, run), np.full(1000, 3.0)].astype(np.float32)
    errors = None if error is None else np.full(len(runs), error, np.float32)
    stays = evident(runs, np.zeros(len(runs), np.int32), 1, np.full(len(runs), 1e-4, np.float32), errors)
    assert stays[count:].all()
    assert len(set(stays[:count].tolist())) == 1
    return bool(stays[0])


def test_few_pixels_yield_to_many_within_their_error() -> None:
    assert not _stays(0.05, 2.8)
    assert _stays(0.05, 2.0)
    assert _stays(0.005, 2.7)
    assert _stays(None, 2.7)
    assert not _stays(None, 2.86)
    assert _stays(0.05, 2.8, count=900)
    assert evident(np.zeros(0, np.float32), np.zeros(0, np.int32), 1, np.zeros(0, np.float32), None).shape == (0,)


def test_voxels_have_the_mean_of_their_points_and_specks_have_none() -> None:
    cube = np.array([[0.01, 0.01, 0.01], [0.03, 0.02, 0.01], [0.02, 0.03, 0.01]], np.float32)
    beside, alone = np.array([[0.06, 0.01, 0.01]], np.float32), np.array([[-1.0, 2.0, 0.5]], np.float32)
    means, stays = thinned(np.concatenate((cube, alone, beside)), 0.05, 3)
    assert stays.tolist() == [True, True, True, False, True]
    assert np.allclose(means[np.argsort(means[:, 0])], np.stack((cube.mean(axis=0), beside[0])), atol=1e-6)
    assert means.dtype == np.float32 and means.flags.c_contiguous
    assert thinned(np.zeros((0, 3), np.float32), 0.05, 3)[0].shape == (0, 3)


def test_planes_have_no_flying_pixels_and_smeared_jumps_have() -> None:
    grazing = np.tile(np.linspace(0.1, 1.0, 12, dtype=np.float32), (8, 1))
    assert not flying_pixels(grazing).any() and not flying_pixels(np.ascontiguousarray(grazing.T)).any()
    jump = np.array([1.0, 1.0, 0.95, 0.7, 0.4, 0.27, 0.25, 0.25], np.float32)
    for image in (np.tile(jump, (8, 1)), np.tile(jump[:, None], (1, 8))):
        assert flying_pixels(image).sum() == 8 * 4
    sharp = np.tile(np.array([1, 1, 1, 0.25, 0.25, 1, 0.25, 0.25], np.float32), (8, 1))
    assert not flying_pixels(sharp).any()


@pytest.mark.parametrize("yaw", [0.0, 180.0])
def test_a_view_has_a_sector_for_each_degree_whichever_way_it_looks(yaw: float) -> None:
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    turned = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ LEVEL
    assert obstacle_view(CAMERA, turned).sectors == 70
