# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from mono_depth_ros.errors import DataError, UsageError
from mono_depth_ros.training.adapt.split import by_frames, by_time


def test_blocks_of_time_with_gaps() -> None:
    stamps = [5 + k / 10 for k in range(301)]  # 30 s, of which 28 are used
    found = by_time(stamps)
    times = [(stamps[block[0]] - 5, stamps[block[-1]] - 5) for block in found.blocks]
    assert times[0] == pytest.approx((0.0, 19.6))
    assert times[1] == pytest.approx((20.6, 23.4))
    assert times[2] == pytest.approx((24.4, 30.0))


def test_no_frames_are_neighbours_of_another_block_whatever_the_rate() -> None:
    for rate in (1.0, 3.0, 30.0):
        stamps = [k / rate for k in range(200)]
        found = by_time(stamps)
        for one, other in ((found.training, found.validation), (found.validation, found.test)):
            assert stamps[other[0]] - stamps[one[-1]] >= 1.0 - 1e-6


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        ([k / 30 for k in range(10)], "found 10 frames"),
        ([k / 30 for k in range(40)], "span 1.3 s"),
        ([k / 30 for k in range(85)], "the training block has 17 frames"),
    ],
)
def test_too_little_is_refused(stamps, words) -> None:
    with pytest.raises(DataError, match=words):
        by_time(stamps)


def test_blocks_by_the_numbers_of_frames() -> None:
    found = by_frames("0:49,60:64,80:89", range(100))
    assert (found.training[-1], found.validation[0], found.test[-1]) == (49, 60, 89)
    every_other = by_frames("0:49,60:69,80:99", range(0, 100, 2))
    assert every_other.validation == (30, 31, 32, 33, 34)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0:49,60:64", "expected three blocks"),
        ("0:49,50:60,80:89", "overlap or touch"),
        ("0:49,60:64,40:89", "overlap or touch"),
        ("0:49,64:60,80:89", "has '64:60'"),
        ("a,b,c", "has 'a'"),
    ],
)
def test_other_splits_are_refused(text, words) -> None:
    with pytest.raises(UsageError, match=words):
        by_frames(text, range(100))


def test_a_block_without_frames_is_refused() -> None:
    with pytest.raises(DataError, match="the test block has 0 frames"):
        by_frames("0:49,60:64,200:300", range(100))
