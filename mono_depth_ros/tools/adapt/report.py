# SPDX-License-Identifier: Apache-2.0
"""`report.html` of an adaptation: one page with everything in it, for a browser without a network."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from html import escape
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.tools.report import charts
from mono_depth_ros.tools.report import page as html
from mono_depth_ros.tools.report.errors import ERROR_EDGES, ErrorDistribution
from mono_depth_ros.tools.report.pictures import DepthScale, error_picture, error_scale
from mono_depth_ros.training.adapt.fit import Fitted, Point
from mono_depth_ros.training.adapt.judge import Judged
from mono_depth_ros.training.adapt.split import NAMES, Split

_WORST, _BEST = 4, 2
_PICTURE_WIDTH = 360
_SPREAD_PX = 7  # single depths are drawn that large

Line = tuple[str, Sequence[float], Split]
"""A source: its name, the stamps of its frames, and their blocks."""


class Pages:
    """Gathers what the page shows of the images that judge: distributions of all, pictures of the worst and the best.

    Attributes:
        before, after: the errors of all images.
    """

    def __init__(self) -> None:
        self.before, self.after = ErrorDistribution(), ErrorDistribution()
        self._worst: list[tuple[float, int, Judged]] = []
        self._best: list[tuple[float, int, Judged]] = []
        self._count = 0

    def add(self, one: Judged) -> Judged:
        """Count an image; it is returned without its maps."""
        truth = one.truth
        known = np.isfinite(truth) & (truth > 0)
        for depth, errors in ((one.before, self.before), (one.after, self.after)):
            seen = known & np.isfinite(depth) & (depth > 0)
            errors.add(depth[seen], truth[seen])
        self._count += 1
        error = one.metrics_after.abs_rel
        for heap, rank, most in ((self._worst, error, _WORST), (self._best, -error, _BEST)):
            heapq.heappush(heap, (rank, self._count, one))
            if len(heap) > most:
                heapq.heappop(heap)
        nothing = np.empty((0, 0), np.float32)
        return Judged(one.example, nothing, nothing, nothing, one.metrics_before, one.metrics_after)

    def shown(self) -> list[Judged]:
        """The worst, the worst first, then the best; each once."""
        worst = [one for _, _, one in sorted(self._worst, key=lambda item: item[:2], reverse=True)]
        names = {one.example.name for one in worst}
        best = [one for _, _, one in sorted(self._best, key=lambda item: item[:2], reverse=True)]
        return worst + [one for one in best if one.example.name not in names]


def page(summary: dict[str, Any], pages: Pages, fitted: Fitted, lines: Sequence[Line]) -> str:
    """The page, of a summary as `adapt` makes it."""
    parts = {
        "headline": escape(_headline(summary)),
        "lead": escape(_lead(summary)),
        "honesty": escape(_honesty(summary)),
        "tiles": _tiles(summary),
        "results": _results(summary),
        "timeline": "".join(_timeline(*line) for line in lines),
        "curves": _curves(fitted),
        "errors": _errors(pages),
        "scales": html.scale_bar("error", error_scale()),
        "frames": "".join(_frame(one) for one in pages.shown()),
        "facts": html.facts(_facts(summary)),
    }
    body = html.fill(html.read("mono_depth_ros.tools.adapt", "body.html"), parts)
    return html.page(f"{summary['model']['base']} adapted", body)


def _headline(summary: dict[str, Any]) -> str:
    before, after, base = summary["before"]["abs_rel"], summary["after"]["abs_rel"], summary["model"]["base"]
    if not summary["gain"]["sure"]:
        return f"{base}: no gain that is more than chance, AbsRel {before:.3f} before and {after:.3f} after"
    return f"{base} adapted: AbsRel {before:.3f} → {after:.3f} on frames that it has not seen"


def _lead(summary: dict[str, Any]) -> str:
    frames, training = summary["frames"], summary["training"]
    return (
        f"{frames['training']} frames to learn from, {frames['validation']} to choose by, {frames['test']} to judge "
        f"by; {training['steps']} steps in {training['minutes']:.1f} minutes."
    )


def _honesty(summary: dict[str, Any]) -> str:
    gain = summary["gain"]
    words = (
        f"AbsRel falls by {gain['mean']:.4f}, 95 % interval {gain['low']:.4f} to {gain['high']:.4f}, by a paired "
        f"t-test over {gain['blocks']} blocks of time."
    )
    if not gain["sure"]:
        return f"{words} That is not more than chance, so that no model was written: record longer, or more places."
    kind = "" if summary["model"]["kind"] == "metric" else " Each image is compared after its best scale and shift."
    return f"{words} The model knows this camera and place best; elsewhere it may be worse than before.{kind}"


def _tiles(summary: dict[str, Any]) -> str:
    before, after = summary["before"], summary["after"]
    tiles = [
        ("AbsRel", f"{after['abs_rel']:.3f}", f"before {before['abs_rel']:.3f}"),
        ("RMSE", f"{after['rmse_m']:.2f} m", f"before {before['rmse_m']:.2f} m"),
        ("δ1", f"{100 * after['delta1']:.1f} %", f"before {100 * before['delta1']:.1f} %"),
    ]
    if summary["synthetic"]:
        was, now = (summary["synthetic"][name]["abs_rel"] for name in ("before", "after"))
        tiles.append(("Synthetic world, AbsRel", f"{now:.3f}", f"before {was:.3f}: what was forgotten"))
    return "\n".join(
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b><em>{escape(words)}</em></div>'
        for name, value, words in tiles
    )


def _results(summary: dict[str, Any]) -> str:
    rows = []
    for key, name, form in (
        ("abs_rel", "AbsRel", "{:.3f}"),
        ("rmse_m", "RMSE", "{:.3f} m"),
        ("delta1", "δ1", "{:.1%}"),
    ):
        cells = [name, form.format(summary["before"][key]), form.format(summary["after"][key])]
        if summary["synthetic"]:
            cells += [form.format(summary["synthetic"][when][key]) for when in ("before", "after")]
        rows.append([escape(cell) for cell in cells])
    heads = ["", "before", "after", *(["synthetic, before", "after"] if summary["synthetic"] else [])]
    return html.chart_figure(
        "Errors", "of the test block, and of worlds that the base had learned", html.table(heads, rows)
    )


def _timeline(name: str, stamps: Sequence[float], split: Split) -> str:
    """A bar of the time from the first frame to the last, with the blocks on it."""
    begin, span = stamps[0], max(stamps[-1] - stamps[0], 1e-9)
    parts = []
    for number, (what, block) in enumerate(zip(NAMES, split.blocks, strict=True)):
        left, right = (100 * (stamps[k] - begin) / span for k in (block[0], block[-1]))
        title = f"{what}: {len(block)} frames, {stamps[block[0]] - begin:.1f} to {stamps[block[-1]] - begin:.1f} s"
        place = f"left:{left:.2f}%;width:{max(right - left, 0.5):.2f}%"
        parts.append((f'<i class="c{number}" style="{place}" title="{escape(title)}"></i>', title, number))
    key = "".join(f'<span class="name"><i class="c{number}"></i>{escape(title)}</span>' for _, title, number in parts)
    bar = "".join(element for element, *_ in parts)
    return f'<h3>{escape(name)}</h3><div class="timeline">{bar}</div><div class="key-row">{key}</div>'


def _curves(fitted: Fitted) -> str:
    run = fitted.run
    runs = [(f"c{k + 2}", other) for k, other in enumerate(fitted.tried)] + [("c0", run)]
    words = f"of the moving average of the weights; dashed: before, {fitted.error_before:.3f}"
    error = charts.courses(
        {name: _course(one.curve, "error") for name, one in runs}, fitted.error_before, "seconds", "AbsRel"
    )
    keys = "".join(
        f'<span class="name {name}"><i></i>{"" if one is run else "tried: "}learning rate {one.rate:g}</span>'
        for name, one in runs
    )
    keys = f'<div class="key-row">{keys}</div>'
    losses = {name: _course(one.curve, "loss") for name, one in runs}
    first = next((y for line in losses.values() for _, y in line), 0.0)
    loss = charts.courses({name: line for name, line in losses.items() if line}, first, "seconds", "loss")
    return html.chart_figure("Validation error", words, keys + error) + html.chart_figure(
        "Loss", "of the training block's views and of replayed frames; dashed: at the start", keys + loss
    )


def _course(curve: Sequence[Point], name: str) -> list[tuple[float, float]]:
    return [(p.seconds, value) for p in curve if np.isfinite(value := float(getattr(p, name)))]


def _errors(pages: Pages) -> str:
    signed = charts.histogram(
        pages.after.signed, ERROR_EDGES, "(prediction - truth) / truth", charts.SIGNED_TICKS, "share of pixels",
        outline=pages.before.signed,
    )  # fmt: skip
    after, before = (
        [(a, b, *(100 * q for q in quartiles)) for a, b, *quartiles in one.quartiles_by_distance()]
        for one in (pages.after, pages.before)
    )
    bands = charts.bands(after, "true distance, metres", "|prediction - truth| / truth", before)
    return html.chart_figure("Error", "to the right: too far, to the left: too near", signed) + html.chart_figure(
        "Error against distance", "median, and the half of all pixels around it", bands
    )


def _frame(one: Judged) -> str:
    """Image and truth, then depth and error before, then after."""
    truth = one.truth
    sparse = np.isfinite(truth).mean() < 0.2
    shown_truth = _spread(truth) if sparse else truth
    scale = DepthScale.of([shown_truth, one.before, one.after])
    rows = []
    for name, depth, metrics, first in (
        ("before", one.before, one.metrics_before, True),
        ("after", one.after, one.metrics_after, False),
    ):
        error = error_picture(depth, shown_truth)
        cells = [(f"depth {name}", scale.picture(depth)), (f"error {name}", error)]
        if first:
            cells[:0] = [
                ("image", cv2.cvtColor(one.example.rgb, cv2.COLOR_RGB2BGR)),
                ("depth that is known", scale.picture(shown_truth)),
            ]
        figures = "".join(html.figure(text, picture, _PICTURE_WIDTH) for text, picture in cells)
        blank = "" if first else '<span class="blank"></span><span class="blank"></span>'
        said = f"{name}: AbsRel {metrics.abs_rel:.3f} · δ1 {100 * metrics.delta1:.1f} % · RMSE {metrics.rmse_m:.2f} m"
        rows.append(f'<p class="said">{said}</p><div class="row">{blank}{figures}</div>')
    bar = html.scale_bar("distance", scale.scale())
    head = f'<article class="frame"><h4>{escape(one.example.name)}</h4>'
    return f'{head}{"".join(rows)}<div class="scales">{bar}</div></article>'


def _spread(depth: np.ndarray) -> np.ndarray:
    """Single depths drawn larger."""
    grown = cv2.dilate(np.nan_to_num(depth, nan=0.0), np.ones((_SPREAD_PX, _SPREAD_PX), np.uint8))
    return np.where(grown > 0, grown, np.nan).astype(np.float32)


def _facts(summary: dict[str, Any]) -> dict[str, str]:
    model, training = summary["model"], summary["training"]
    tried = ", ".join(f"{rate}: {error:.4f}" for rate, error in training["tried"].items())
    facts = {
        "base": f"{model['base']}, family {model['family']}",
        "SHA-256 of its weights": model["base_sha256"],
        "kind of depth": model["kind"],
        "licence of the base": model["licence"],
        **{f"source {k + 1}": note for k, note in enumerate(summary["notes"])},
        "learning rate": f"{training['learning_rate']:g}"
        + (f" (validation error of those tried: {tried})" if tried else ""),
        "weights": f"of step {training['best_step']} of {training['steps']}",
        "validation error": f"{training['validation_before']:.4f} before, {training['validation_after']:.4f} after",
    }
    if summary["licence_note"]:
        facts["note"] = summary["licence_note"]
    if training["stopped"]:
        facts["stopped"] = training["stopped"]
    return facts
