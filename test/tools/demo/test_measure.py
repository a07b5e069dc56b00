# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mono_depth_ros.tools.demo.measure import Errors, summary
from mono_depth_ros.tools.report.errors import ERROR_EDGES


def test_summary_of_a_known_run(frame, timing):
    errors = Errors()
    errors.add(frame(0, factor=1.1))
    errors.add(frame(1, factor=0.7))
    found = summary("tiny", timing(), errors)
    plane = np.tile(np.linspace(2.0, 4.0, 64), (46, 1))  # without sky and without the unknown row
    keys = ["model", "frames_in", "frames_out", "dropped", "rate_hz", "latency_ms", "depth", "aligned", "motion"]
    assert list(found) == [*keys, "alignment"]
    assert found["aligned"] is None and found["motion"] is None and found["alignment"] is None
    assert (found["frames_in"], found["frames_out"], found["dropped"]) == (10, 9, 1)
    assert found["rate_hz"] == pytest.approx(10.0)
    assert found["latency_ms"] == {"p50": 25.0, "p99": 25.0}
    assert list(found["depth"]) == ["abs_rel", "rmse_m", "delta1", "mae_m", "n"]
    assert found["depth"]["n"] == 2 * plane.size
    assert found["depth"]["abs_rel"] == pytest.approx(0.2, abs=1e-6)
    assert found["depth"]["delta1"] == pytest.approx(0.5)
    assert found["depth"]["mae_m"] == pytest.approx(0.2 * plane.mean(), abs=1e-5)
    assert found["depth"]["rmse_m"] == pytest.approx(np.sqrt(0.05 * (plane**2).mean()), abs=1e-5)


def test_summary_of_an_aligned_run(frame, timing, course):
    errors, aligned, motion = Errors(), Errors(), Errors()
    for k in range(2):
        one = frame(k, factor=1.1, aligned=1.02, motion=0.95)
        errors.add(one)
        aligned.add(replace(one, depth=one.aligned))
        motion.add(replace(one, depth=one.motion))
    found = summary("tiny", timing(), errors, aligned, motion, course())
    assert found["motion"]["abs_rel"] == pytest.approx(0.05, abs=1e-6)
    assert found["depth"]["abs_rel"] == pytest.approx(0.1, abs=1e-6)
    assert found["aligned"]["abs_rel"] == pytest.approx(0.02, abs=1e-6)
    assert found["aligned"].keys() == found["depth"].keys() and found["aligned"]["n"] == found["depth"]["n"]
    assert found["alignment"] == {"scale": 0.91, "shift": 0.0, "inliers": 0.75, "held_out_abs_rel": 0.03}


def test_how_much_too_large_the_depth_of_each_frame_is(frame):
    errors = Errors()
    errors.add(frame(3, factor=1.25))
    errors.add(frame(5, factor=0.5))
    assert {k: round(v, 5) for k, v in errors.ratios.items()} == {3: 1.25, 5: 0.5}


def test_without_ground_truth_there_is_no_depth_part(frame, timing):
    errors = Errors()
    errors.add(frame(truth=False))
    assert "depth" not in summary("tiny", timing(), errors)


def test_nothing_came_out(timing):
    found = summary("tiny", timing(results=0), Errors())
    assert found["dropped"] == 10 and found["rate_hz"] == 0.0 and found["latency_ms"] == {"p50": None, "p99": None}


def test_percentiles_and_rate(timing):
    run = timing(images=101, results=101, latency_ns=np.arange(101, dtype=np.int64) * 1_000_000)
    found = summary("tiny", run, Errors())
    assert found["latency_ms"] == {"p50": 50.0, "p99": 99.0}
    assert found["rate_hz"] == pytest.approx(100 / (10.0 + 0.1), abs=1e-3)  # each result 1 ms later than the one before


def test_histogram_of_signed_errors(frame):
    errors = Errors()
    errors.add(frame(factor=1.26))
    errors.add(frame(factor=5.0))  # beyond the last bin: counts in it
    bins = np.flatnonzero(errors.distribution.signed)
    assert len(bins) == 2 and errors.distribution.signed.sum() == 2 * 46 * 64
    assert ERROR_EDGES[bins[0]] < 0.26 < ERROR_EDGES[bins[0] + 1]
    assert bins[1] == len(errors.distribution.signed) - 1


def test_errors_by_distance(frame):
    errors = Errors()
    errors.add(frame(factor=1.1))
    rows = errors.distribution.quartiles_by_distance()
    assert rows[0][0] <= 2.0 and rows[-1][1] >= 4.0
    assert all(high <= 4.8 for _, high, *_ in rows)
    for _, _, low, middle, high in rows:
        assert low <= middle <= high
        assert middle == pytest.approx(0.1, abs=0.006)


def test_error_of_each_frame(frame):
    errors = Errors()
    errors.add(frame(3, factor=1.1))
    errors.add(frame(5, factor=0.5))
    assert {k: round(m.abs_rel, 5) for k, m in errors.per_frame.items()} == {3: 0.1, 5: 0.5}
