# SPDX-License-Identifier: Apache-2.0
"""Scale and shift in time: calm on a static scene, quick after a jump, deaf to one strange fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mono_depth_ros.alignment.result import Curve, Fit
from mono_depth_ros.alignment.tracker import Tracker, curve_deviation, curve_distance
from mono_depth_ros.config import TrackerConfig

X = np.linspace(0.05, 2.0, 50)


def fit(scale: float, shift: float = 0.0, curve: Curve = Curve.SCALE, std: float = 0.01) -> Fit:
    covariance = np.diag([(std * scale) ** 2, 0.0 if curve is Curve.SCALE else std**2])
    return Fit(curve, scale, shift, covariance, 1.0, 100, 0.01)


def run(tracker: Tracker, scales, start_s: float = 0.0, period_s: float = 0.1) -> np.ndarray:
    """The filtered scale after each of the fits."""
    found = []
    for k, scale in enumerate(scales):
        tracker.update(fit(scale), X, int((start_s + k * period_s) * 1e9))
        found.append(tracker.fit.scale)
    return np.array(found)


def test_a_static_scene_is_at_least_four_times_calmer_than_its_fits():
    scales = 2.0 * np.exp(0.03 * np.random.default_rng(0).normal(size=300))
    found = run(Tracker(TrackerConfig()), scales)
    assert np.abs(np.diff(found[20:])).mean() <= 0.25 * np.abs(np.diff(scales[20:])).mean()
    assert found[-1] == pytest.approx(2.0, rel=0.02)


def test_a_jump_is_followed_within_three_fits():
    rng = np.random.default_rng(1)
    tracker = Tracker(TrackerConfig())
    run(tracker, 2.0 * np.exp(0.01 * rng.normal(size=50)))
    found = run(tracker, 2.4 * np.exp(0.01 * rng.normal(size=3)), start_s=5.0)
    assert found[-1] > 2.0 + 0.95 * 0.4


def test_one_strange_fit_changes_nothing():
    tracker = Tracker(TrackerConfig())
    run(tracker, [2.0] * 10)
    assert not tracker.update(fit(3.0), X, 1_000_000_000)
    assert tracker.fit.scale == pytest.approx(2.0)
    assert not tracker.update(fit(1.2), X, 1_100_000_000)  # far away as well, but not where the last one was
    assert tracker.update(fit(2.0), X, 1_200_000_000) and tracker.fit.scale == pytest.approx(2.0)


def test_equal_fits_weigh_by_how_much_they_know():
    tracker = Tracker(TrackerConfig(bandwidth=3600.0))
    tracker.update(fit(2.0, std=0.01), X, 0)
    tracker.update(fit(2.08, std=0.02), X, 0)  # a quarter of the information
    assert np.log(tracker.fit.scale) == pytest.approx(np.log(2.0) * 0.8 + np.log(2.08) * 0.2, abs=1e-4)


def test_scale_and_shift_together():
    tracker = Tracker(TrackerConfig())
    for k in range(30):
        tracker.update(fit(0.5, 0.04, Curve.INVERSE), X, k * 100_000_000)
    assert tracker.fit.scale == pytest.approx(0.5) and tracker.fit.shift == pytest.approx(0.04)
    assert np.sqrt(tracker.fit.covariance[0, 0]) < 0.5 * 0.01


def test_bandwidth_0_is_every_fit_as_it_is():
    np.testing.assert_allclose(run(Tracker(TrackerConfig(bandwidth=0.0)), [1.0, 2.0, 1.5]), [1.0, 2.0, 1.5], rtol=1e-9)


def test_a_longer_bandwidth_is_calmer():
    scales = 2.0 * np.exp(0.02 * np.random.default_rng(2).normal(size=200))
    calm = [np.abs(np.diff(run(Tracker(TrackerConfig(bandwidth=b)), scales)[50:])).mean() for b in (0.3, 1.0, 5.0)]
    assert calm[0] > calm[1] > calm[2]


def test_another_curve_or_a_recording_that_loops_begins_anew():
    tracker = Tracker(TrackerConfig())
    run(tracker, [2.0] * 5, start_s=100.0)
    assert tracker.update(fit(0.5, 0.04, Curve.INVERSE), X, 101_000_000_000) and tracker.fit.curve is Curve.INVERSE
    run(tracker, [3.0], start_s=1.0)
    assert tracker.fit.scale == pytest.approx(3.0) and tracker.stamp_ns == 1_000_000_000
    assert tracker.age_s(3_000_000_000) == pytest.approx(2.0)


def test_distances_are_told_in_depth():
    assert curve_distance(fit(2.2), fit(2.0), X) == pytest.approx(np.log(1.1))
    one, other = fit(0.5, 0.0, Curve.INVERSE), fit(0.55, 0.0, Curve.INVERSE)
    assert curve_distance(one, other, X) == pytest.approx(np.log(1.1))
    assert curve_distance(fit(1.0, 0.3, Curve.LOG), fit(1.0, 0.1, Curve.LOG), X) == pytest.approx(0.2)


def test_curves_that_cross_are_not_near():
    one, other = fit(0.5, 0.0, Curve.INVERSE), fit(0.25, 0.25, Curve.INVERSE)
    x = np.array([0.4, 0.8, 1.25, 2.5])  # they meet at 1
    ratio = np.abs(np.log((0.25 + 0.25 * x) / (0.5 * x)))
    assert abs(curve_distance(one, other, x)) == pytest.approx(np.median(ratio)) and np.median(ratio) > 0.1


def test_what_a_covariance_means_in_depth():
    assert curve_deviation(fit(2.0, std=0.03), X) == pytest.approx(0.03)
    found = fit(0.5, 0.1, Curve.INVERSE, std=0.02)  # of 1/d at x = 1: hypot(0.01, 0.02), 1/d = 0.6
    assert curve_deviation(found, np.array([1.0])) == pytest.approx(np.hypot(0.01, 0.02) / 0.6)
    found = fit(0.5, 0.1, Curve.LOG, std=0.02)
    assert curve_deviation(found, np.array([np.e])) == pytest.approx(np.hypot(0.01, 0.02))


def test_a_fit_that_knows_little_is_taken_in_and_moves_little():
    tracker = Tracker(TrackerConfig())
    run(tracker, [2.0] * 20)
    assert tracker.update(fit(2.3, std=0.1), X, 2_000_000_000)  # 15 % off, which 10 % of deviation explain
    assert tracker.fit.scale == pytest.approx(2.0, rel=0.003)
    assert not tracker.update(fit(2.3, std=0.01), X, 2_100_000_000)


def test_three_fits_in_a_row_to_one_side_begin_anew():
    tracker = Tracker(TrackerConfig())
    run(tracker, [2.0] * 20)
    found = run(tracker, [2.1] * 3, start_s=2.0)  # 5 %: within the gate
    assert found[0] < 2.03 and found[1] < 2.05 and found[2] == pytest.approx(2.1, rel=1e-6)


def test_after_hold_the_first_fit_counts_alone():
    tracker = Tracker(TrackerConfig(hold=5.0))
    run(tracker, [2.0] * 20)
    assert tracker.update(fit(3.0), X, 10_000_000_000) and tracker.fit.scale == pytest.approx(3.0)
    forever = Tracker(TrackerConfig(hold=0.0, bandwidth=60.0))
    run(forever, [2.0] * 20)
    assert not forever.update(fit(3.0), X, 10_000_000_000)


def test_a_makeshift_does_not_replace_the_curve_that_was_asked_for():
    tracker = Tracker(TrackerConfig())
    tracker.update(fit(0.9, 0.1, Curve.LOG), X, 0)
    makeshift = replace(fit(1.1), note="a scale alone is fitted")
    assert not tracker.update(makeshift, X, 100_000_000) and tracker.fit.curve is Curve.LOG
    assert tracker.update(makeshift, X, 100_000_000_000) and tracker.fit.curve is Curve.SCALE
    assert tracker.update(fit(0.9, 0.1, Curve.LOG), X, 100_100_000_000) and tracker.fit.curve is Curve.LOG


def test_another_curve_is_taken_where_several_images_in_a_row_speak_clearly_for_it():
    tracker = Tracker(TrackerConfig())
    assert (tracker.best_curve(0.04), tracker.best_curve(0.06)) == (Curve.SCALE, Curve.INVERSE)  # nothing yet to keep
    run(tracker, [2.0])
    said = [tracker.best_curve(gain) for gain in (0.3, 0.3, 0.3, 0.3, 0.04, 0.3, 0.3, 0.3, 0.3, 0.3)]
    assert said == 9 * [Curve.SCALE] + [Curve.INVERSE]
    tracker.update(fit(0.5, 0.04, Curve.INVERSE), X, 1_000_000_000)
    said = [tracker.best_curve(gain) for gain in (-0.3, -0.3, -0.3, -0.3, 0.3, *5 * [-0.3])]
    assert said == 9 * [Curve.INVERSE] + [Curve.SCALE]
    tracker.reset()
    assert tracker.best_curve(-0.3) is Curve.SCALE
