# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time

import pytest

from mono_depth_ros.nodes.ros.worker import NewestWorker


def wait_for(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_newest_item_of_every_source_wins_and_the_others_are_reported():
    done, superseded, busy, go = [], [], threading.Event(), threading.Event()

    def work(items):
        busy.set()
        go.wait(5)
        done.append(items)

    worker = NewestWorker(work, superseded.append, failed=lambda items, error: None)
    worker.offer(1)
    assert busy.wait(5)
    for item in (2, 3, 4):
        worker.offer(item)
    for item in (20, 30):
        worker.offer(item, "left")
    go.set()
    wait_for(lambda: len(done) == 2)
    worker.stop()
    assert done == [[1], [4, 30]] and superseded == [2, 3, 20]


def test_an_exception_is_reported_and_the_thread_goes_on():
    errors, done = [], threading.Event()

    def work(items):
        if items == ["bad"]:
            raise ValueError("bad item")
        done.set()

    worker = NewestWorker(work, superseded=lambda item: None, failed=lambda items, error: errors.append((items, error)))
    worker.offer("bad")
    wait_for(lambda: errors)
    worker.offer("good")
    assert done.wait(5) and errors[0][0] == ["bad"] and str(errors[0][1]) == "bad item"
    worker.stop()


@pytest.fixture
def paired():
    """A worker, what it was given at which time since its start, and how to offer it an item for one of two sources."""
    done, start = [], time.monotonic()
    worker = NewestWorker(
        lambda items: done.append((items, time.monotonic() - start)),
        superseded=lambda item: None,
        failed=lambda items, error: None,
    )
    yield worker, done, lambda item, source, window_s: worker.offer(item, source, 2, window_s)
    worker.stop()


def test_items_that_come_within_the_window_share_a_turn_which_then_begins_at_once(paired):
    _, done, offer = paired
    offer("a", "front", 5.0)
    time.sleep(0.05)
    offer("b", "left", 5.0)
    wait_for(lambda: done)
    assert done[0][0] == ["a", "b"] and done[0][1] < 1.0


def test_a_source_that_stays_silent_is_not_waited_for_longer(paired):
    _, done, offer = paired
    offer("a", "front", 0.1)
    wait_for(lambda: done)
    assert done[0][0] == ["a"] and 0.09 < done[0][1] < 1.0


def test_stop_ends_a_wait_and_what_was_waiting_is_forgotten(paired):
    worker, done, offer = paired
    offer("a", "front", 60.0)
    time.sleep(0.05)
    start = time.monotonic()
    worker.stop()
    assert time.monotonic() - start < 1.0 and done == []


def test_who_waited_while_the_worker_was_busy_does_not_wait_again():
    done, busy = [], threading.Event()

    def work(items):
        busy.set()
        time.sleep(0.3)
        done.append((items, time.monotonic()))

    worker = NewestWorker(work, superseded=lambda item: None, failed=lambda items, error: None)
    worker.offer("a", "front", 1)
    assert busy.wait(5)
    worker.offer("b", "left", 2, 0.2)
    wait_for(lambda: len(done) == 2)
    worker.stop()
    assert done[1][0] == ["b"] and done[1][1] - done[0][1] < 0.45
