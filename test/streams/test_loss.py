# SPDX-License-Identifier: Apache-2.0
"""Losses from the three witnesses: numbers, the middleware's reports, stamps."""

from __future__ import annotations

import pytest

from mono_depth_ros.streams import loss as loss_module
from mono_depth_ros.streams.loss import Loss, LossCounter

STEP_NS = 33_000_000


def arrive(counter: LossCounter, *numbers: int, publisher: str = "a") -> None:
    for number in numbers:
        counter.numbered(number, publisher)
        counter.arrived(number * STEP_NS)


def test_numbers_tell_exactly_what_is_missing_whatever_the_stamps_say() -> None:
    counter = LossCounter()
    for number, stamp_s in ((7, 0.0), (8, 31.0), (12, 31.1), (13, 3e9), (14, 5.0)):  # a pause, a jump, a loop
        counter.numbered(number, "a")
        counter.arrived(round(stamp_s * 1e9))
    assert counter.total() == Loss(taken=5, lost=3)


def test_each_publisher_counts_for_itself() -> None:
    counter = LossCounter()
    for index in range(5):
        arrive(counter, 100 + index, publisher="a")
        arrive(counter, 5 + index, publisher="b")
    assert counter.total().lost == 0


def test_a_publisher_that_starts_anew_has_lost_nothing() -> None:
    counter = LossCounter()
    arrive(counter, 3, 4, 8)
    arrive(counter, 1, 2)  # of the same name
    counter.forget()
    arrive(counter, 900, 901)
    assert counter.total() == Loss(taken=7, lost=3)


def test_the_report_of_a_loss_and_its_gap_are_one_loss_whichever_comes_first() -> None:
    for reports_first in (True, False):
        counter = LossCounter()
        counter.will_report()
        arrive(counter, 1)
        if reports_first:
            counter.reported(3)
        arrive(counter, 5)
        if not reports_first:
            counter.reported(3)
        assert counter.total() == Loss(taken=2, lost=3)
        arrive(counter, 6, 7)
        assert counter.total() == Loss(taken=4, lost=3)


def test_what_is_reported_while_nothing_arrives_counts() -> None:
    counter = LossCounter()
    counter.will_report()
    counter.reported(10)
    assert counter.total().fraction == 1.0
    arrive(counter, 11, 12)
    counter.reported(6)
    assert counter.total() == Loss(taken=2, lost=16)


def test_what_was_not_reported_came_here_and_was_replaced() -> None:
    counter = LossCounter()
    counter.will_report()
    arrive(counter, 1, 5)  # 2, 3 and 4 were in the queue of a busy reader
    counter.reported(2)  # no: two of them were lost before
    assert counter.total() == Loss(taken=2, lost=3, late=1)


def test_stamps_count_only_where_nobody_else_knows() -> None:
    stamps = [*range(8), 20, 21]
    alone, reported = LossCounter(), LossCounter()
    reported.will_report()
    for stamp in stamps:
        alone.arrived(stamp * STEP_NS)
        reported.arrived(stamp * STEP_NS)
    assert alone.total().lost == 12 and reported.total().lost == 0


def test_what_is_said_is_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(loss_module.time, "monotonic", lambda: now[0])
    counter = LossCounter()
    arrive(counter, *range(10), 20)
    assert counter.recent() == Loss(taken=11, lost=10)
    for number in range(21, 41):
        now[0] += 1.0
        arrive(counter, number)
        counter.recent()
    assert counter.recent().lost == 0 and counter.total().lost == 10
