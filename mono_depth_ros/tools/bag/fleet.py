# SPDX-License-Identifier: Apache-2.0
"""Many bags: what is missing is shared out, each by the same function as a single one, and what fails is tried again.

Nothing is lost and nothing done twice, however a worker or this process ends: a bag that is half done is gone on with,
one that is finished says so itself, and the manifest only spares opening it.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from mono_depth_ros.bags.reader import storage_files
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import DataError, MonoDepthError
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.tools.bag.convert import Job, convert
from mono_depth_ros.tools.bag.discover import converted_name, find_bags
from mono_depth_ros.tools.bag.lock import locked
from mono_depth_ros.tools.bag.manifest import ANEW, Manifest
from mono_depth_ros.tools.bag.progress import in_words
from mono_depth_ros.tools.bag.resume import fingerprint

_NO_MATTER = ("read_ahead", "segment_frames", "segment_seconds", "device", "threads")
"""Options that decide how fast it goes, not what comes out."""

PATIENCE_S = 20.0
"""Workers of a run that was killed may take a while to notice, and hold their bags until then."""


@dataclass(frozen=True)
class Task:
    """One bag to convert. `source` is the fingerprint of the input, `attempt` counts from 1."""

    name: str
    job: Job
    source: dict[str, Any]
    attempt: int = 1


@dataclass(frozen=True)
class Outcome:
    """What became of a task: the summary of `convert`, or the problem. `hopeless`: it would be that of any other."""

    task: Task
    summary: dict[str, Any] | None = None
    problem: str = ""
    hopeless: bool = False


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


@dataclass
class Report:
    """What became of a folder of bags, by name."""

    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)


def find(template: Job) -> dict[str, Path]:
    """The bags in `template.source`, by name, to be converted into `template.out`.

    Raises:
        DataError: there are none, or the results would lie among them or over a file.
    """
    out, source = template.out.resolve(), template.source.resolve()
    if out == source or source in out.parents or out in source.parents:
        raise DataError(f"{template.out} is, holds or lies in the input {template.source}: choose another --out")
    if out.exists() and not out.is_dir():
        raise DataError(f"{template.out} is a file, expected a folder for what becomes of many bags")
    return find_bags(template.source)


def plan(bags: dict[str, Path], manifest: Manifest, template: Job) -> tuple[list[Task], list[str]]:
    """What is to be done, and the names of what is done already.

    Args:
        template: `out` is the folder of the results; `force` makes everything anew.
    """
    out = template.out.resolve()
    tasks, done = [], []
    if template.force:
        manifest.begin_anew(list(bags))
    for name, source in bags.items():
        found = fingerprint(storage_files(source))
        if manifest.is_done(name, found):
            done.append(name)
            continue
        anew = manifest.state(name) == ANEW
        target = converted_name(name)
        bag = replace(
            template.bag,
            export_tum=str(Path(template.bag.export_tum).resolve() / target) if template.bag.export_tum else "",
            export_ply=str(Path(template.bag.export_ply).resolve() / target) if template.bag.export_ply else "",
        )
        job = replace(template, source=source.resolve(), out=out / target, bag=bag, resume=not anew, force=anew)
        tasks.append(Task(name, job, found))
    return tasks, done


def options_of(template: Job, model: ModelConfig) -> dict[str, Any]:
    """Everything that decides the results, as JSON values."""
    found: dict[str, Any] = {}
    for config in (template.bag, template.depth, template.align, template.tracker, template.reference, model):
        found |= {name: value if value != float("inf") else "inf" for name, value in asdict(config).items()}
    return {name: value for name, value in found.items() if name not in _NO_MATTER}


def share_out(
    tasks: Sequence[Task], crew: Crew, attempts: int, manifest: Manifest, tell: Callable[[str], None]
) -> Report:
    """Have the crew do all tasks. One that fails goes to the end of the queue, until it was tried `attempts` times."""
    report, waiting, under_way, count = Report(), deque(tasks), 0, 0
    while waiting or under_way:
        while waiting and under_way < crew.size:
            crew.start(waiting.popleft())
            under_way += 1
        outcome = crew.wait()
        under_way -= 1
        task, summary = outcome.task, outcome.summary
        if summary is not None:
            count += 1
            manifest.done(task.name, task.source, task.job.out, summary, task.attempt)
            report.done[task.name] = summary
            tell(f"{count} of {len(tasks)}: {in_words(summary)}")
        elif outcome.hopeless:
            manifest.failed(task.name, outcome.problem, task.attempt)
            report.failed[task.name] = outcome.problem
            report.untried += [item.name for item in waiting]
            waiting.clear()
            tell(f"{task.name}: {outcome.problem}; the bags that are left are not tried")
        elif task.attempt < attempts:
            waiting.append(replace(task, attempt=task.attempt + 1))
            tell(f"{task.name}: attempt {task.attempt} of {attempts} failed: {outcome.problem}")
        else:
            count += 1
            manifest.failed(task.name, outcome.problem, task.attempt)
            report.failed[task.name] = outcome.problem
            tell(f"{task.name}: given up after {attempts} attempts: {outcome.problem}")
    return report


def perform(
    task: Task,
    model: DepthModel,
    tell: Callable[[str], None] = lambda _: None,
    step: Callable[[int, int | None], None] = lambda *_: None,
) -> Outcome:
    """One task, in the process of the worker; no error leaves it, and no other process works on the same bag."""
    try:
        with locked(task.job.out, PATIENCE_S):
            summary = convert(task.job, model, tell, step)
    except MonoDepthError as error:
        return Outcome(task, problem=str(error), hopeless=_disk_is_full(error))
    except Exception as error:  # of a library, on this bag: the others go on
        return Outcome(task, problem=f"{type(error).__name__}: {error}", hopeless=_disk_is_full(error))
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
        return self._run(self._task, self._model)


def _disk_is_full(error: BaseException | None) -> bool:
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error):
            return True
        error = error.__cause__
    return False
