# SPDX-License-Identifier: Apache-2.0
"""A kind of file: whole ones, and the public reader or command that each is read by."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from mono_depth_ros.errors import MonoDepthError

_ERROR_CLASS = re.compile(r"\b[A-Z][A-Za-z]*(Error|Exception|Warning)\b")
_REASON_NONE = re.compile(r": None[.;,]?$")

Read = Callable[[Path], int | None]
"""Reads a file as a user would have it read; returns how many things it found in it (messages, points), or None."""


@dataclass(frozen=True)
class Target:
    """A whole file that is damaged and read.

    Attributes:
        path: where it lies; files beside it, as those of a bag, stay whole.
        at_least: how many things must still be read of it, given its whole and its damaged bytes: the good part.
    """

    path: Path
    read: Read
    at_least: Callable[[bytes, bytes], int] | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        make: writes whole files into an empty folder.
        text: people write it, so that it may also be nested deeply, hold other types, be of another encoding.
        seconds, megabytes: that one file may take.
    """

    make: Callable[[Path], Sequence[Target]]
    text: bool = False
    seconds: float = 10.0
    megabytes: int = 1024


def unclear(sentence: str, names: tuple[str, ...]) -> str:
    """What is wrong with an error's sentence; empty where it says, in words and on one line, which file it is about."""
    if not any(name in sentence for name in names):
        return "names no file"
    if "\n" in sentence or len(sentence) > 2100:
        return "is no single line"
    if found := _ERROR_CLASS.search(sentence):
        return f"holds {found[0]}"
    if _REASON_NONE.search(sentence):
        return "gives None as the reason"
    return "is no sentence" if len(sentence.split()) < 5 else ""


def command(*words: str | Path) -> None:
    """`mono_depth WORDS` in this process.

    Raises:
        MonoDepthError: it ended with an error; the last line that it said.
        RuntimeError: it ended otherwise than such a command may.
    """
    from mono_depth_ros.tools.cli import main

    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        code = main([str(word) for word in words])
    if code == 2:
        raise RuntimeError(f"usage error: {said.getvalue()[-500:]}")
    if "Traceback" in said.getvalue():
        raise RuntimeError(f"traceback: {said.getvalue()[-500:]}")
    if code:
        lines = [line for line in said.getvalue().splitlines() if line.strip() and "%|" not in line]
        # The last line of a command for several files says how many failed, those before it which and why.
        reasons = [line for line in lines if " failed" not in line] or lines or ["nothing was said"]
        raise MonoDepthError(reasons[-1])
