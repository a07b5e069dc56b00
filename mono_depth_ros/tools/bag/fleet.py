# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag DIR`: many bags. What is missing is shared out, each by the same function as a single one.

Nothing is lost and nothing done twice, however a worker or this process ends: a bag that is half done is gone on with,
one that is finished says so itself, and the manifest only spares opening it. What fails is tried again. Several
processes may work on one folder: each takes the bags that are free, and ends when all are done.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mono_depth_ros.bags.storage import storage_files
from mono_depth_ros.config import FleetConfig, ModelConfig
from mono_depth_ros.errors import SENTENCE, DataError, shown
from mono_depth_ros.models import loading
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.tools.bag.convert import Job, option_values
from mono_depth_ros.tools.bag.crew import Alone, Crew, Outcome, Task, perform
from mono_depth_ros.tools.bag.lock import BusyError, holder
from mono_depth_ros.tools.bag.manifest import ANEW, Manifest, converted_name, find_bags
from mono_depth_ros.tools.bag.progress import Bar
from mono_depth_ros.tools.bag.summary import failure, in_words
from mono_depth_ros.tools.bag.target import fingerprint, recorded_engine, with_engine
from mono_depth_ros.tools.tsdf import open3d

_LOOK_S = 0.5  # between two looks at what other processes work on


@dataclass
class Report:
    """What became of a folder of bags, by name; `elsewhere`: done by other processes meanwhile."""

    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Share:
    """Who does what of a folder.

    Attributes:
        ray: address, or None for one bag after another in this process. shard: (i, n) for the i-th of n parts, or None.
    """

    ray: str | None = None
    shard: tuple[int, int] | None = None


def run_fleet(template: Job, model: ModelConfig, config: FleetConfig, share: Share, as_json: bool) -> int:
    """Convert what is missing. Returns 0, or 1 where a bag failed, was damaged or lacks what was asked for.

    Args:
        template: `source` and `out` are folders.

    Raises:
        MonoDepthError: nothing could be begun.
    """
    bags = find(template)
    if template.bag.map:
        open3d()
    words = f"{template.source}: {len(bags)} bags"
    if share.shard is not None:
        i, n = share.shard
        bags = dict(list(bags.items())[i::n])
        words += f", {len(bags)} in shard {i}/{n}"
    manifest = Manifest(template.out, option_values(*template.configs, model), template.force)
    tasks, before = plan(bags, manifest, template)
    _tell(words + (f", {len(before)} done before" if before else ""))
    try:
        report = _work(tasks, model, config, manifest, share.ray)
    except KeyboardInterrupt:
        _tell(f"interrupted: what is finished is kept; the same command goes on with {template.out}")
        raise
    report.before = before
    summaries = {name: manifest.bags[name]["summary"] for name in (*before, *report.elsewhere)} | report.done
    incomplete = {name: problem for name, summary in summaries.items() if (problem := failure(summary))}
    if as_json:
        print(json.dumps({"manifest": str(manifest.path), **asdict(report), "incomplete": incomplete}))
    untried = f", {len(report.untried)} not tried" if report.untried else ""
    elsewhere = f"{len(report.elsewhere)} by other processes, " if report.elsewhere else ""
    counts = f"{len(report.done)} done, {elsewhere}{len(before)} done before, {len(report.failed)} failed{untried}"
    _tell(f"{manifest.path}: {counts}")
    for name, problem in (*report.failed.items(), *incomplete.items()):
        _tell(f"{name}: {problem}")
    return 1 if report.failed or report.untried or incomplete else 0


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

    Raises:
        BusyError: it is to be made anew, and another process is working on a part of it.
    """
    tasks, done = [], []
    if template.force:
        for name in bags:
            out = template.out.resolve() / converted_name(name)
            if (other := holder(out)) is not None:
                raise BusyError(f"{other.working_on(out)}: --force begins anew only where nobody works")
        manifest.begin_anew(list(bags))
    for name, source in bags.items():
        found = fingerprint(storage_files(source))
        if manifest.is_done(name, found):
            done.append(name)
            continue
        target = converted_name(name)
        tum, ply = (
            str(Path(folder).resolve() / target) if folder else ""
            for folder in (template.bag.export_tum, template.bag.export_ply)
        )
        surface = template.bag.map and str(Path(template.bag.map).resolve().with_suffix("") / f"{target}.ply")
        job = replace(
            template,
            source=source.resolve(),
            out=template.out.resolve() / target,
            bag=replace(template.bag, export_tum=tum, export_ply=ply, map=surface),
        )
        tasks.append(Task(name, job, found))
    return tasks, done


def share_out(
    tasks: Sequence[Task], crew: Crew, attempts: int, manifest: Manifest, tell: Callable[[str], None]
) -> Report:
    """Have the crew do all tasks. One that fails goes to the end of the queue, until it was tried `attempts` times.

    What another process works on is looked at again after the others: then it is done, or free, if that one is gone.
    """
    report, waiting, under_way = Report(), deque(tasks), 0
    busy: dict[str, Task] = {}
    told: set[str] = set()
    while waiting or busy or under_way:
        while waiting and under_way < crew.size:
            task = waiting.popleft()
            if _ended_elsewhere(task, manifest, report):
                continue
            if (other := next(filter(None, map(holder, task.job.outputs)), None)) is not None:
                busy[task.name] = task
                words = f"{task.name} is left to others: {other.working_on(task.job.out)}"
                if words not in told:
                    told.add(words)
                    tell(words)
                continue
            anew = manifest.state(task.name) == ANEW
            crew.start(replace(task, job=replace(task.job, resume=not anew, force=anew)))
            under_way += 1
        if not under_way:
            time.sleep(_LOOK_S if busy else 0.0)
            waiting.extend(busy.values())
            busy.clear()
            continue
        outcome = crew.wait()
        under_way -= 1
        task, summary, problem = outcome.task, outcome.summary, outcome.problem
        if outcome.busy:
            busy[task.name] = task
            continue
        waiting.extend(busy.values())
        busy.clear()
        if summary is not None:
            manifest.done(task.name, task.source, task.job.out, summary, task.attempt)
            report.done[task.name] = summary
            ended = len(report.done) + len(report.elsewhere) + len(report.failed)
            tell(f"{ended} of {len(tasks)}: {in_words(summary)}")
        elif task.attempt < attempts and not outcome.hopeless:
            waiting.append(replace(task, attempt=task.attempt + 1))
            tell(f"{task.name}: attempt {task.attempt} of {attempts} failed: {problem}")
        else:
            manifest.failed(task.name, problem, task.attempt)
            report.failed[task.name] = problem
            if outcome.hopeless:
                report.untried += [item.name for item in waiting]
                waiting.clear()
                tell(f"{task.name}: {problem}; the bags that are left are not tried")
            else:
                tell(f"{task.name}: given up after {attempts} attempts: {problem}")
    return report


def _ended_elsewhere(task: Task, manifest: Manifest, report: Report) -> bool:
    """Whether another process has done a task, or given it up, since this one began."""
    manifest.refresh()
    if manifest.is_done(task.name, task.source):
        report.elsewhere.append(task.name)
        return True
    if problem := manifest.failed_elsewhere(task.name):
        report.failed[task.name] = problem
    return bool(problem)


def _work(tasks: list[Task], model: ModelConfig, config: FleetConfig, manifest: Manifest, ray: str | None) -> Report:
    if not tasks:
        return Report()
    half_done = (
        recorded_engine(task.job.out, task.job.bag.storage) for task in tasks if manifest.state(task.name) != ANEW
    )
    engine = manifest.engine or next(filter(None, half_done), "")
    if engine:
        model = with_engine(model, manifest.runs_in(engine))

    def load() -> DepthModel:
        found = loading.load_model(model)
        agreed = manifest.runs_in(found.engine)
        # Of processes that begin together on different machines, one chooses.
        return found if found.engine == agreed else loading.load_model(with_engine(model, agreed))

    if ray is None:
        return share_out(tasks, Alone(load, _with_bar), config.attempts, manifest, _tell)
    from mono_depth_ros.tools.bag.ray_workers import RayCrew

    # Ray prints on stdout, which is for results.
    with redirect_stdout(sys.stderr), RayCrew(ray, model, config) as crew:
        _tell(crew.words)
        if not engine:
            crew.runs_in(manifest.runs_in(crew.engine()))
        return share_out(tasks, crew, config.attempts, manifest, _tell)


def _with_bar(task: Task, model: DepthModel) -> Outcome:
    with Bar(task.name) as bar:
        return perform(task, model, bar.tell, bar.step)


def _tell(words: str) -> None:
    tqdm.write(shown(words, SENTENCE), file=sys.stderr)
