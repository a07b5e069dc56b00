# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive their parent, and whose last words are kept."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.startup import uninterrupted

_LINES_KEPT = 30
_GRACE_S = 1.0  # from the polite signal to the one that cannot be ignored: nothing of a node is kept
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: little is safe between fork and exec


class ProcessError(MonoDepthError):
    """A child process that ended when it should not; the message holds its last lines."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self.args = (message,)  # lines stay lines


class Child:
    """One process in a session of its own: Ctrl-C in the terminal reaches the parent alone, which ends it in order.

    Attributes:
        name: for messages. stdout: queue of its lines, without their ends; None when it is closed.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self.stdout: queue.Queue[str | None] = queue.Queue()
        self._last: deque[str] = deque(maxlen=_LINES_KEPT)
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent if _LIBC else None,
        )
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True, name=f"{name}-output")
            for pair in ((self._process.stdout, self._heard), (self._process.stderr, self._last.append))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    def last_words(self) -> str:
        """The last lines it wrote to stderr."""
        if self.code() is not None:
            for reader in self._readers:
                reader.join(1.0)
        return "\n".join(self._last)

    def check(self) -> None:
        """Raise ProcessError if it has ended."""
        code = self.code()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise ProcessError(f"{self.name} {how}. Its last lines:\n{self.last_words() or '(it wrote nothing)'}")

    def signal(self, number: int) -> None:
        """Signal the process and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self, timeout_s: float) -> bool:
        """Whether it ended within `timeout_s`."""
        try:
            self._process.wait(max(timeout_s, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _heard(self, line: str) -> None:
        self.stdout.put(line)

    def _read(self, pipe: Iterator[str], use: Callable[[str], None]) -> None:
        for line in pipe:
            use(line.rstrip("\n"))
        if use == self._heard:
            self.stdout.put(None)


class Children:
    """The processes of one run; leaving the `with` block ends them all, whatever happened in it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start one more process."""
        child = Child(name, command, self._environment)
        self._children.append(child)
        return child

    def check(self, *excepted: Child) -> None:
        """Raise ProcessError if one of them has ended, apart from those `excepted`."""
        for child in self._children:
            if child not in excepted:
                child.check()

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C would leave processes behind: not before they are gone.
        with uninterrupted():
            for number in (signal.SIGTERM, signal.SIGKILL):
                for child in self._children:
                    child.signal(number)
                deadline = time.monotonic() + _GRACE_S
                # A list, not a generator: all are waited for.
                if all([child.wait(deadline - time.monotonic()) for child in self._children]):
                    break
            for child in self._children:
                child.signal(signal.SIGKILL)  # what a node may have left in its group


def _die_with_parent() -> None:
    """Runs in the child, before its program: the kernel ends it when the parent is gone, even by SIGKILL."""
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
