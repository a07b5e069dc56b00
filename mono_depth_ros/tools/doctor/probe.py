# SPDX-License-Identifier: Apache-2.0
"""Questions to another process, which may hang, crash or not be there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from mono_depth_ros.errors import MonoDepthError, shown

PATIENCE_S = 20.0
_LINE = 160
_RUNNING: set[subprocess.Popen[str]] = set()


class ProbeError(MonoDepthError):
    """The process gave no answer; the sentence says how it ended."""


def installed(module: str) -> bool:
    """Whether a module can be found, without importing it."""
    with suppress(ImportError, ValueError, AttributeError):
        return find_spec(module) is not None
    return False


def version_of(*distributions: str) -> str:
    """The version of the first of these distributions that is installed, or ""."""
    for name in distributions:
        with suppress(PackageNotFoundError):
            return version(name)
    return ""


def ask_python(code: str) -> str:
    """What Python code prints, in a process of its own.

    Raises:
        ProbeError: it fails.
    """
    return ask([sys.executable, "-c", code])


def ask(command: Sequence[str], patience_s: float | None = None) -> str:
    """What a command prints on stdout.

    Raises:
        ProbeError: it fails, or gives no answer in time.
    """
    patience_s = patience_s or PATIENCE_S
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace"
        )
    except OSError as error:
        raise ProbeError(f"{error.strerror}") from error
    _RUNNING.add(process)
    try:
        out, errors = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise ProbeError(f"no answer within {patience_s:g} s") from error
    finally:
        _RUNNING.discard(process)
    code = process.returncode
    if code < 0:
        with suppress(ValueError):
            raise ProbeError(f"ended by {signal.Signals(-code).name}")
        raise ProbeError(f"ended by signal {-code}")
    if code:
        lines = [line for line in errors.splitlines() if line.strip()] or [f"exit code {code}"]
        raise ProbeError(shown(lines[-1].strip(), _LINE))
    return out.strip()


def end_all() -> None:
    """End the processes that are being asked, in whatever thread."""
    for process in tuple(_RUNNING):
        process.kill()
