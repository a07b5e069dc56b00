# SPDX-License-Identifier: Apache-2.0
"""One process at a time: a lock that goes with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mono_depth_ros.errors import MonoDepthError


def lock_path(path: Path) -> Path:
    """The file that is locked for `path`: a hidden one beside it, while somebody works on it."""
    return path.with_name(f".{path.name}.lock")


@contextmanager
def locked(path: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold `path`, which need not exist, for this process alone. The lock's file says who it is: `PID HOST`.

    Raises:
        MonoDepthError: another process holds it, and still does after `patience_s`.
    """
    file = lock_path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = _acquire(file, path, time.monotonic() + patience_s)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()} {socket.gethostname()}\n".encode())
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(handle)


def _acquire(file: Path, path: Path, until_s: float) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 200).decode(errors="replace").split()
            os.close(handle)
            if time.monotonic() < until_s:
                time.sleep(0.05)
                continue
            who = f"process {holder[0]} on {holder[1]}" if len(holder) == 2 else "another process"
            raise MonoDepthError(f"{who} is working on {path}: wait for it, or end it") from error
        # The holder before may have removed the file between our opening and our locking of it.
        try:
            if os.path.samestat(os.fstat(handle), file.stat()):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)
