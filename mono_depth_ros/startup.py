# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while something heavy is imported.

A KeyboardInterrupt raised while a C++ module is loaded ends the process by abort (pybind11's error_already_set), or is
swallowed by a callback, and the program goes on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

INTERRUPTED = 128 + signal.SIGINT
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.05  # until the next look whether an import has ended


@contextmanager
def importing(last_words: str = "\nmono_depth: interrupted\n") -> Iterator[None]:
    """Within, Ctrl-C ends the process at once, with exit code 130: for imports when there is nothing to tidy up."""
    with _handled(partial(_leave, last_words), signal.SIGINT):
        yield


@contextmanager
def signals_later() -> Iterator[None]:
    """Within, what would end the process waits for the end: for imports when there is something to tidy up."""
    came: list[int] = []
    try:
        with _handled(lambda found, _: came.append(found), *_ENDING):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def interrupts_between_imports() -> Iterator[None]:
    """Within, Ctrl-C raises KeyboardInterrupt, but waits for the end of an import that it falls into."""
    with _handled(_interrupt, signal.SIGINT):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within, what would end the process does nothing: for tidying up."""
    with _handled(signal.SIG_IGN, *_ENDING):
        yield


@contextmanager
def _handled(handler: Any, *numbers: int) -> Iterator[None]:
    """Within, these signals go to the handler; only the main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _leave(last_words: str, *_: Any) -> None:
    sys.stderr.write(last_words)
    sys.stderr.flush()
    os._exit(INTERRUPTED)
