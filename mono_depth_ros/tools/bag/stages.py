# SPDX-License-Identifier: Apache-2.0
"""Threads around the network: one makes its input ahead, one takes its output away, and little waits between them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Ahead(Generic[Item]):
    """Runs an iterator in a thread; `size` items wait at most. Use it as a context manager."""

    def __init__(self, source: Iterator[Item], size: int) -> None:
        self._source = source
        self._queue: queue.Queue[Item | _End] = queue.Queue(size)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="read", daemon=True)

    def __enter__(self) -> Iterator[Item]:
        self._thread.start()
        return self._items()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _items(self) -> Iterator[Item]:
        while not isinstance(item := self._queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def _work(self) -> None:
        end = _End()
        try:
            for item in self._source:
                if not self._put(item):
                    return
        except BaseException as error:
            end = _End(error)
        self._put(end)

    def _put(self, item: Item | _End) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


class Behind(Generic[Item]):
    """Calls a function with each item in a thread, in order; `size` items wait at most. A context manager.

    Leaving it waits until all that was put is done, also after an error elsewhere: nothing is lost by a Ctrl-C. Then
    `last` is called, in the thread too, with whether all went well. What they raise comes out of the next `put`, or at
    the end.
    """

    def __init__(self, work: Callable[[Item], Any], last: Callable[[bool], Any], size: int) -> None:
        self._call, self._last = work, last
        self._queue: queue.Queue[Item | _End] = queue.Queue(size)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="write", daemon=True)

    def __enter__(self) -> Behind[Item]:
        self._thread.start()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, _: object) -> None:
        self._queue.put(_End(error))
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def put(self, item: Item) -> None:
        """Waits while the thread is behind; raises what went wrong in it."""
        if self._error is not None:
            raise self._error
        self._queue.put(item)

    def _work(self) -> None:
        while not isinstance(item := self._queue.get(), _End):
            if self._error is None:  # else the thread goes on taking, so that nobody waits for it
                self._try(self._call, item)
        if self._error is None:
            self._try(self._last, item.error is None)

    def _try(self, call: Callable[[Any], Any], value: Any) -> None:
        try:
            call(value)
        except BaseException as error:
            self._error = error
