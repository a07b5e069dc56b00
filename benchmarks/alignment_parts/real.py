# SPDX-License-Identifier: Apache-2.0
"""Real frames, given to the alignment as sensors see them, and judged at every pixel with truth that was not given.

Ours is what a user gets with nothing set: `Frame.align` of the model `tiny`, or of a good prior (the truth, blurred and
with a smooth error). It stands beside interpolation that sees no image, and beside the error that it printed itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from alignment_parts.baselines import Triangulation, ip_basic, nearest
from alignment_parts.patterns import DRAWS, PATTERNS, possible, with_outliers
from alignment_parts.row import row
from alignment_parts.scenes import READERS, Depth, Scene, good_prior
from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig, ModelConfig
from mono_depth_ros.errors import FitError
from mono_depth_ros.frame import Frame
from mono_depth_ros.metrics import MetricsSum
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.prediction import DepthKind, DepthPrediction

MODEL = "tiny"
DATA_SETS = tuple(READERS)
PRIORS = ("tiny", "good prior")
GOOD_SETS = ("seven_scenes", "nyu_depth", "middlebury")
GOOD_PATTERNS = ("500 points", "16-beam pattern")
"""Where a good prior is asked to be worth something."""

SPOILT = {"10 % outliers": (0.1, False), "30 % outliers": (0.3, False), "cluster of 30 %": (0.3, True)}
"""Of 500 points."""

BASELINES = ("nearest", "linear", "linear 1/d")
BEST, BEST_WITH_GOOD_PRIOR = 1.02, 0.7  # times the best of the baselines
HONEST = (0.7, 1.4)  # printed by true error
ONE_SIGMA, TWO_SIGMA = (0.63, 0.73), (0.92, 0.98)
CURVE_ALONE = AlignConfig(curve="best", local=False, held_out=0.0)
FARTHEST_M = 100.0  # what is not known (infinite, NaN) is judged as this far


@dataclass
class Judged:
    """One line: a prior and a pattern of samples on a set, over its frames and draws.

    Attributes:
        sums: of errors, by method. true, printed: AbsRel at the judged pixels and as the result says, one a case;
            `*_within`: where a sample is near, as the result says where that is.
        sigma: judged pixels, and those within one and two standard deviations. refused: cases without a result.
        unknown: judged pixels where ours gives no finite depth.
    """

    data_set: str
    prior: str
    pattern: str
    sums: dict[str, MetricsSum] = field(default_factory=dict)
    true: list[float] = field(default_factory=list)
    printed: list[float] = field(default_factory=list)
    true_within: list[float] = field(default_factory=list)
    printed_within: list[float] = field(default_factory=list)
    sigma: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, dtype=np.int64))
    refused: int = 0
    unknown: int = 0

    def add(self, method: str, depth: NDArray[np.floating[Any]], truth: Depth) -> float:
        """AbsRel of this case."""
        depth = np.where(np.isfinite(depth), depth, np.float32(FARTHEST_M))
        self.sums.setdefault(method, MetricsSum()).add(depth, truth)
        return float(np.mean(np.abs(depth - truth) / truth))

    def plain(self) -> dict[str, Any]:
        """As JSON has it; None where nothing is known."""
        found = {name: total.result() for name, total in self.sums.items()}
        count, one, two = (int(n) for n in self.sigma)
        return {
            "set": self.data_set,
            "prior": self.prior,
            "pattern": self.pattern,
            "cases": len(self.true),
            "refused": self.refused,
            "abs_rel": {name: round(one.abs_rel, 5) for name, one in found.items()},
            "rmse_m": {name: round(one.rmse_m, 4) for name, one in found.items()},
            "printed_by_true": _ratio(self.printed, self.true),
            "within_printed_by_true": _ratio(self.printed_within, self.true_within),
            "unknown_pixels": self.unknown,
            "within_one_sigma": round(one / count, 4) if count else None,
            "within_two_sigma": round(two / count, 4) if count else None,
        }


def lines(
    data: Path | None,
    sets: Sequence[str] = (),
    patterns: Sequence[str] = (),
    priors: Sequence[str] = (),
    frames: int = 0,
    outliers: bool = True,
) -> Iterator[Judged]:
    """One after the other.

    Args:
        data: folder with the sets; what is not there is left out. sets, patterns, priors: only these; none: all.
        frames: at most so many of each set; 0: all. outliers: with the lines of samples that are wrong.
    """
    present = [name for name in READERS if data is not None and (data / name).is_dir() and name in (sets or READERS)]
    if data is None or not present:
        return
    model = load_model(ModelConfig(model=MODEL))
    for name in present:
        scenes = list(READERS[name](data / name))[: frames or None]
        predicted = {
            "tiny": [model.predict(torch.from_numpy(scene.rgb)[None], [scene.camera])[0] for scene in scenes],
            "good prior": [
                DepthPrediction(torch.from_numpy(good_prior(scene, index)), DepthKind.METRIC)
                for index, scene in enumerate(scenes)
            ]
            if name in GOOD_SETS
            else [],
        }
        wanted = [one for one in priors or PRIORS if predicted[one]]
        for pattern in patterns or PATTERNS:
            if not possible(pattern, scenes[0]):
                continue
            yield from _judged(name, pattern, scenes, {prior: predicted[prior] for prior in wanted}, outliers)


def _judged(
    name: str, pattern: str, scenes: list[Scene], predicted: dict[str, list[DepthPrediction]], outliers: bool
) -> Iterator[Judged]:
    spoilt = SPOILT if pattern == "500 points" and outliers else {}
    found = {
        (prior, kind): Judged(name, prior, f"{pattern}, {kind}" if kind else pattern)
        for prior in predicted
        for kind in ("", *spoilt)
    }
    for index, scene in enumerate(scenes):
        for draw in range(DRAWS.get(pattern, 1)):
            rng = np.random.default_rng([index, draw])
            given = PATTERNS[pattern](scene, rng)
            judged = np.isfinite(scene.truth)
            judged[given.rows, given.columns] = False
            truth, triangles = scene.truth[judged], Triangulation.of(given)
            fills: dict[str, NDArray[np.floating[Any]]] = {
                "nearest": nearest(given)[judged],
                "linear": triangles.interpolate(given.depth)[judged],
                "linear 1/d": 1 / triangles.interpolate(1 / given.depth)[judged],
                "IP-Basic": ip_basic(given)[judged],
            }
            for prior, predictions in predicted.items():
                prediction = predictions[index]
                values = prediction.values.numpy()
                with np.errstate(invalid="ignore"):
                    ratio = triangles.interpolate(values[given.rows, given.columns] / given.depth)
                    fills["ratio"] = (values / ratio)[judged]
                line = found[prior, ""]
                for method, depth in fills.items():
                    line.add(method, depth, truth)
                _align(line, scene, prediction, given, judged)
                for kind, (share, cluster) in spoilt.items():
                    wrong = with_outliers(given, share, cluster, np.random.default_rng([index, draw, 1]))
                    _align(found[prior, kind], scene, prediction, wrong, judged)
    yield from found.values()


def _align(line: Judged, scene: Scene, prediction: DepthPrediction, given: Samples, judged: NDArray[np.bool_]) -> None:
    truth = scene.truth[judged]
    try:
        frame = Frame(torch.from_numpy(scene.rgb), scene.camera, replace(prediction)).align(given)
    except FitError:
        line.refused += 1
        return
    alignment = frame.alignment
    assert alignment is not None
    line.add("global", alignment.fit.apply(prediction).numpy()[judged], truth)
    if "," not in line.pattern:
        best = align(prediction, given, CURVE_ALONE).fit
        line.add("best curve", best.apply(prediction).numpy()[judged], truth)
    depth = frame.depth.numpy()[judged]
    line.unknown += int(np.count_nonzero(~np.isfinite(depth)))
    true = line.add("ours", depth, truth)
    if alignment.after is not None:
        line.true.append(true)
        line.printed.append(alignment.after.abs_rel)
    reach = alignment.reach
    if reach is not None:
        sparse = np.ones(given.size, dtype=np.uint8)
        sparse[given.rows, given.columns] = 0
        near = cv2.distanceTransform(sparse, cv2.DIST_L2, cv2.DIST_MASK_5)[judged] <= reach.distance_px
        near &= np.isfinite(depth)
        if near.any() and np.isfinite(reach.abs_rel_within):
            line.true_within.append(float(np.mean((np.abs(depth - truth) / truth)[near])))
            line.printed_within.append(reach.abs_rel_within)
    if frame.uncertainty is not None:
        sigma = frame.uncertainty.numpy()[judged]
        away = np.abs(depth - truth)
        line.sigma += [len(truth), int(np.sum(away <= sigma)), int(np.sum(away <= 2 * sigma))]


def rows(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """What is asked of each line."""
    found = []
    for line in judged:
        plain = line.plain()
        title = f"{line.data_set}, {line.prior}, {line.pattern}"
        spoilt = line.pattern.partition(", ")[2]
        if spoilt and spoilt != "10 % outliers":
            clean = next(one for one in judged if _same(one, line) and one.pattern == line.pattern.split(", ")[0])
            limit = (2.0 if SPOILT[spoilt][1] else 1.5) * clean.plain()["abs_rel"]["ours"]
            error = plain["abs_rel"].get("ours", 0.0)  # none: all were refused
            found.append(row(f"{title}: AbsRel", error, f"<= {limit:.4f}", "", error <= limit))
        if not spoilt and "ours" in plain["abs_rel"]:
            good = line.prior == "good prior"
            if not good or line.pattern in GOOD_PATTERNS:
                times = BEST_WITH_GOOD_PRIOR if good else BEST
                for key, what in (("abs_rel", "AbsRel"), ("rmse_m", "RMSE")):
                    limit = times * min(plain[key][method] for method in BASELINES)
                    error, asked = plain[key]["ours"], f"<= {times:g} x the best of the others: {limit:.4f}"
                    found.append(row(f"{title}: {what}", error, asked, "", error <= limit))
        found += _honest(title, plain, line.pattern == "left third")
    return found + _curves(judged)


def _curves(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Of the fit alone: what `curve:=best` makes of each set and prior, mean over the patterns."""
    errors: dict[str, list[tuple[float, float]]] = {}
    for line in judged:
        if {"best curve", "global"} <= line.sums.keys():
            of = line.plain()["abs_rel"]
            errors.setdefault(f"{line.data_set}, {line.prior}", []).append((of["best curve"], of["global"]))
    found = []
    for title, of_lines in errors.items():
        best, scale = np.mean(of_lines, axis=0)
        limit = float(BEST * scale)
        asked = f"<= {BEST:g} x that with scale: {limit:.4f}"
        found.append(
            row(f"the fit alone, {title}: AbsRel with curve:=best", float(best), asked, "", bool(best <= limit))
        )
    return found


def _honest(title: str, plain: dict[str, Any], partial: bool) -> list[dict[str, Any]]:
    low, high = HONEST
    whole, within = plain["printed_by_true"], plain["within_printed_by_true"]
    found = []
    if whole is not None:
        holds = low <= whole and (partial or whole <= high)
        asked = f">= {low:g}" if partial else f"{low:g} to {high:g}"
        found.append(row(f"{title}: printed / true AbsRel", whole, asked, "", holds))
    if partial and within is not None:
        asked = f"{low:g} to {high:g}"
        found.append(row(f"{title}: printed / true within reach", within, asked, "", low <= within <= high))
    for key, what, (low, high) in (("within_one_sigma", "one", ONE_SIGMA), ("within_two_sigma", "two", TWO_SIGMA)):
        if (share := plain[key]) is not None:
            asked = f"{100 * low:g} to {100 * high:g}"
            name = f"{title}: pixels within {what} standard deviation{'s' * (what == 'two')}"
            found.append(row(name, 100 * share, asked, "%", low <= share <= high))
    return found


def _same(a: Judged, b: Judged) -> bool:
    return (a.data_set, a.prior) == (b.data_set, b.prior)


def _ratio(printed: list[float], true: list[float]) -> float | None:
    return round(float(np.mean(printed) / np.mean(true)), 4) if printed else None


HEAD = (
    f"{'set, prior, pattern':52s} AbsRel {'best':>6s} {'ratio':>6s} {'/best':>5s}   RMSE   best /best "
    " printed reach   1s   2s"
)


def show(line: Judged) -> None:
    """On stderr, as soon as it is known: best is that of the baselines, ratio the Delaunay of the prior's ratios."""
    plain = line.plain()
    a, r = plain["abs_rel"], plain["rmse_m"]
    title = f"{line.data_set}, {line.prior}, {line.pattern}"
    text = f"{title:52s} "
    if "ours" in a and "nearest" in a:
        best, far = min(a[name] for name in BASELINES), min(r[name] for name in BASELINES)
        text += f"{a['ours']:6.4f} {best:6.4f} {a['ratio']:6.4f} {a['ours'] / best:5.2f} "
        text += f"{r['ours']:6.2f} {far:6.2f} {r['ours'] / far:5.2f} "
    elif "ours" in a:
        text += f"{a['ours']:6.4f} {'':20s}{r['ours']:6.2f} {'':13s}"
    else:
        text += f"{'refused':42s}"
    cells = ("printed_by_true", "within_printed_by_true", "within_one_sigma", "within_two_sigma")
    text += "  " + " ".join("     " if plain[key] is None else f"{plain[key]:5.2f}" for key in cells)
    notes = f"  {line.refused} refused" * (line.refused > 0) + f"  {line.unknown} px unknown" * (line.unknown > 0)
    print(text + notes, file=sys.stderr, flush=True)
