# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mono_depth_ros.metrics import DepthMetrics
from mono_depth_ros.tools.eval.compare import compare, compare_all, interval

BASE = DepthMetrics(0.1, 0.1, 1.0, 0.1, 0.1, 0.1, 0.5, 0.9, 0.95, 0.99, 10)


def images(*abs_rel, delta1=0.9):
    return {str(k): replace(BASE, abs_rel=value, delta1=delta1) for k, value in enumerate(abs_rel)}


def test_differences_of_the_images_that_both_have():
    a, b = images(0.1, 0.2, 0.3, 0.4), images(0.2, 0.1, 0.3)
    row = compare("a", a, "b", b)[0]
    assert (row.metric, row.n, row.first_wins, row.second_wins) == ("abs_rel", 3, 1, 1)
    assert row.mean == pytest.approx(0.0, abs=1e-12)
    assert row.low == pytest.approx(-0.1) and row.high == pytest.approx(0.1)  # of 27 samples, each 1/27 likely


def test_more_is_better_for_delta():
    row = next(r for r in compare("a", images(0.1, delta1=0.5), "b", images(0.1, delta1=0.8)) if r.metric == "delta1")
    assert (row.first_wins, row.second_wins) == (0, 1) and row.mean == pytest.approx(0.3)
    assert row.low is None and row.high is None  # one image says nothing about others


def test_the_interval_is_that_of_a_normal_mean_and_repeats_itself():
    values = np.random.default_rng(0).normal(0.5, 1.0, 400)
    low, high = interval(values, 0)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.01) and high == pytest.approx(
        values.mean() + half, abs=0.01
    )
    assert interval(values, 0) == (low, high) != interval(values, 1)


def test_every_two_of_three_models():
    rows = compare_all([(name, images(0.1, 0.2)) for name in "abc"])
    assert {(row["first"], row["second"]) for row in rows} == {("a", "b"), ("a", "c"), ("b", "c")}
    assert compare("a", images(0.1), "b", {}) == []
