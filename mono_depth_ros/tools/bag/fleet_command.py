# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag DIR`: the run of a folder of many bags."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from mono_depth_ros.config import FleetConfig, ModelConfig
from mono_depth_ros.models import loading
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.tools.bag.convert import Job
from mono_depth_ros.tools.bag.fleet import Alone, Outcome, Report, Task, find, options_of, perform, plan, share_out
from mono_depth_ros.tools.bag.lock import locked
from mono_depth_ros.tools.bag.manifest import Manifest
from mono_depth_ros.tools.bag.progress import Bar
from mono_depth_ros.tools.bag.ray_workers import RayCrew


def run_fleet(template: Job, model: ModelConfig, config: FleetConfig, ray: str | None, as_json: bool) -> int:
    """Convert what is missing. Returns 0, or 1 where a bag failed, was damaged or gave nothing.

    Args:
        template: `source` and `out` are folders. ray: address, or None for one after another in this process.

    Raises:
        MonoDepthError: nothing could be begun.
    """
    bags = find(template)
    with locked(template.out / "manifest.json"):
        manifest = Manifest(template.out, options_of(template, model), template.force)
        tasks, before = plan(bags, manifest, template)
        _tell(
            f"{template.source}: {len(tasks) + len(before)} bags" + (f", {len(before)} done before" if before else "")
        )
        try:
            report = _share_out(tasks, model, config, manifest, ray)
        except KeyboardInterrupt:
            _tell(f"interrupted: what is finished is kept; the same command goes on with {template.out}")
            raise
    report.before = before
    poor = {name: problem for name in before if (problem := _poor(manifest.bags[name]["summary"]))}
    poor |= {name: problem for name, summary in report.done.items() if (problem := _poor(summary))}
    if as_json:
        print(json.dumps({"manifest": str(manifest.path), **asdict(report), "incomplete": poor}))
    counts = (("done", len(report.done)), ("done before", len(before)), ("failed", len(report.failed)))
    untried = (("not tried", len(report.untried)),) if report.untried else ()
    _tell(f"{manifest.path}: " + ", ".join(f"{count} {what}" for what, count in (*counts, *untried)))
    for name, problem in (*report.failed.items(), *poor.items()):
        _tell(f"{name}: {problem}")
    return 1 if report.failed or report.untried or poor else 0


def _share_out(
    tasks: list[Task], model: ModelConfig, config: FleetConfig, manifest: Manifest, ray: str | None
) -> Report:
    if not tasks:
        return Report()
    if ray is None:
        alone = Alone(lambda: loading.load_model(model), _with_bar)
        return share_out(tasks, alone, config.attempts, manifest, _tell)
    # Ray prints on stdout, which is for results.
    with redirect_stdout(sys.stderr), RayCrew(ray, model, config) as crew:
        _tell(crew.words)
        return share_out(tasks, crew, config.attempts, manifest, _tell)


def _poor(summary: dict[str, Any]) -> str:
    """Why a finished bag is not all that could be expected, or ""."""
    return str(summary["damage"]) or ("" if summary["written"] else "not one image became depth")


def _with_bar(task: Task, model: DepthModel) -> Outcome:
    with Bar(task.name) as bar:
        return perform(task, model, bar.tell, bar.step)


def _tell(words: str) -> None:
    tqdm.write(words, file=sys.stderr)
