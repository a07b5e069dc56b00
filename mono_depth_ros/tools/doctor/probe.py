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
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=patience_s
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"no answer within {patience_s:g} s") from error
    except OSError as error:
        raise ProbeError(f"{error.strerror}") from error
    if done.returncode < 0:
        with suppress(ValueError):
            raise ProbeError(f"ended by {signal.Signals(-done.returncode).name}")
        raise ProbeError(f"ended by signal {-done.returncode}")
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise ProbeError(shown(lines[-1].strip(), _LINE))
    return done.stdout.strip()
