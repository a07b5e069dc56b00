# SPDX-License-Identifier: Apache-2.0
"""A kind of file whose reader makes every mistake that the corruption run is there to find, by the file's name."""

from __future__ import annotations

import os
import time
from pathlib import Path

from corruption_parts.kind import Kind, Target
from mono_depth_ros.errors import DataError

_WHOLE = b"whole" * 20
_FILES = ("good", "foreign", "unnamed", "bare", "lost", "memory", "hang", "crash")


def _read(path: Path) -> int:
    if path.read_bytes() == _WHOLE:
        return 20
    name = path.name
    if name == "foreign":
        raise ValueError("nobody caught this")
    if name == "unnamed":
        raise DataError("some file is broken, expected a whole one")
    if name == "bare":
        raise DataError(f"{path} cannot be read: KeyError: 'x'")
    if name == "memory":
        bytearray(60 << 20)
    if name == "hang":
        time.sleep(60)
    if name == "crash":
        os.abort()
    if name == "lost":
        return 2
    raise DataError(f"{path} is broken, expected the word whole twenty times")


def _make(folder: Path) -> list[Target]:
    for name in _FILES:
        (folder / name).write_bytes(_WHOLE)
    return [Target(folder / name, _read, (lambda _, __: 3) if name == "lost" else None) for name in _FILES]


FAULTY = Kind(_make, seconds=1.0, megabytes=40)
