# SPDX-License-Identifier: Apache-2.0
"""How a process of this package ends by SIGINT, SIGTERM or SIGHUP: at any moment quietly, with 128 + the signal.

A KeyboardInterrupt raised while a C++ module is loaded ends the process by abort (pybind11's error_already_set), or is
swallowed by a callback, and the program goes on. So nothing is raised during an import, and in a node nothing at all.

Also how the process of a node shares a machine with others: its memory, and threads that wait.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any

EXIT_WITH_PARENT = "MONO_DEPTH_ROS_EXIT_WITH_PARENT"
"""Environment variable: the id of the process with which a node ends; "1" stands for the one that started it."""
INTERRUPTED = 128 + signal.SIGINT
LEAVING_S = 1.5
"""What a node has for leaving: then it is gone, whatever it is doing."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.05  # until the next look whether an import has ended
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of malloc.h
_KEPT_BYTES = 2**31 - 1  # the largest there
_LOOK_S = 0.5  # between two looks whether a process is still there, where its end cannot be waited for
_WATCHER = "mono_depth_ros-signals"  # name of our threads


def process(main: Callable[[], int]) -> int:
    """Run `main` in a process that is there for it alone: what the signals do is changed for good.

    A signal before `main` has come to its own handlers ends the process at once; one after it is not heard.
    """
    _handle(_leave)
    code = main()
    _handle(_nothing)
    _handle(signal.SIG_IGN)  # a handler would be the default again in the last moments of the interpreter
    if any(thread.daemon and thread.name != _WATCHER for thread in threading.enumerate()):
        # A thread in C++, as that of a network, aborts the process when it comes back to an interpreter that has ended.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def node_main(module: str) -> Callable[[], int]:
    """The entry point of a node: imports the module and runs its `main`; ends with the process that launched it.

    The threads of OpenMP, such as those of a network, sleep while they wait, unless OMP_WAIT_POLICY says otherwise. By
    themselves they spin: with one other busy process on two cores a small network then has a quarter of its rate.
    """

    def load_and_run() -> int:
        _end_with_parent()
        keep_freed_memory()
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        code: int = importlib.import_module(module).main()
        return code

    return partial(process, load_and_run)


def keep_freed_memory() -> None:
    """Have glibc keep what is freed for the next image, unless the environment says how it allocates.

    By itself it gives blocks above 32 MB, and what is free at the end of its heap, back to the system at once. Fresh
    pages cost more than filling them: half of the rate of full-HD clouds. One arena for all threads is enough, as a
    block of another thread is given back whatever these settings say.
    """
    if "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc alone
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        for parameter in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            mallopt(parameter, _KEPT_BYTES)


def exit_code(number: int) -> int:
    """Of a process that a signal has ended: 0 under our launch files, as launch calls anything else a death."""
    return 0 if os.environ.get(EXIT_WITH_PARENT) else 128 + number


@contextmanager
def importing() -> Iterator[None]:
    """Within, a signal ends the process at once: for imports of the tools, when there is nothing to tidy up."""
    with _handled(partial(_leave, words="\nmono_depth: interrupted\n")):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, SIGINT raises KeyboardInterrupt and the others SystemExit: for what is tidied up by `finally`.

    They wait for the end of an import that they fall into, and come again where a callback has swallowed them.
    """
    before = sys.unraisablehook

    def swallowed(found: sys.UnraisableHookArgs) -> None:
        if isinstance(found.exc_value, KeyboardInterrupt):
            _again(signal.SIGINT)
        elif isinstance(found.exc_value, _Terminated):
            _again(found.exc_value.number)
        else:
            before(found)

    with _handled(_raise):
        sys.unraisablehook = swallowed
        try:
            yield
        finally:
            sys.unraisablehook = before


class Ending:
    """Attributes: number: of the first signal that came; None before."""

    number: int | None = None

    def came(self, number: int, _: Any = None) -> None:
        self.number = self.number or number


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within, a signal waits for the end: for what is done whole or not at all, tidying up included."""
    came = Ending()
    try:
        with _handled(came.came):
            yield
    finally:
        if came.number is not None:
            signal.raise_signal(came.number)


@contextmanager
def ending() -> Iterator[Ending]:
    """Within, a signal raises nothing: what runs in here looks at the result, and ends by itself within LEAVING_S.

    If it does not, the process ends all the same, also while the main thread is inside a library.
    """
    found = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    threading.Thread(target=_end_late, args=(read, found), name=_WATCHER, daemon=True).start()
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        with _handled(found.came):
            yield found
    finally:
        signal.set_wakeup_fd(before)
        os.close(write)


def _end_late(read: int, found: Ending) -> None:
    with open(read, "rb", buffering=0) as pipe:  # open to the end, for further signals
        while (byte := pipe.read(1)) and byte[0] not in _ENDING:
            pass
        if not byte:
            return
        found.came(byte[0])
        if byte[0] == signal.SIGHUP:
            os.kill(os.getpid(), signal.SIGTERM)  # rclpy shuts down at SIGINT and SIGTERM only
        time.sleep(LEAVING_S)
        os._exit(exit_code(byte[0]))


def _end_with_parent() -> None:
    """Signals to `ros2 launch` do not reach its nodes, and it may end by an exception: they watch it."""
    text = os.environ.get(EXIT_WITH_PARENT, "")
    if text.isdecimal():
        pid = os.getppid() if text == "1" else int(text)
        threading.Thread(target=_outlive, args=(pid,), name=_WATCHER, daemon=True).start()


def _outlive(pid: int) -> None:
    _wait_for_end(pid)
    with suppress(OSError):  # the other end of stderr may be gone as well
        sys.stderr.write("[mono_depth_ros] the process that started this node is gone: shutting down\n")
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_end(pid: int) -> None:
    with suppress(ProcessLookupError):
        if sys.platform == "linux":
            with suppress(PermissionError):  # as in a container that does not allow it
                select.select([os.pidfd_open(pid)], [], [])
                return
        while True:
            os.kill(pid, 0)
            time.sleep(_LOOK_S)


class _Terminated(SystemExit):
    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def _raise(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            _again(number)
            return
        frame = frame.f_back
    raise KeyboardInterrupt if number == signal.SIGINT else _Terminated(number)


def _again(number: int) -> None:
    timer = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
    timer.name, timer.daemon = _WATCHER, True
    timer.start()


def _leave(number: int, _: Any, words: str = "") -> None:
    if number == signal.SIGINT:
        with suppress(OSError):
            sys.stderr.write(words)
            sys.stderr.flush()
    os._exit(exit_code(number))


def _nothing(*_: Any) -> None:
    """In place of SIG_IGN: Python prints a complaint of a signal that came just before that is set."""


def _handle(handler: Any) -> dict[int, Any]:
    """Give the signals to the handler; what had them before. SIGHUP stays ignored under `nohup`."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [number for number in _ENDING if number != signal.SIGHUP or not ignored]
    return {number: signal.signal(number, handler) for number in numbers}


@contextmanager
def _handled(handler: Any) -> Iterator[None]:
    """Within, the handler has the signals; only the main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _handle(handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
