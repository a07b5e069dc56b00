# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a tool imports what is heavy."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 128 + signal.SIGINT


@contextmanager
def importing() -> Iterator[None]:
    """Within, Ctrl-C ends the process at once with exit code 130: only for imports, when there is nothing to tidy up.

    Importing torch and others runs callbacks in which Python swallows a KeyboardInterrupt, and the tool would go on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def signals_later() -> Iterator[None]:
    """Within, what would end the process waits for the end: for imports when there is something to tidy up.

    A KeyboardInterrupt raised while a C++ module is loaded ends the process by abort (pybind11's error_already_set), or
    is swallowed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda found, _: came.append(found)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _leave(*_: Any) -> None:
    sys.stderr.write("\nmono_depth: interrupted\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)
