# SPDX-License-Identifier: Apache-2.0
"""One file from the hub to the disk: continued where the last attempt ended, checked, and there only when whole."""

from __future__ import annotations

import errno
import hashlib
import http.client
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mono_depth_ros.cache import sha256
from mono_depth_ros.models.weights.client import FetchError, HubClient, Listing, RemoteFile, unreachable

LOGGER = logging.getLogger(__name__)

DELAYS_S = (1.0, 2.0, 4.0, 8.0)
"""Waits between attempts of which none brought a byte."""

_BLOCK = 1 << 20

OnBytes = Callable[[int], None]
"""Told how many bytes were added to a file; negative where it starts again."""


def download(client: HubClient, listing: Listing, file: RemoteFile, target: Path, on_bytes: OnBytes) -> None:
    """Make `target` the file; what has come lies in `partial_path(target)` until then, also after a kill.

    Raises:
        FetchError: it cannot be had or written, or is not what the hub says it is; what has come so far is kept.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(partial_path(target), target) as part:
            if part is None:
                on_bytes(file.size)  # another process has just finished it
                return
            resumed = _fill(client, listing, file, part, on_bytes)
            whole = _is(file, partial_path(target))
            if resumed and not whole:
                LOGGER.warning("%s: what an earlier attempt left is damaged, it is fetched again", file.name)
                _restart(part, on_bytes)
                _fill(client, listing, file, part, on_bytes)
                whole = _is(file, partial_path(target))
            if not whole:
                _restart(part, on_bytes)
                expected = file.sha256 or file.etag
                raise FetchError(f"{file.name} came with another content than its digest {expected} says")
            os.fsync(part.fileno())
            os.replace(partial_path(target), target)
    except OSError as error:
        raise unwritable(error, target.parent) from error


def partial_path(target: Path) -> Path:
    """Where a file lies while it is not whole."""
    return target.with_name(f"{target.name}.partial")


def matches(path: Path, etag: str) -> bool:
    """Whether a file has the content that an ETag says; True where the ETag is no digest.

    40 digits are the SHA-1 of git's blob (a header and the content); some mirrors take that of the content alone.
    """
    if len(etag) == 64:
        return sha256(path) == etag
    if len(etag) == 40:
        states = (hashlib.sha1(b"blob %d\0" % path.stat().st_size), hashlib.sha1())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                for state in states:
                    state.update(block)
        return etag in {state.hexdigest() for state in states}
    return True


def unwritable(error: OSError, folder: Path) -> FetchError:
    """Why nothing can be written to a folder, as a clause."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FetchError(f"the disk of {folder} is full: make room and fetch again, what has come so far is kept")
    return FetchError(f"{error.filename or folder} cannot be written ({error.strerror or error})")


def _is(file: RemoteFile, path: Path) -> bool:
    return matches(path, file.etag) and (file.sha256 in ("", file.etag) or matches(path, file.sha256))


def _fill(client: HubClient, listing: Listing, file: RemoteFile, part: BinaryIO, on_bytes: OnBytes) -> bool:
    """Add what is missing; True where there was something already."""
    if part.seek(0, os.SEEK_END) > file.size:
        _restart(part, lambda _: None)
    resumed = part.tell() > 0
    on_bytes(part.tell())
    failures = 0
    while (offset := part.seek(0, os.SEEK_END)) < file.size:
        try:
            _stream(client, listing, file, part, on_bytes)
        except FetchError as error:
            failures = 0 if part.seek(0, os.SEEK_END) > offset else failures + 1
            if not error.passing or failures > len(DELAYS_S):
                raise
            LOGGER.info("%s: %s; going on at %d of %d bytes", file.name, error, part.tell(), file.size)
            time.sleep(DELAYS_S[max(failures - 1, 0)])
    return resumed


def _stream(client: HubClient, listing: Listing, file: RemoteFile, part: BinaryIO, on_bytes: OnBytes) -> None:
    """One request for the rest."""
    offset = part.tell()
    with client.open(listing, file.name, offset) as response:
        begins = f"bytes {offset}-"
        if offset and not (response.status == 206 and response.headers.get("Content-Range", "").startswith(begins)):
            _restart(part, on_bytes)  # a server that does not know ranges sends all of it
            if response.status != 200:
                raise FetchError(f"the answer to a request from byte {offset} on starts elsewhere", passing=True)
        while part.tell() < file.size:
            try:
                block = response.read1(min(_BLOCK, file.size - part.tell()))  # what has come, at once
            except (OSError, http.client.HTTPException) as error:
                raise unreachable(error, client.host, client.timeout_s) from error
            if not block:
                raise FetchError("the connection ended early", passing=True)
            part.write(block)
            part.flush()
            on_bytes(len(block))


def _restart(part: BinaryIO, on_bytes: OnBytes) -> None:
    on_bytes(-part.seek(0, os.SEEK_END))
    part.seek(0)
    part.truncate()


@contextmanager
def _locked(path: Path, target: Path) -> Iterator[BinaryIO | None]:
    """The partial file, open for reading and appending, for this process alone; None where `target` is there."""
    while True:
        with path.open("a+b") as part:
            _lock(part, path)
            if target.exists():
                path.unlink(missing_ok=True)
                yield None
                return
            try:
                same = os.path.samestat(os.fstat(part.fileno()), path.stat())
            except FileNotFoundError:
                same = False
            if same:  # else the process that we waited for has renamed or removed it
                yield part
                return


def _lock(part: BinaryIO, path: Path) -> None:
    try:
        import fcntl
    except ImportError:
        return  # not on Windows; the digest tells when two processes have written to one file
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        LOGGER.info("waiting for another process that fetches %s", path.stem)
        fcntl.flock(part, fcntl.LOCK_EX)
    except OSError as error:
        LOGGER.debug("%s cannot be locked: %s", path, error)
