# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.streams.rates import RateLimit


def passed(camera_hz, rate_hz, seconds=20, jitter=0.2):
    """How many of the images of a camera pass in a second, whose times have some jitter, in periods."""
    period, random = 1 / camera_hz, np.random.default_rng(0)
    times = np.arange(0, seconds, period) + jitter * period * random.uniform(-1, 1, round(seconds * camera_hz))
    limit = RateLimit()
    return sum(limit.take(1000 + time, rate_hz) for time in times) / seconds


@pytest.mark.parametrize(
    ("camera_hz", "rate_hz", "expected_hz"),
    [(30, 20, 20), (30, 15, 15), (30, 1, 1), (30, 29, 29), (30, 30, 30), (30, 100, 30), (10, 30, 10), (30, 0, 30)],
)
def test_the_rate_is_reached_and_not_exceeded(camera_hz, rate_hz, expected_hz):
    assert passed(camera_hz, rate_hz) == pytest.approx(expected_hz, abs=0.06)


def test_items_pass_evenly_and_a_pause_is_not_made_up_for():
    limit = RateLimit()
    assert [limit.take(time, 10.0) for time in (0.0, 0.02, 0.1, 0.13, 0.2)] == [True, False, True, False, True]
    assert [limit.take(time, 10.0) for time in (5.0, 5.02, 5.04, 5.1)] == [True, False, False, True]


def test_another_rate_holds_at_once():
    limit = RateLimit()
    assert limit.take(0.0, 0.01) and not limit.take(1.0, 0.01)
    assert limit.take(1.1, 10.0) and not limit.take(1.11, 10.0) and limit.take(1.12, 0.0)


def test_due_takes_nothing():
    limit = RateLimit()
    assert limit.due(0.0, 1.0) and limit.due(0.1, 1.0) and limit.take(0.2, 1.0) and not limit.due(0.3, 1.0)
