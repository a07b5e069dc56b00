# SPDX-License-Identifier: Apache-2.0
"""stdout and stderr of a tool that may be closed, full, or of an encoding without the character."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from mono_depth_ros.errors import MonoDepthError

T = TypeVar("T")


class OutputError(MonoDepthError):
    """stdout cannot be written."""


def prepare() -> None:
    """Replace the streams of this process: results that cannot be written are an OutputError, words are left out.

    A stream that was closed becomes one that cannot be written: else the next file that is opened gets its number, and
    what is printed goes into that file.
    """
    for number, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # the lowest number that is free
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    terminal = os.isatty(1)
    binary = open(1, "wb", closefd=False)  # noqa: SIM115  for the whole process
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    # Names of files come out as the bytes that they are.
    errors = "surrogateescape" if encoding.lower().replace("-", "") == "utf8" else "backslashreplace"
    sys.stdout = _Results(binary, encoding, errors, line_buffering=terminal)
    raw = open(2, "wb", buffering=0, closefd=False)  # noqa: SIM115
    sys.stderr = _Words(raw, getattr(sys.stderr, "encoding", None) or "utf-8", "backslashreplace", write_through=True)


def give_up() -> None:
    """Nothing more goes to stdout, not even at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class _Results(io.TextIOWrapper):
    def write(self, text: str) -> int:
        return _named(lambda: super(_Results, self).write(text))

    def flush(self) -> None:
        _named(super().flush)


def _named(action: Callable[[], T]) -> T:
    try:
        return action()
    except BrokenPipeError:
        raise  # the reader has left, as `head` does: nobody waits for a sentence
    except OSError as error:
        reason = "it is closed" if error.errno == errno.EBADF else error.strerror
        raise OutputError(f"stdout cannot be written: {reason}") from error


class _Words(io.TextIOWrapper):
    """A full log ends no conversion."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()
