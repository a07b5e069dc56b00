# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

from mono_depth_ros.nodes.worker import NewestWorker


def test_the_newest_item_wins_and_the_others_are_reported():
    done, superseded, busy, go = [], [], threading.Event(), threading.Event()

    def work(item):
        busy.set()
        go.wait(5)
        done.append(item)

    worker = NewestWorker(work, superseded.append, failed=lambda error: None)
    worker.offer(1)
    assert busy.wait(5)
    for item in (2, 3, 4):
        worker.offer(item)
    go.set()
    while len(done) < 2:
        pass
    worker.stop()
    assert done == [1, 4] and superseded == [2, 3]


def test_an_exception_is_reported_and_the_thread_goes_on():
    errors, done = [], threading.Event()

    def work(item):
        if item == "bad":
            raise ValueError("bad item")
        done.set()

    worker = NewestWorker(work, superseded=lambda item: None, failed=errors.append)
    worker.offer("bad")
    while not errors:
        pass
    worker.offer("good")
    assert done.wait(5) and str(errors[0]) == "bad item"
    worker.stop()
