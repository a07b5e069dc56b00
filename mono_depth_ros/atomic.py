# SPDX-License-Identifier: Apache-2.0
"""Files are written whole or not at all, and one that cannot be written says why."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from mono_depth_ros.errors import MonoDepthError

_PROBE = b"\0" * (1 << 16)
_ROOM = 12  # characters that mkstemp and we add to a name
_MAX_NAME = 255  # bytes


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; rename it over `path` on success, remove it on any error.

    The sibling keeps the suffix of `path`, since writers such as OpenCV choose the format by it. The rename is
    atomic within one file system, so a reader sees the old file or the new one and never a part.

    Raises:
        OSError: it cannot be written: with `filename`, and in `strerror` the reason, also where the library that wrote
            gave none, and how far it came.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        with saying_why(path):
            temporary = _sibling(path)
        with saying_why(path, temporary):
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # mkstemp makes the file private; give it the usual mode
            os.replace(temporary, path)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _sibling(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    stem = os.fsencode(path.stem)[: _MAX_NAME - _ROOM - len(os.fsencode(path.suffix))].decode(errors="ignore")
    handle, name = tempfile.mkstemp(prefix=f".{stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    return Path(name)


@contextmanager
def saying_why(path: Path, written: Path | None = None) -> Iterator[None]:
    """Within, what keeps a file from being written becomes the OSError of `write_error`; other errors stay."""
    try:
        yield
    except MonoDepthError:
        raise
    except Exception as error:
        found = write_error(error, path, written)
        if found is None:
            raise
        raise found from error


def write_whole(path: str | os.PathLike[str], *parts: bytes | bytearray | memoryview) -> None:
    """Write a file whose bytes are known, whole or not at all.

    Raises:
        OSError: as `atomic_path`; it also says how many of the bytes were written.
    """
    with atomic_path(path) as temporary:
        try:
            with temporary.open("wb", buffering=0) as file:
                for part in parts:
                    rest = memoryview(part)
                    while rest.nbytes:
                        rest = rest.cast("B")
                        rest = rest[file.write(rest) :]
        except OSError as error:
            done, size = temporary.stat().st_size, sum(memoryview(part).nbytes for part in parts)
            words = f"{error.strerror} ({done} of {size} bytes written)"
            raise OSError(error.errno, words, str(path)) from error


def write_error(error: Exception, path: Path, written: Path | None = None) -> OSError | None:
    """What kept a file from being written, as an OSError with its reason in words; None for another kind of error.

    NumPy, torch, sqlite3 and others end with an error that has no reason: then the disk is asked again.

    Args:
        path: of the file, for the sentence. written: what was written so far, which is spoiled by this, or a folder
            on the same disk.
    """
    if isinstance(error, OSError) and error.errno is not None:
        inner = error.filename is None or isinstance(error.filename, int) or error.filename2 is not None
        named = str(path) if inner or error.filename == str(written) else error.filename
        return OSError(error.errno, error.strerror or os.strerror(error.errno), named)
    stated = re.search(r"\(os error (\d+)\)", str(error))  # as Rust says it, in which safetensors is written
    if stated:
        return OSError(int(stated[1]), os.strerror(int(stated[1])), str(path))
    if written is not None and (found := _refusal(written)) is not None:
        return OSError(found.errno, found.strerror, str(path))
    if isinstance(error, OSError):
        return OSError(errno.EIO, str(error) or type(error).__name__, str(path))
    return None


def _refusal(written: Path) -> OSError | None:
    """Why the disk takes no more."""
    done = 0
    try:
        with NamedTemporaryFile(dir=written) if written.is_dir() else written.open("ab", buffering=0) as file:
            done = file.tell()
            for _ in range(3):  # a write that fits in part is no error, the next one is
                os.write(file.fileno(), _PROBE)
    except OSError as error:
        return OSError(error.errno, f"{error.strerror} (after {done} bytes)" if done else error.strerror)
    return None
