# SPDX-License-Identifier: Apache-2.0
"""Losses counted from stamps alone: many patterns of a known loss."""

from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.streams.ticks import Ticks, tick_ns

START_NS = 1_700_000_000_000_000_000


def stamps(count: int, hz: float, jitter_s: float = 0.0, seed: int = 0) -> np.ndarray:
    """Nanoseconds of a camera's images."""
    rng = np.random.default_rng(seed)
    return (START_NS + (np.arange(count) / hz + rng.normal(0.0, jitter_s, count)) * 1e9).astype(np.int64)


def missing(came: np.ndarray) -> int:
    ticks = Ticks()
    return sum(ticks.gap(int(stamp)) for stamp in came)


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2, 0.5, 0.8, 0.9])
def test_the_loss_is_within_five_points_with_2_ms_of_jitter(loss: float) -> None:
    written = stamps(1000, 30.0, jitter_s=0.002)
    came = written[np.random.default_rng(1).random(len(written)) >= loss]
    found = missing(came)
    assert found / (found + len(came)) == pytest.approx(loss, abs=0.05)


def test_the_tick_is_none_of_the_steps_where_most_are_lost() -> None:
    assert tick_ns(np.array([2, 3, 2, 5, 3] * 8) * 33_000_000) == pytest.approx(33e6)
    assert tick_ns(np.array([33_000_000] * 5)) == pytest.approx(33e6)


@pytest.mark.parametrize("jitter_s", [0.005, 0.01, 0.02, 0.05])
def test_stamps_without_a_tick_tell_of_no_loss(jitter_s: float) -> None:
    assert missing(np.sort(stamps(1000, 30.0, jitter_s))) < 0.02 * 1000


def test_a_pause_and_a_jump_are_no_loss() -> None:
    first, later = stamps(50, 20.0), stamps(50, 20.0) + 40 * 10**9
    future = np.array([START_NS + 10**17])
    assert missing(np.concatenate([first, later])) == 0
    assert missing(np.concatenate([first, future, first + 50 * 50_000_000])) == 0
    assert missing(np.concatenate([first, first - 10**9])) == 0


def test_a_camera_that_becomes_slower_loses_nothing_then_or_later() -> None:
    fast, slow = stamps(60, 30.0), stamps(60, 10.0) + 2 * 10**9
    assert missing(np.concatenate([fast, slow])) == 0
    assert missing(np.concatenate([fast, slow[:20], slow[22:]])) == 2
