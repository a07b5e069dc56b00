# SPDX-License-Identifier: Apache-2.0
"""Planted scale and shift, with outliers, too few samples and such that fix nothing."""

from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.alignment.fit import fit_curve, inverse_gain
from mono_depth_ros.alignment.result import Curve, as_prediction
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import ConfigError, FitError
from mono_depth_ros.prediction import DepthKind

RELATIVE, METRIC = DepthKind.INVERSE_AFFINE, DepthKind.METRIC
SCALE, SHIFT = 0.013, 0.04


def planted(count: int, seed: int, outliers: float = 0.3, noise: float = 0.0):
    """(x, d) with 1/d = SHIFT + SCALE * x, exactly the given part of d replaced by anything."""
    rng = np.random.default_rng(seed)
    z = np.exp(rng.uniform(np.log(0.5), np.log(20), count))
    x = (1 / z - SHIFT) / SCALE
    d = z * np.exp(noise * rng.normal(size=count))
    wrong = rng.permutation(count)[: int(outliers * count)]
    d[wrong] = rng.uniform(0.3, 40, len(wrong))
    return x.astype(np.float32), d.astype(np.float32)


@pytest.mark.parametrize(("count", "within"), [(200, 0.005), (40, 0.02)])
def test_planted_scale_and_shift_with_a_third_of_outliers(count, within):
    for seed in range(50):
        fit = fit_curve(*planted(count, seed), RELATIVE, AlignConfig(seed=seed))
        assert fit.curve is Curve.INVERSE and fit.count == count
        assert fit.scale == pytest.approx(SCALE, rel=within) and fit.shift == pytest.approx(SHIFT, rel=within)
        assert 0.6 <= fit.inliers <= 0.8


def test_plain_least_squares_fails_at_that():
    wrong = [
        fit_curve(*planted(200, seed), RELATIVE, AlignConfig(method="lstsq")).scale / SCALE - 1 for seed in range(20)
    ]
    assert np.median(np.abs(wrong)) > 0.1


def test_without_outliers_both_methods_are_exact():
    for method in ("robust", "lstsq"):
        fit = fit_curve(*planted(500, 1, outliers=0), RELATIVE, AlignConfig(method=method))
        assert fit.scale == pytest.approx(SCALE, rel=1e-5) and fit.shift == pytest.approx(SHIFT, rel=1e-5)


def test_the_covariance_says_how_far_off_the_scale_is():
    fits = [fit_curve(*planted(300, seed, noise=0.05), RELATIVE, AlignConfig(seed=seed)) for seed in range(200)]
    off = np.array([(fit.scale - SCALE) / np.sqrt(fit.covariance[0, 0]) for fit in fits])
    assert abs(off.mean()) < 0.3 and 0.7 < off.std() < 1.4


@pytest.mark.parametrize("outliers", [0.0, 0.4])
def test_metric_predictions_have_a_scale_alone(outliers):
    _, d = planted(200, 3, outliers=0)
    p = d / 1.25
    wrong = np.random.default_rng(0).permutation(200)[: int(200 * outliers)]
    d[wrong] *= 3
    fit = fit_curve(p, d, METRIC, AlignConfig())
    assert (fit.curve, fit.shift) == (Curve.SCALE, 0.0) and fit.scale == pytest.approx(1.25, rel=1e-3)
    assert fit.inliers == pytest.approx(1 - outliers, abs=0.01)


def test_metric_predictions_in_log_and_in_inverse_depth():
    _, d = planted(300, 4, outliers=0)
    fit = fit_curve(np.exp((np.log(d) - 0.2) / 0.9), d, METRIC, AlignConfig(curve="log"))
    assert fit.scale == pytest.approx(0.9, rel=1e-4) and fit.shift == pytest.approx(0.2, rel=1e-3)
    fit = fit_curve(1 / ((1 / d - 0.01) / 1.1), d, METRIC, AlignConfig(curve="inverse"))
    assert fit.scale == pytest.approx(1.1, rel=1e-4) and fit.shift == pytest.approx(0.01, rel=1e-3)


def depth_and_metric(kind: str, count: int = 300, seed: int = 4, noise: float = 0.1):
    """(p, d) of a prediction that errs by a factor, or by a line in inverse depth."""
    rng = np.random.default_rng(seed)
    d = np.exp(rng.uniform(np.log(0.5), np.log(10), count))
    exact = d / 1.25 if kind == "scale" else 1.1 / (1 / d - 0.05)
    return exact * np.exp(noise * rng.normal(size=count)), d


def test_the_best_curve_is_the_one_that_tells_samples_held_out():
    best = AlignConfig(curve="best")
    for seed in range(10):
        assert fit_curve(*depth_and_metric("scale", seed=seed), METRIC, best).curve is Curve.SCALE
        fit = fit_curve(*depth_and_metric("inverse", seed=seed), METRIC, best)
        assert fit.curve is Curve.INVERSE and not fit.note and np.isfinite(fit.far)
    assert fit_curve(*planted(300, 0), RELATIVE, best).curve is Curve.INVERSE
    flat = np.full(300, 2.0), np.linspace(1, 5, 300)
    fit = fit_curve(*flat, METRIC, best)
    assert fit.curve is Curve.SCALE and not fit.note


def test_few_samples_choose_no_curve():
    assert fit_curve(*depth_and_metric("inverse", 25, noise=0), METRIC, AlignConfig(curve="best")).curve is Curve.SCALE
    one = AlignConfig(curve="best", min_samples=1)
    assert fit_curve(np.array([2.0]), np.array([3.0]), METRIC, one).scale == pytest.approx(1.5)


def test_what_a_curve_gains():
    p, d = depth_and_metric("inverse", 3000)
    config, weight = AlignConfig(), np.ones(len(d))
    assert inverse_gain(p, d, config) == inverse_gain(p, d, config, weight) > 0.5
    assert inverse_gain(*depth_and_metric("scale", 3000), config) < 0.05
    wrong = np.r_[p, np.full(500, np.nan), 9 * np.ones(1000)], np.r_[d, np.ones(1500)]
    weight = np.r_[np.ones(3500), np.full(1000, 1e-6)]
    assert inverse_gain(*wrong, config, weight) > 0.5 > inverse_gain(*wrong, config)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x, d: (x[:19], d[:19]), "too_few_samples"),
        (lambda x, d: (np.full_like(x, 7.0), d), "degenerate"),
        (lambda x, d: (-x, d), "negative_scale"),
        (lambda x, d: (np.random.default_rng(0).normal(size=len(x)), d), "degenerate|negative_scale"),
        (lambda x, d: (1e3 * (1 + x / np.abs(x).max()), 0.01 * d), "shift_out_of_bounds"),
    ],
)
def test_what_fixes_nothing_is_refused(change, reason):
    x, d = change(*planted(200, 5, outliers=0))
    with pytest.raises(FitError) as caught:
        fit_curve(x, d, RELATIVE, AlignConfig())
    assert caught.value.reason in reason.split("|")


def test_a_metric_prediction_without_slope_gets_a_scale_and_says_so():
    d = np.linspace(1, 5, 100)
    fit = fit_curve(np.full(100, 2.0), d, METRIC, AlignConfig(curve="log"))
    assert fit.curve is Curve.SCALE and "a scale alone is fitted" in fit.note


def test_a_relative_prediction_has_no_metric_curve():
    with pytest.raises(ConfigError, match="curve is log"):
        fit_curve(*planted(50, 0), RELATIVE, AlignConfig(curve="log"))


@pytest.mark.parametrize(("wall", "error"), [(0.5, 0.1), (0.6, 0.1), (0.8, 0.02)])
@pytest.mark.parametrize("outliers", [0.0, 0.3])
def test_a_wall_that_fills_half_of_the_image_does_not_decide_alone(wall, error, outliers):
    off = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        z = np.where(rng.random(500) < wall, 3 * np.exp(0.02 * rng.normal(size=500)), rng.uniform(1, 6, 500))
        x = (np.exp(error * rng.normal(size=500)) / z - SHIFT) / SCALE
        wrong = rng.permutation(500)[: int(500 * outliers)]
        d = z.copy()
        d[wrong] = rng.uniform(0.3, 40, len(wrong))
        fit = fit_curve(x, d, RELATIVE, AlignConfig(seed=seed))
        far = np.array([1.0, 1.5, 4.5, 6.0])
        off.append(np.log((fit.shift + fit.scale * (1 / far - SHIFT) / SCALE) * far))
    assert np.mean(np.abs(off)) < 0.08


def test_the_nearest_samples_do_not_decide_alone():
    """A prediction whose relative error is alike everywhere: weighted for that, the fit is surer than plain squares."""
    off = {"robust": [], "lstsq": []}
    for seed in range(40):
        x, d = planted(200, seed, outliers=0, noise=0.1)
        for method, errors in off.items():
            fit = fit_curve(x, d, RELATIVE, AlignConfig(method=method, seed=seed))
            errors.append(fit.shift - SHIFT)
    assert np.std(off["robust"]) < 0.5 * np.std(off["lstsq"])


def test_one_sample_fixes_a_scale_and_no_line():
    one = AlignConfig(min_samples=1)
    fit = fit_curve(np.array([2.0]), np.array([3.0]), METRIC, one)
    assert fit.scale == pytest.approx(1.5) and np.sqrt(fit.covariance[0, 0]) == pytest.approx(0.15)
    with pytest.raises(FitError, match="1 samples for scale and shift, expected 3"):
        fit_curve(np.array([2.0]), np.array([3.0]), RELATIVE, one)


def test_samples_of_which_most_are_wrong_are_refused():
    """A consensus of 35 % is found by chance, and another one in each half of the samples."""
    for seed in range(20):
        with pytest.raises(FitError):
            fit_curve(*planted(500, seed, outliers=0.65, noise=0.03), RELATIVE, AlignConfig(seed=seed))


def test_the_far_of_an_inverse_curve_is_bounded():
    """Beyond the samples 1/d comes to zero: there the prediction keeps the ratio of the farthest of them."""
    depth = np.linspace(1.0, 10.0, 200)
    prediction = 1 / (1 / depth + 0.02)  # too near, the more the farther
    fit = fit_curve(prediction, depth, METRIC, AlignConfig(curve="inverse"))
    given = as_prediction(np.array([[2.0, 8.0, 60.0, np.inf]], dtype=np.float32))
    found = fit.apply(given).numpy()[0]
    assert found[:2] == pytest.approx(1 / (1 / np.array([2.0, 8.0]) - 0.02), rel=1e-3)
    last = fit.apply(as_prediction(np.array([[fit.far]], dtype=np.float32))).item()
    assert found[2] == pytest.approx(60 * last / fit.far, rel=1e-4)
    assert found[2] < 100 and np.isposinf(found[3])
