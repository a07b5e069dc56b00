# SPDX-License-Identifier: Apache-2.0
"""Who converts the bags of a folder: a task, what became of it, and the crew of one that is this process."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.runtime.device_errors import is_lost
from mono_depth_ros.tools.bag.convert import Job, convert
from mono_depth_ros.tools.bag.lock import BusyError, locked


@dataclass(frozen=True)
class Task:
    """One bag to convert. `source` is the fingerprint of the input, `attempt` counts from 1."""

    name: str
    job: Job
    source: dict[str, Any]
    attempt: int = 1


@dataclass(frozen=True)
class Outcome:
    """What became of a task: the summary of `convert`, or the problem.

    Attributes:
        hopeless: it would be that of any other. lost: the worker's GPU has failed for good, in its process.
        busy: another process works on it.
    """

    task: Task
    summary: dict[str, Any] | None = None
    problem: str = ""
    hopeless: bool = False
    lost: bool = False
    busy: bool = False


class Crew(Protocol):
    """Who converts.

    Attributes:
        size: how many tasks at once.
    """

    size: int

    def start(self, task: Task) -> None:
        """Begin with one more; at most `size` are under way."""

    def wait(self) -> Outcome:
        """The next to end, of those under way."""


def perform(
    task: Task,
    model: DepthModel,
    tell: Callable[[str], None] = lambda _: None,
    step: Callable[[int, int | None], None] = lambda *_: None,
) -> Outcome:
    """One task, in the process of the worker; no error leaves it, and no other process works on the same bag."""
    try:
        with locked(*task.job.outputs):
            summary = convert(task.job, model, tell, step)
    except BusyError as error:
        return Outcome(task, problem=str(error), busy=True)
    except MonoDepthError as error:
        return Outcome(task, problem=str(error), hopeless=_disk_is_full(error), lost=is_lost(error))
    except Exception as error:  # of a library, on this bag: the others go on
        problem = f"{type(error).__name__}: {error}"
        return Outcome(task, problem=problem, hopeless=_disk_is_full(error), lost=is_lost(error))
    return Outcome(task, summary | {"host": socket.gethostname(), "attempt": task.attempt})


class Alone:
    """A crew of one: this process.

    Args:
        load: makes the model, when the first task is there.
    """

    size = 1

    def __init__(
        self,
        load: Callable[[], DepthModel],
        run: Callable[[Task, DepthModel], Outcome] = perform,
    ) -> None:
        self._load, self._run = load, run
        self._model: DepthModel | None = None
        self._task: Task | None = None

    def start(self, task: Task) -> None:
        """Remember it."""
        self._task = task

    def wait(self) -> Outcome:
        """Do it. Raises what loading the model raises."""
        assert self._task is not None
        self._model = self._model or self._load()
        outcome = self._run(self._task, self._model)
        return replace(outcome, hopeless=True) if outcome.lost else outcome


def _disk_is_full(error: BaseException | None) -> bool:
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error):
            return True
        error = error.__cause__
    return False
