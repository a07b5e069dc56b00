# SPDX-License-Identifier: Apache-2.0
"""What comes out: a table for eyes, JSON, CSV, and the page; the files whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.config import EvalConfig
from mono_depth_ros.datasets.dataset import DataSet
from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import ConfigError, MonoDepthError
from mono_depth_ros.tools.eval.aligning import ALIGNMENTS
from mono_depth_ros.tools.eval.compare import compare_all
from mono_depth_ros.tools.eval.score import METRICS, ModelScore, flat

FILES = ("eval.json", "eval.csv", "report.html")

COLUMNS = (
    ("AbsRel", "abs_rel", 1, 4), ("SqRel", "sq_rel", 1, 4), ("RMSE m", "rmse_m", 1, 3), ("RMSElog", "rmse_log", 1, 4),
    ("log10", "log10", 1, 4), ("SILog x100", "silog", 100, 2), ("MAE m", "mae_m", 1, 3),
    ("delta1", "delta1", 1, 4), ("delta2", "delta2", 1, 4), ("delta3", "delta3", 1, 4),
)  # fmt: skip
"""Heading, metric, factor and decimals. SILog is the square root of the variance of ln p - ln t, times 100 as KITTI
prints it; in JSON and CSV it is without the factor."""


FLICKER_HEADS = ["model", "sequence", "rms without scale", "of mean disparity", "constant depth", "pairs"]
FLICKER_WORDS = (
    "rms of the change of disparity between frames, 1/m, less the change of the truth; no scale is fitted to a metric "
    "model, a relative one gets the mean and the spread of the truth; a constant depth would have what stands beside it"
)


def prepare(out: Path | None, force: bool) -> None:
    """Make the folder for the results before the work begins, not after it.

    Raises:
        ConfigError: a file that would be written is there, and not `force`. MonoDepthError: nothing can be written.
    """
    if out is None:
        return
    there = [] if force else [name for name in FILES if (out / name).exists()]
    if there:
        raise ConfigError(f"{out} holds {', '.join(there)} already: expected another --out, or --force to replace them")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise MonoDepthError(
            f"cannot write to {out}: {error.strerror}, expected a folder, or where to make one"
        ) from error


def summary(
    dataset: DataSet, folder: Path, protocol: Protocol, config: EvalConfig, scores: Sequence[ModelScore]
) -> dict[str, Any]:
    """Everything but the pictures, as `--json` prints it. Raises DataError where a model has no image at all."""
    limits = {"min_depth": protocol.min_depth, "max_depth": _finite(protocol.max_depth), "clamp": protocol.clamp}
    return {
        "dataset": dataset.name,
        "folder": str(folder),
        "layout": dataset.layout,
        "camera": dataset.camera,
        "depth_scale": dataset.depth_scale,
        "protocol": {"crop": protocol.crop, **limits, "align": config.align, "words": protocol.words()},
        "images": len(dataset.items),
        "missing": list(dataset.missing),
        "notes": [*dataset.notes, *(score.note for score in scores if score.note)],
        "models": [_model(score) for score in scores],
        "comparisons": compare_all([(score.model, score.per_image()) for score in scores], config.seed),
        "per_image": flat(scores),
    }


def _model(score: ModelScore) -> dict[str, Any]:
    return {
        "model": score.model,
        "kind": score.kind,
        "engine": score.engine,
        "licence": score.licence,
        "images": len(score.scores),
        "failed": [{"image": name, "reason": reason} for name, reason in score.failed.items()],
        "mean": score.mean(),
        "pooled": asdict(score.total.result()),
        "coverage": score.known / max(score.counted, 1),
        "flicker": [asdict(one) for one in score.flicker()],
        "ms_per_image": round(1e3 * score.seconds / max(len(score.scores), 1), 2),
    }


def header(found: dict[str, Any]) -> list[str]:
    """What was measured, in lines."""
    return [
        f"{found['dataset']}, {found['folder']} ({found['layout']}): {counts(found)}",
        f"protocol: {found['protocol']['words']}; {ALIGNMENTS[found['protocol']['align']]}",
        f"camera: {found['camera']}; numbers of the ground truth: {found['depth_scale']:g} a metre",
        *(f"model {model['model']}: {model_words(model)}" for model in found["models"]),
        *(f"note: {note}" for note in found["notes"]),
    ]


def model_words(model: dict[str, Any]) -> str:
    """Kind, engine with its precision, and time of a model."""
    return f"{model['kind']}, engine {model['engine']}, {model['ms_per_image']:g} ms an image"


def counts(found: dict[str, Any]) -> str:
    """How many images there were, how many are missing, and how many failed."""
    words = f"{found['images']} images"
    if found["missing"]:
        words += f", {len(found['missing'])} missing"
    failed = max((len(model["failed"]) for model in found["models"]), default=0)
    return words + (f", {failed} failed" if failed else "")


def table(found: dict[str, Any]) -> str:
    """The results in columns: each model's mean of images, which is what papers print, and pooled over all pixels."""
    rows = [["model", "", *(heading for heading, *_ in COLUMNS), "coverage", "images"]]
    for model in found["models"]:
        for what in ("mean", "pooled"):
            cells = [f"{factor * model[what][name]:.{digits}f}" for _, name, factor, digits in COLUMNS]
            rows.append([model["model"], what, *cells, f"{model['coverage']:.4f}", str(model["images"])])
    lines = _columns(rows, left=2)
    if found["comparisons"]:
        lines += ["", "paired differences, second minus first, bootstrap 95 % interval:"]
        lines += _columns(_comparison_rows(found["comparisons"]), left=3)
    flicker = flicker_rows(found["models"])
    if flicker:
        lines += ["", f"flicker: {FLICKER_WORDS}:"]
        lines += _columns([FLICKER_HEADS, *flicker], left=2)
    return "\n".join(lines)


def _comparison_rows(comparisons: Sequence[dict[str, Any]]) -> list[list[str]]:
    rows = [["first", "second", "metric", "difference", "from", "to", "first better", "second better"]]
    for one in comparisons:
        numbers = [_signed(one[name]) for name in ("mean", "low", "high")]
        wins = [str(one["first_wins"]), str(one["second_wins"])]
        rows.append([one["first"], one["second"], one["metric"], *numbers, *wins])
    return rows


def flicker_rows(models: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A row for each sequence of each model, as FLICKER_HEADS names the cells."""
    return [
        [
            model["model"], one["sequence"], f"{one['residual_rms']:.5f}", f"{100 * one['relative']:.2f} %",
            f"{one['truth_rms']:.5f}", str(one["pairs"]),
        ]
        for model in models
        for one in model["flicker"]
    ]  # fmt: skip


def write(out: Path, found: dict[str, Any], page: str) -> list[Path]:
    """The three files, renamed into place only when all are complete.

    Raises:
        MonoDepthError: the disk is full, or the folder cannot be written.
    """
    texts = (json.dumps(found, indent=1, allow_nan=False) + "\n", _csv(found["per_image"]), page)
    paths = [out / name for name in FILES]
    try:
        with ExitStack() as stack:
            for path, text in zip(paths, texts, strict=True):
                stack.enter_context(atomic_path(path)).write_text(text, encoding="utf-8")
    except OSError as error:
        raise MonoDepthError(f"cannot write {error.filename or out}: {error.strerror}") from error
    return paths


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ("model", "image", *METRICS, "n", "coverage", "scale", "shift"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _columns(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Lines of aligned cells; the first `left` columns are texts."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths, left)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    cells = zip(row, widths, strict=True)
    return [cell.ljust(width) if k < left else cell.rjust(width) for k, (cell, width) in enumerate(cells)]


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}"


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None
