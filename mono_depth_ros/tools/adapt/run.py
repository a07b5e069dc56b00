# SPDX-License-Identifier: Apache-2.0
"""An adaptation from sources to a model: read, split, train, judge, write."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mono_depth_ros.cache import sha256
from mono_depth_ros.errors import DataError
from mono_depth_ros.tools.adapt.card import card
from mono_depth_ros.tools.adapt.report import Pages, page
from mono_depth_ros.tools.adapt.source import Source
from mono_depth_ros.training.adapt import package, split
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.example import Example
from mono_depth_ros.training.adapt.fit import Fit, Fitted, Progress
from mono_depth_ros.training.adapt.judge import Gain, Judged, gain, judge, mean_of
from mono_depth_ros.training.adapt.learner import Learner
from mono_depth_ros.training.adapt.networks import licence_words
from mono_depth_ros.training.adapt.prepare import Preparer

_SMALL = 20  # millions of parameters of a network that fills gaps: others take too long for every frame
_SPARE_BYTES = 20 * 2**20  # of the report and what else is written beside the weights


@dataclass(eq=False)
class Blocks:
    """Examples of all sources, by what they are for; `lines` are for the report: of each source the frames' stamps."""

    training: list[Example] = field(default_factory=list)
    validation: list[Example] = field(default_factory=list)
    test: list[Example] = field(default_factory=list)
    lines: list[tuple[str, list[float], split.Split]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Outcome:
    """What came of it.

    Attributes:
        out: the directory of the model, or of the report alone. summary: as JSON values.
    """

    out: Path
    gain: Gain
    summary: dict[str, Any]


def gather(
    sources: Sequence[Source],
    learner: Learner,
    config: AdaptConfig,
    split_text: str = "",
    tell: Callable[[str], None] = lambda _: None,
    step: Callable[[int], None] = lambda _: None,
) -> Blocks:
    """Read the sources and split each into its three blocks.

    Raises:
        DataError, UsageError: there is too little, or something is wrong with it. MonoDepthError: it cannot be read.
    """
    blocks, count = Blocks(), 0
    small = sum(p.numel() for p in learner.network.parameters()) < _SMALL * 1e6
    model = learner.base if small or learner.device.type != "cpu" else None
    for source in sources:
        for words in source.words:
            tell(words)
        preparer, examples, without = Preparer(model, config.dense_weight), list[Example](), Counter[str]()
        for found in source.frames():
            count += 1
            step(count)
            if found.samples is None:
                without[found.why] += 1
                continue
            example = preparer.add(
                found.name, source.name, found.index, found.stamp_s, found.rgb, found.camera, found.samples
            )
            if example is not None:
                examples.append(example)
        without.update(preparer.left_out)
        said = ", ".join(f"{number} {why}" for why, number in without.items())
        words = f"{source.name}: {len(examples)} frames with a reference by {source.reference}"
        words += f", {preparer.outliers} of {preparer.samples} samples left out as outliers"
        blocks.notes.append(f"{words}; without: {said}" if said else words)
        tell(blocks.notes[-1])
        if not examples:
            raise DataError(f"{source.name}: no frame has a reference by {source.reference}: {said or 'no frame came'}")
        preparer.check()
        stamps, indices = [one.stamp_s for one in examples], [one.index for one in examples]
        found_split = split.by_frames(split_text, indices) if split_text else split.by_time(stamps)
        blocks.lines.append((source.name, stamps, found_split))
        blocks.training += [examples[k] for k in found_split.training]
        blocks.validation += [examples[k] for k in found_split.validation]
        blocks.test += [source.judged(examples[k]) for k in found_split.test]
    return blocks


def check_disk(out: Path, learner: Learner) -> None:
    """Raise DataError where the disk has no room for the result: before the training, not after it."""
    needed = 2 * learner.weights.stat().st_size + _SPARE_BYTES
    free = shutil.disk_usage(out.parent).free
    if free < needed:
        raise DataError(
            f"{out.parent} has {free / 2**20:.0f} MiB left, expected {needed / 2**20:.0f} MiB for the result"
        )


def adapt(
    learner: Learner,
    blocks: Blocks,
    replay: Sequence[Example],
    held_out: Sequence[Example],
    config: AdaptConfig,
    base: str,
    out: Path,
    tell: Callable[[str], None] = lambda _: None,
    step: Progress = lambda *_: None,
) -> Outcome:
    """Train, judge by the test block and by the synthetic world, and write what is better than before.

    Raises:
        DataError: nothing was learned, or `out` cannot be written: the sentence says where the result is instead.
    """
    begun = time.monotonic()
    fit = Fit(learner, blocks.training, replay, blocks.validation, config, step)
    seconds = fit.seconds_a_step()
    if config.steps:
        tell(f"a step takes {seconds:.2g} s here: {config.steps} steps take {config.steps * seconds / 60:.1f} minutes")
    else:
        tell(
            f"training takes {config.minutes:g} minutes; a step takes {seconds:.2g} s here: about "
            f"{60 * config.minutes / seconds:.0f} steps"
        )
    fitted = fit.fit()
    if fitted.run.stopped:
        tell(f"stopped: {fitted.run.stopped}; the best weights before that are kept")
    minutes = (time.monotonic() - begun) / 60
    try:
        return _write(learner, fitted, blocks, held_out, config, base, out, minutes)
    except OSError as error:
        elsewhere = Path(tempfile.mkdtemp(prefix="mono_depth_adapt-")) / out.name
        _write(learner, fitted, blocks, held_out, config, base, elsewhere, minutes)
        raise DataError(f"{out} cannot be written ({error.strerror or error}): the result is in {elsewhere}") from error


def _write(
    learner: Learner,
    fitted: Fitted,
    blocks: Blocks,
    held_out: Sequence[Example],
    config: AdaptConfig,
    base: str,
    out: Path,
    minutes: float,
) -> Outcome:
    with package.whole_directory(out) as folder:
        spec = learner.spec
        values = {
            **learner.save(fitted.run.best, folder),
            "family": spec.family,
            "base": base,
            "base_sha256": sha256(learner.weights),
            "kind": spec.kind.value,
            "licence": spec.licence,
        }
        package.write_config(folder, values)
        pages = Pages()
        adapted = learner.model(folder)
        judged = [pages.add(one) for one in judge(learner.base, adapted, blocks.test)]
        found = gain(judged)
        synthetic = [_scores(one) for one in judge(learner.base, adapted, held_out)]
        summary = _summary(found, judged, synthetic, fitted, blocks, config, values, minutes)
        (folder / package.REPORT).write_text(page(summary, pages, fitted, blocks.lines), encoding="utf-8")
        if found.sure:
            (folder / package.CARD).write_text(card(summary), encoding="utf-8")
        else:
            for item in folder.iterdir():
                if item.name != package.REPORT:
                    item.unlink()
    return Outcome(out, found, summary)


def _scores(one: Judged) -> tuple[Any, Any]:
    return one.metrics_before, one.metrics_after


def _summary(
    found: Gain,
    judged: Sequence[Any],
    synthetic: Sequence[tuple[Any, Any]],
    fitted: Fitted,
    blocks: Blocks,
    config: AdaptConfig,
    values: dict[str, Any],
    minutes: float,
) -> dict[str, Any]:
    before, after = (mean_of([getattr(one, name) for one in judged]) for name in ("metrics_before", "metrics_after"))
    world = {}
    if synthetic:
        world = {name: mean_of([pair[k] for pair in synthetic]) for k, name in enumerate(("before", "after"))}
    return {
        "model": values,
        "licence_note": licence_words(values["licence"]),
        "before": before,
        "after": after,
        "gain": asdict(found) | {"sure": found.sure},
        "synthetic": world,
        "frames": {name: len(getattr(blocks, name)) for name in split.NAMES},
        "sources": [name for name, *_ in blocks.lines],
        "split": [
            {name: [stamps[block[0]], stamps[block[-1]]] for name, block in zip(split.NAMES, one.blocks, strict=True)}
            for _, stamps, one in blocks.lines
        ],
        "notes": blocks.notes,
        "training": {
            "minutes": round(minutes, 2),
            "steps": fitted.run.steps,
            "best_step": fitted.run.best_step,
            "learning_rate": fitted.run.rate,
            "tried": {f"{run.rate:g}": run.best_error for run in fitted.tried},
            "validation_before": fitted.error_before,
            "validation_after": fitted.run.best_error,
            "stopped": fitted.run.stopped,
        },
        "options": asdict(config),
    }


def as_json(summary: dict[str, Any]) -> str:
    """One line, in which what is no number is null."""
    text = json.dumps(summary, default=str)
    return text.replace("NaN", "null").replace("-Infinity", "null").replace("Infinity", "null")
