# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from mono_depth_ros.threads import Behind, ahead


def test_items_keep_their_order_and_few_are_made_ahead():
    made = []

    def source():
        for number in range(100):
            made.append(number)
            yield number

    with closing(ahead(source(), 3)) as items:
        first = next(items)
        time.sleep(0.2)
        # One taken, three waiting, one in the hands of the thread.
        assert first == 0 and len(made) == 5
        assert list(items) == list(range(1, 100))


def test_an_error_of_the_source_comes_after_what_was_before_it():
    def source():
        yield 1
        raise ValueError("broken")

    taken = []
    with pytest.raises(ValueError, match="broken"), closing(ahead(source(), 3)) as items:
        for item in items:
            taken.append(item)
    assert taken == [1]


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    with closing(ahead(iter(range(10**9)), 2)) as items:
        next(items)
    assert threading.active_count() == before


def test_everything_is_done_before_the_end_also_after_an_error():
    for error in (None, KeyboardInterrupt):
        done, ends = [], []

        def work(item, done=done):
            time.sleep(0.02)
            done.append(item)

        try:
            with Behind(work, ends.append, 2) as behind:
                for item in range(5):
                    behind.put(item)
                if error:
                    raise error
        except KeyboardInterrupt:
            pass
        assert done == list(range(5)) and ends == [error is None]


def test_what_goes_wrong_behind_comes_out_and_nobody_waits():
    done, ends = [], []

    def work(item):
        done.append(item)
        return 1 / item

    with pytest.raises(ZeroDivisionError), Behind(work, ends.append, 1) as behind:
        for item in (1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10):
            behind.put(item)
            time.sleep(0.01)
    assert done == [1, 0] and ends == []


def test_what_goes_wrong_at_the_very_end_comes_out():
    def last(complete):
        raise OSError("full")

    with pytest.raises(OSError, match="full"), Behind(lambda _: None, last, 1) as behind:
        behind.put(1)
