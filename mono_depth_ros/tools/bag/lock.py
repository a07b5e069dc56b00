# SPDX-License-Identifier: Apache-2.0
"""One process at a time on an output: a lock that goes with the process that holds it, however that ends.

Two means together, since neither holds everywhere. flock(2) is let go by the kernel with the process, kill -9 included;
all processes and containers of a machine share it, and on NFS all machines do. For file systems that do not share it
between machines, or do not know it (Lustre by its mount options, some FUSE), there is the lease: the holder touches the
lock file every BEAT_S, and another machine takes it over when that has not happened for LEASE_S, by the clock of the
file system. A holder that stood still so long that this happened ends itself, touching nothing, within BEAT_S.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mono_depth_ros.errors import MonoDepthError, shown

BEAT_S = 5.0
LEASE_S = 60.0

_PATIENCE_S = 0.3  # two that begin in the same moment see each other: one of them tries again
_RETRY_S = 0.02
_SETTLE_S = 1.0  # of two machines that take a lapsed lease at once, the second to write has it
_RECORD = 256  # bytes, always: a record is replaced by one write
_MAX_NAME = 200


class BusyError(MonoDepthError):
    """Another process works on it."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: the record in its file, `PID HOST SECONDS KERNEL TOKEN`; all "" where it cannot be read.

    Attributes:
        since_s: of the epoch. kernel: of its machine, the same in all containers there. token: of this lock alone.
    """

    pid: str = ""
    host: str = ""
    since_s: str = ""
    kernel: str = ""
    token: str = ""

    @classmethod
    def me(cls) -> Holder:
        host = socket.gethostname().split()[0][:80] if socket.gethostname().strip() else "?"
        return cls(str(os.getpid()), host, f"{time.time():.0f}", _kernel(), uuid.uuid4().hex)

    @classmethod
    def of(cls, record: bytes) -> Holder:
        words = record.decode("ascii", "replace").split()
        return cls(*words) if len(words) == 5 else cls(*words[:2]) if len(words) == 2 else cls()

    def record(self) -> bytes:
        words = " ".join((self.pid, self.host, self.since_s, self.kernel, self.token))
        return words.encode("ascii", "replace")[: _RECORD - 1].ljust(_RECORD - 1) + b"\n"

    def working_on(self, path: Path) -> str:
        """Who it is and since when, in words."""
        who = f"process {shown(self.pid)} on {shown(self.host)}" if self.pid else "another process"
        since = ""
        if self.since_s.isdecimal():
            since = f" since {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(int(self.since_s)))}"
        return f"{who} is working on {path}{since}"


def lock_path(path: Path) -> Path:
    """The file that is locked for `path`: a hidden one beside it, while somebody works on it."""
    path, name = path.resolve(), path.resolve().name
    if len(os.fsencode(name)) > _MAX_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return path.parent / f".{name}.lock"


@contextmanager
def locked(*paths: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold all of `paths`, which need not exist, for this process alone.

    Raises:
        BusyError: another process holds one, and still does after `patience_s`. MonoDepthError: there can be no lock.
    """
    until_s = time.monotonic() + max(patience_s, _PATIENCE_S)
    with ExitStack() as stack:
        for file, path in sorted({lock_path(path): path for path in paths}.items()):
            try:
                stack.enter_context(_folders(file.parent))
                stack.enter_context(_held(file, path, until_s))
            except OSError as error:
                raise MonoDepthError(f"{path} cannot be locked: {error.filename or file}: {error.strerror}") from error
        yield


def holder(path: Path) -> Holder | None:
    """Who works on `path`; None where nobody does."""
    with suppress(OSError), open(lock_path(path), "rb+") as stream:
        free = _is_free(stream.fileno(), lock_path(path))
        return None if free else Holder.of(os.pread(stream.fileno(), _RECORD, 0))
    return None


@contextmanager
def _held(file: Path, path: Path, until_s: float) -> Iterator[None]:
    me = Holder.me()
    handle = _acquire(file, path, me, until_s)
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(file, path, handle, me, done), name="lock", daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()
        with suppress(OSError):
            if _record_of(file).token == me.token:
                file.unlink()
        os.close(handle)


def _acquire(file: Path, path: Path, me: Holder, until_s: float) -> int:
    while True:
        handle, held = _attempt(file, me)
        if handle is not None:
            return handle
        if time.monotonic() >= until_s:
            raise BusyError(f"{held.working_on(path)}: wait for it, or end it")
        time.sleep(_RETRY_S)


def _attempt(file: Path, me: Holder) -> tuple[int | None, Holder]:
    """An open, locked file with our record, or None and who has it."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:  # another process has removed the folder that it had made
        file.parent.mkdir(parents=True, exist_ok=True)
        return None, Holder()
    except FileExistsError:
        try:
            handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None, Holder()
    else:
        _write_first(handle, file, me)  # before flock: from here on other machines see a lease
    try:
        held = Holder.of(os.pread(handle, _RECORD, 0))
        # Its holder may have removed the file between our opening and our locking of it.
        if _is_free(handle, file, me) and os.path.samestat(os.fstat(handle), file.stat()):
            os.pwrite(handle, me.record(), 0)
            if held.kernel != me.kernel:
                time.sleep(_SETTLE_S)
            if _record_of(file).token == me.token:
                taken, handle = handle, -1
                return taken, me
        return None, held
    except FileNotFoundError:
        return None, held
    finally:
        if handle >= 0:
            os.close(handle)


def _write_first(handle: int, file: Path, me: Holder) -> None:
    """The record of a new lock file, which goes again where the disk is full."""
    try:
        os.pwrite(handle, me.record(), 0)
    except OSError:
        os.close(handle)
        file.unlink(missing_ok=True)
        raise


def _is_free(handle: int, file: Path, me: Holder | None = None) -> bool:
    """Whether nobody holds an open lock file; then it is locked by flock, where there is one."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        flocked = True
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        flocked = False  # this file system has none
    held = Holder.of(os.pread(handle, _RECORD, 0))
    if (me is not None and held.token == me.token) or (flocked and held.kernel == _kernel()):
        return True
    return _now_s(file.parent) - os.fstat(handle).st_mtime > LEASE_S


def _beat(file: Path, path: Path, handle: int, me: Holder, done: threading.Event) -> None:
    """Keep the lease, and end the process where another has taken it."""
    while not done.wait(BEAT_S):
        with suppress(OSError):
            os.utime(handle)
            if (other := _record_of(file)).token not in (me.token, "") and not done.is_set():
                _end(f"{other.working_on(path)}: this process had stood still for more than {LEASE_S:g} s")


def _end(words: str) -> None:
    sys.stderr.write(f"\nmono_depth bag: {words}\n")
    sys.stderr.flush()
    os._exit(1)


def _record_of(file: Path) -> Holder:
    with file.open("rb") as stream:
        return Holder.of(stream.read(_RECORD))


def _now_s(folder: Path) -> float:
    """The time of the file system, which may be that of another machine."""
    with tempfile.TemporaryFile(dir=folder) as stream:
        stream.write(b"\n")
        stream.flush()
        return os.fstat(stream.fileno()).st_mtime


@cache
def _kernel() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"host-{socket.gethostname()}".replace(" ", "-")


@contextmanager
def _folders(folder: Path) -> Iterator[None]:
    """A folder, made if need be; what was made goes again where it stayed empty."""
    made = [item for item in (folder, *folder.parents) if not item.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for item in made:
            with suppress(OSError):
                item.rmdir()
