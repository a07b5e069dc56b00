# SPDX-License-Identifier: Apache-2.0
"""A thread that works on the newest item and forgets the older ones, so that results never grow old in a queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestWorker(Generic[Item]):
    """Calls `work(item)` in one background thread; while it is busy only the newest offered item is kept.

    Args:
        work: must not raise for bad items; what it raises all the same goes to `failed`.
        superseded: called with an item that was replaced by a newer one before it was worked on.
        failed: called with an exception of `work`; the thread goes on.
    """

    def __init__(
        self,
        work: Callable[[Item], None],
        superseded: Callable[[Item], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._work, self._superseded, self._failed = work, superseded, failed
        self._condition = threading.Condition()
        self._item: Item | None = None
        self._running = True
        self._thread = threading.Thread(target=self._loop, name="newest-worker", daemon=True)
        self._thread.start()

    def offer(self, item: Item) -> None:
        """Hand over an item; returns at once."""
        with self._condition:
            replaced, self._item = self._item, item
            self._condition.notify()
        if replaced is not None:
            self._superseded(replaced)

    def stop(self, timeout_s: float = 10.0) -> None:
        """Forget the waiting item and end the thread after the item it is working on."""
        with self._condition:
            self._running, self._item = False, None
            self._condition.notify()
        self._thread.join(timeout_s)

    def _loop(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._item is not None or not self._running)
                if not self._running:
                    return
                item, self._item = self._item, None
            assert item is not None
            try:
                self._work(item)
            except Exception as error:
                self._failed(error)
