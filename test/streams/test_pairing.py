# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import pytest

from mono_depth_ros.streams.pairing import Nearest

MS = 1_000_000
S = 1_000 * MS


def filled(*stamps_ms: int, size: int = 10) -> Nearest[str]:
    buffer: Nearest[str] = Nearest(size)
    for stamp in stamps_ms:
        buffer.add(stamp * MS, f"at {stamp}")
    return buffer


@pytest.mark.parametrize(
    ("asked_ms", "found", "offset_s"),
    [
        (0, "at 100", 0.1),
        (149, "at 100", -0.049),
        (150, "at 100", -0.05),
        (151, "at 200", 0.049),
        (290, "at 300", 0.01),
    ],
)
def test_the_nearest_in_time_is_found_on_either_side(asked_ms, found, offset_s):
    match = filled(100, 200, 300).nearest(asked_ms * MS, 0.1)
    assert match is not None
    assert (match.thing, match.offset_s) == (found, pytest.approx(offset_s))
    assert match.stamp_ns == asked_ms * MS + round(offset_s * S)


def test_the_tolerance_is_inclusive_and_exact_for_stamps_of_today():
    now = 1_760_000_000 * S + 1
    buffer: Nearest[int] = Nearest()
    buffer.add(now, 1)
    assert buffer.nearest(now + 100 * MS, 0.1) is not None
    assert buffer.nearest(now + 100 * MS + 1, 0.1) is None
    assert buffer.nearest(now - 100 * MS - 1, 0.1) is None


def test_the_oldest_go_when_it_is_full():
    buffer = filled(1, 2, 3, 4, 5, size=3)
    assert len(buffer) == 3 and buffer.nearest(9 * MS, 10.0).thing == "at 5"
    assert buffer.nearest(1 * MS, 1.0).thing == "at 3"


def test_what_comes_out_of_order_is_kept_in_order():
    buffer: Nearest[str] = Nearest()
    assert not any([buffer.add(at * MS, f"at {at}") for at in (100, 300, 200)]), "that is no jump back in time"
    assert [buffer.nearest(t * MS, 0.01).thing for t in (100, 200, 300)] == ["at 100", "at 200", "at 300"]


def test_a_stamp_that_comes_twice_is_replaced():
    buffer = filled(100)
    buffer.add(100 * MS, "again")
    assert len(buffer) == 1 and buffer.nearest(100 * MS, 0.0).thing == "again"


def test_time_that_jumps_back_drops_what_was_kept():
    buffer = filled(50_000, 50_100)
    assert buffer.add(10 * MS, "anew") is True
    assert len(buffer) == 1 and buffer.nearest(10 * MS, 1.0).thing == "anew"
    assert buffer.nearest(50_000 * MS, 1.0) is None
    assert buffer.add(110 * MS, "next") is False


def test_why_nothing_is_found_is_said():
    buffer = filled(1_000)
    assert Nearest().why_none(0, 0.1) == "no reference has been received yet"
    assert buffer.why_none(1_050 * MS, 0.1) == ""
    late = buffer.why_none(1_250 * MS, 0.1)
    assert late == "the reference nearest in time is 0.25 s before the image, expected at most tolerance, 0.1 s"
    assert "0.4 s after the image" in buffer.why_none(600 * MS, 0.1)


@pytest.mark.parametrize(
    ("offset_s", "words"),
    [
        (61, "61 s after"),
        (-61, "61 s before"),
        (-7_200, "2.0 h before"),
        (1_760_000_000, "55.8 years after"),
        (-300_000, "3.5 days"),
    ],
)
def test_stamps_of_another_clock_are_named_as_such_with_the_offset(offset_s, words):
    buffer: Nearest[int] = Nearest()
    buffer.add(2_000_000_000 * S, 1)
    said = buffer.why_none((2_000_000_000 - offset_s) * S, 0.1)
    assert words in said and "another clock" in said
    assert buffer.nearest((2_000_000_000 - offset_s) * S, 0.1) is None


def test_a_minute_is_late_but_of_the_same_clock():
    buffer = filled(0)
    assert "another clock" not in buffer.why_none(60 * S, 0.1)


def test_it_may_be_filled_and_read_from_several_threads():
    buffer: Nearest[int] = Nearest(5, jump_s=1e6)
    wrong: list[object] = []

    def fill(first: int) -> None:
        for k in range(first, 4_000, 2):
            buffer.add(k, k)

    def read() -> None:
        for k in range(4_000):
            match = buffer.nearest(k, 1.0)
            if match is not None and match.thing != match.stamp_ns:
                wrong.append(match)

    threads = [threading.Thread(target=fill, args=(k,)) for k in (0, 1)] + [threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(buffer) == 5
