# SPDX-License-Identifier: Apache-2.0
"""Threads around what takes the time: one makes its input ahead, one takes its output away, in order, few at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import torch

Item = TypeVar("Item")

_END: Any = object()


def use_one_core() -> None:
    """Have torch compute on one core in this thread, and on as many as before in the others."""
    if (count := torch.get_num_threads()) > 1:
        torch.set_num_threads(1)
        # torch has the number for each thread, but begins new ones with that which was set last, wherever it was.
        other = threading.Thread(target=torch.set_num_threads, args=(count,))
        other.start()
        other.join()


def ahead(source: Iterator[Item], size: int) -> Generator[Item, None, None]:
    """The items of an iterator that runs in a thread; `size` items wait at most. Its error comes in its place.

    To end it early, close it (`contextlib.closing`): the thread ends with the item that it is making.
    """
    with ThreadPoolExecutor(1, "ahead") as pool:
        waiting = deque(pool.submit(next, source, _END) for _ in range(size + 1))
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(pool.submit(next, source, _END))
                yield item
        finally:
            for future in waiting:
                future.cancel()


class Behind(Generic[Item]):
    """Calls a function with each item in a thread, in order; `size` items wait at most. A context manager.

    Leaving it waits until all that was put is done, also after an error elsewhere: nothing is lost by a Ctrl-C. Then
    `last` is called, in the thread too, with whether all went well. What they raise comes out of a later `put`, or at
    the end; nothing more is called after it.
    """

    def __init__(self, work: Callable[[Item], Any], last: Callable[[bool], Any], size: int) -> None:
        self._work, self._last, self._size = work, last, size
        self._pool = ThreadPoolExecutor(1, "behind")
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def __enter__(self) -> Behind[Item]:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, _: object) -> None:
        self._waiting.append(self._pool.submit(self._call, self._last, error is None))
        self._pool.shutdown()
        if kind is None:
            for future in self._waiting:
                future.result()

    def put(self, item: Item) -> None:
        """Waits while the thread is behind; raises what went wrong in it."""
        while len(self._waiting) > self._size:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._call, self._work, item))

    def _call(self, function: Callable[[Any], Any], value: Any) -> None:
        if self._failed:
            return
        try:
            function(value)
        except BaseException:
            self._failed = True
            raise
