# SPDX-License-Identifier: Apache-2.0
"""What was skipped and why, by name; with MONO_DEPTH_TEST_SKIPS=FILE it is written there, and a skip that
allowed_skips.txt does not allow is a failure.

A line of that file is `CONDITION: REASON`: skips whose reason matches the regular expression REASON are allowed where
the condition holds. A condition is `no NAME` or `has NAME` of a module, a program, `cuda` or `browser`, or `always`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "MONO_DEPTH_TEST_SKIPS"
LIST = Path(__file__).with_name("allowed_skips.txt")
BROWSERS = ("chromium", "google-chrome", "chromium-browser")  # those of tools/demo/conftest.py


def has(name: str) -> bool:
    """Whether this machine has it."""
    if name == "cuda":
        import torch

        return torch.cuda.is_available()
    if name == "browser":
        return any(map(shutil.which, BROWSERS))
    return importlib.util.find_spec(name) is not None or shutil.which(name) is not None


def reasons(lines: Iterable[str], has: Callable[[str], bool] = has) -> list[re.Pattern[str]]:
    """Of the skips that are allowed on this machine."""
    found = []
    for line in filter(None, (line.partition("#")[0].strip() for line in lines)):
        condition, _, reason = line.partition(": ")
        word, _, name = condition.partition(" ")
        if word not in ("no", "has", "always") or not reason or bool(name) == (word == "always"):
            raise ValueError(
                f"{LIST.name}: '{line}', expected 'no NAME: REASON', 'has NAME: REASON' or 'always: REASON'"
            )
        if word == "always" or has(name) == (word == "has"):
            found.append(re.compile(reason))
    return found


def summary(skips: dict[str, list[str]], allowed: list[re.Pattern[str]]) -> tuple[list[str], bool]:
    """Lines that say what was skipped, tests by reason, and whether all of it is allowed."""
    lines, good = [], True
    for reason, names in sorted(skips.items()):
        fine = any(pattern.search(reason) for pattern in allowed)
        good = good and fine
        counts = {name: names.count(name) for name in dict.fromkeys(names)}
        words = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in counts.items())
        lines.append(f"{'skipped' if fine else 'SKIPPED, WHICH IS NOT ALLOWED HERE'}: {reason}: {words}")
    return lines, good


def skipped(reports: Iterable[Any]) -> dict[str, list[str]]:
    """Tests, or files, by the reason why they were skipped; the parameters of a test are left out."""
    found: dict[str, list[str]] = {}
    for report in reports:
        if isinstance(report.longrepr, tuple) and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            found.setdefault(reason, []).append(report.nodeid.partition("[")[0])
    return found


def pytest_sessionfinish(session: pytest.Session) -> None:
    path, reporter = os.environ.get(VARIABLE), session.config.pluginmanager.get_plugin("terminalreporter")
    if not path or reporter is None or hasattr(session.config, "workerinput"):  # xdist's workers report to another
        return
    lines, good = summary(skipped(reporter.stats.get("skipped", ())), reasons(LIST.read_text().splitlines()))
    Path(path).write_text("".join(f"{line}\n" for line in lines or ["nothing was skipped"]))
    if not good and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
