# SPDX-License-Identifier: Apache-2.0
"""Paths that somebody wrote: home folders, what is no file, names that are too long."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path

MAX_NAME = 255
"""Bytes in the name of a file, on every usual file system."""

_SPECIAL = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device"}


def expanded(path: str | os.PathLike[str]) -> Path:
    """With a home folder for `~` and `~user` at its beginning; where there is no such user, as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def require_file(path: str | os.PathLike[str]) -> None:
    """Refuse what would be read for ever: a named pipe waits for its writer, a device may have no end.

    Folders and what is not there are left to whoever opens them. The pipe of a shell's `<(command)` is no named one.

    Raises:
        OSError: with the reason in `strerror`.
    """
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
        kind = _SPECIAL.get(stat.S_IFMT(mode), "")
        if kind and not (stat.S_ISFIFO(mode) and os.fspath(path).startswith("/dev/fd/")):
            raise OSError(errno.EINVAL, f"it is {kind}, expected a file", os.fspath(path))


def short_name(name: str) -> str:
    """The name of a file, shortened where it is too long: the beginning, a digest of all of it, and the suffix stay."""
    encoded = os.fsencode(name)
    if len(encoded) <= MAX_NAME:
        return name
    end = f"-{hashlib.sha256(encoded).hexdigest()[:8]}{Path(name).suffix[:20]}"
    return encoded[: MAX_NAME - len(os.fsencode(end))].decode(errors="ignore") + end
