# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.tools.eval.aligning import align, check, disparity

METRIC, RELATIVE = DepthKind.METRIC, DepthKind.INVERSE_AFFINE


@pytest.fixture
def truth():
    return np.random.default_rng(3).uniform(1.0, 9.0, (6, 8))


def everywhere(truth):
    return np.ones(truth.shape, bool)


def test_none_leaves_a_prediction_as_it_is(truth):
    found = align(truth * 3, METRIC, truth, everywhere(truth), "none")
    np.testing.assert_array_equal(found.depth, truth * 3)
    assert (found.scale, found.shift) == (1.0, 0.0)


def test_a_planted_scale_and_shift_of_depth_are_found_and_what_is_behind_the_camera_counts_as_at_it(truth):
    values = (truth - 5) / 7
    values[0, 0], values[0, 1] = -5.0, np.inf
    mask = everywhere(truth)
    mask[0, :2] = False
    found = align(values, DepthKind.AFFINE, truth, mask, "affine")
    np.testing.assert_allclose(found.depth[mask], truth[mask], rtol=1e-9)
    assert (found.scale, found.shift) == (pytest.approx(7.0), pytest.approx(5.0))
    assert found.depth[0, 0] == 1e-3 and np.isposinf(found.depth[0, 1])


@pytest.mark.parametrize("how", ["median", "scale", "affine", "affine_inverse"])
def test_a_planted_scale_is_found(truth, how):
    found = align(truth / 4, METRIC, truth, everywhere(truth), how)
    np.testing.assert_allclose(found.depth, truth, rtol=1e-12)
    assert found.scale == pytest.approx(0.25 if how == "affine_inverse" else 4.0, rel=1e-12)


def test_median_is_that_of_the_pixels_that_count():
    truth, values = np.array([[2.0, 4.0, 100.0]]), np.array([[1.0, 1.0, 5.0]])
    assert align(values, METRIC, truth, np.array([[True, True, False]]), "median").scale == 3.0


def test_scale_is_the_geometric_mean_of_the_ratios():
    truth, values = np.array([[2.0, 8.0]]), np.array([[1.0, 1.0]])
    assert align(values, METRIC, truth, everywhere(truth), "scale").scale == pytest.approx(4.0, rel=1e-12)


def test_a_planted_scale_and_shift_of_inverse_depth_are_found(truth):
    values = (1 / truth - 0.05) / 7
    found = align(values, RELATIVE, truth, everywhere(truth), "affine_inverse")
    np.testing.assert_allclose(found.depth, truth, rtol=1e-9)
    assert (found.scale, found.shift) == (pytest.approx(7.0), pytest.approx(0.05))


def test_what_is_behind_infinity_is_beyond_range_and_unknown_stays_unknown(truth):
    values = (1 / truth - 0.05) / 7
    values[0, :2] = -1.0, np.nan
    mask = everywhere(truth)
    mask[0, :2] = False
    depth = align(values, RELATIVE, truth, mask, "affine_inverse").depth
    assert np.isposinf(depth[0, 0]) and np.isnan(depth[0, 1])
    depth = align(values, RELATIVE, truth, mask, "affine_inverse", 8.0).depth
    assert depth[0, 0] == 8.0 and np.isnan(depth[0, 1]) and np.nanmax(depth) == 8.0


def test_what_fixes_no_scale_is_an_error(truth):
    flat = np.full(truth.shape, 2.0)
    with pytest.raises(DataError, match="two distinct predictions: found 48 comparable pixels, equal"):
        align(flat, METRIC, truth, everywhere(truth), "affine_inverse")
    for how in ("median", "scale"):
        with pytest.raises(DataError, match="no pixel to scale by"):
            align(flat * np.nan, METRIC, truth, everywhere(truth), how)


def test_a_relative_model_has_no_metres():
    for how in ("none", "median", "scale"):
        with pytest.raises(ConfigError, match=f"m gives relative inverse depth.*--align {how}, expected affine_inve"):
            check(how, RELATIVE, "m")
        check(how, METRIC, "m")
    check("affine_inverse", RELATIVE, "m")
    check("affine", DepthKind.AFFINE, "m")
    for how in ("median", "scale", "affine", "affine_inverse"):
        check(how, DepthKind.SCALE, "m")
    with pytest.raises(
        ConfigError, match="m gives relative depth, which has no metres: found --align scale, expected affine"
    ):
        check("scale", DepthKind.AFFINE, "m")
    with pytest.raises(ConfigError, match="found --align none, expected median or scale or affine or affine_inverse"):
        check("none", DepthKind.SCALE, "m")


def test_disparity_of_sky_is_zero_and_of_unknown_unknown():
    values = np.array([2.0, np.inf, np.nan])
    np.testing.assert_array_equal(disparity(values, METRIC), [0.5, 0.0, np.nan])
    np.testing.assert_array_equal(disparity(values, DepthKind.SCALE), [0.5, 0.0, np.nan])
    np.testing.assert_array_equal(disparity(values, RELATIVE), [2.0, np.nan, np.nan])
