# SPDX-License-Identifier: Apache-2.0
"""A thread that works on the newest items and forgets the older ones, so that results never grow old in a queue."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

LOGGER = logging.getLogger(__name__)
Item = TypeVar("Item")


class NewestWorker(Generic[Item]):
    """Calls `work(items)` in one background thread, with the newest item of every source that has one.

    While it is busy only the newest item of each source is kept, so that no source can starve another. Other work can
    be called there too, before the items: what belongs to one thread, such as a network, is made where it runs.

    Args:
        work: must not raise for bad items; what it raises all the same goes to `failed`.
        superseded: called with an item that was replaced by a newer one before it was worked on.
        failed: called with the items and the exception of `work`; the thread goes on.
        name: of the thread. nice: how much more willingly than other threads it gives up its core, 0 to 19.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], None],
        superseded: Callable[[Item], None],
        failed: Callable[[list[Item], Exception], None],
        name: str = "newest-worker",
        nice: int = 0,
    ) -> None:
        self._work, self._superseded, self._failed = work, superseded, failed
        self._partners, self._nice = 1, nice
        self._waits_until_s = 0.0  # of time.monotonic, for the longest waiting item
        self._condition = threading.Condition()
        self._items: dict[Hashable, Item] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._running = True
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def offer(self, item: Item, source: Hashable = None, partners: int = 1, window_s: float = 0.0) -> None:
        """Hand over an item of a source; returns at once.

        Args:
            partners: how many sources may offer, this one included; with all of them there, nobody is waited for.
            window_s: how long after its arrival the first item of a turn may wait for those of other sources.
        """
        with self._condition:
            self._partners = partners
            replaced = self._items.pop(source, None)
            if not self._items:
                self._waits_until_s = time.monotonic() + window_s
            self._items[source] = item
            self._condition.notify()
        if replaced is not None:
            self._superseded(replaced)

    def call(self, function: Callable[[], None], done: Callable[[Exception | None], None]) -> None:
        """Have the thread call `function`, then `done` with what it raised; neither where it is stopped before."""

        def call() -> None:
            try:
                function()
            except Exception as error:
                done(error)
            else:
                done(None)

        with self._condition:
            self._calls.append(call)
            self._condition.notify()

    @property
    def alive(self) -> bool:
        """Whether the thread is still there: until it has ended what it was working on when it was stopped."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float = 10.0) -> list[Item]:
        """End the thread after the items it is working on, for which this waits so long; returns those that waited."""
        with self._condition:
            self._running = False
            waiting = list(self._items.values())
            self._items.clear()
            self._condition.notify()
        self._thread.join(timeout_s)
        return waiting

    def _loop(self) -> None:
        if self._nice and sys.platform == "linux":  # where each thread has a priority of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._nice)
        while self._turn():
            pass

    def _turn(self) -> bool:
        """A call of its own, so that no item is kept until the next ones come."""
        turn = self._take()
        try:
            if callable(turn):
                turn()
            elif turn:
                self._worked(turn)
        except Exception:
            LOGGER.exception("the worker goes on after an internal error")
        return bool(turn)

    def _worked(self, items: list[Item]) -> None:
        try:
            self._work(items)
        except Exception as error:
            self._failed(items, error)

    def _take(self) -> Callable[[], None] | list[Item]:
        """A call, else the newest item of each source, the longest waiting first; none after `stop`."""
        with self._condition:
            self._condition.wait_for(lambda: self._calls or self._items or not self._running)
            if self._calls and self._running:
                return self._calls.popleft()
            left_s = max(self._waits_until_s - time.monotonic(), 0.0)
            self._condition.wait_for(lambda: len(self._items) >= self._partners or not self._running, left_s)
            items = list(self._items.values())
            self._items.clear()
            return items
