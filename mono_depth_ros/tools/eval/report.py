# SPDX-License-Identifier: Apache-2.0
"""`report.html` of an evaluation: one page with everything in it, for a browser without a network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2

from mono_depth_ros.tools.eval.aligning import ALIGNMENTS
from mono_depth_ros.tools.eval.output import COLUMNS, FLICKER_HEADS, FLICKER_WORDS, counts, flicker_rows, model_words
from mono_depth_ros.tools.eval.score import ModelScore, Shown
from mono_depth_ros.tools.report import charts
from mono_depth_ros.tools.report import page as html
from mono_depth_ros.tools.report.errors import ERROR_EDGES
from mono_depth_ros.tools.report.pictures import DepthScale, error_picture, error_scale

_PICTURE_WIDTH = 360
_MISSING_SHOWN = 200
_NAMES = {"nyu": "NYUv2", "kitti": "KITTI", "tum": "TUM RGB-D", "seven_scenes": "7-Scenes"}


def page(found: dict[str, Any], scores: Sequence[ModelScore]) -> str:
    """The page. It asks nothing of the network: pictures, charts and style are inside.

    Args:
        found: the summary, as eval.json has it. scores: of the same models in the same order.
    """
    names = [score.model for score in scores]
    parts = {
        "headline": escape(_headline(found)),
        "lead": escape(f"{counts(found)}; {found['protocol']['words']}; {ALIGNMENTS[found['protocol']['align']]}."),
        "results": _results(found),
        "comparisons": _comparisons(found["comparisons"]),
        "flicker": _flicker(found),
        "key": _key(names),
        "histogram": charts.histograms(
            [score.errors.signed for score in scores], ERROR_EDGES, "(prediction - truth) / truth",
            charts.SIGNED_TICKS, "share of pixels",
        ),
        "distance": charts.medians(
            [[(a, b, 100 * middle) for a, b, _, middle, _ in score.errors.quartiles_by_distance()] for score in scores],
            "true distance, metres", "median of |prediction - truth| / truth",
        ),
        "images": _images(scores),
        "facts": _facts(found),
        "missing": _missing(found),
    }  # fmt: skip
    body = html.fill(html.read("mono_depth_ros.tools.eval", "body.html"), parts)
    return html.page(f"{found['dataset']}: {', '.join(names)}", body)


def _headline(found: dict[str, Any]) -> str:
    said = [
        f"{model['model']}: AbsRel {model['mean']['abs_rel']:.3f}, δ1 {100 * model['mean']['delta1']:.1f} %"
        for model in found["models"]
    ]
    where = _NAMES.get(found["dataset"]) or Path(found["folder"]).resolve().name
    return f"{'; '.join(said[:3])}{' and more' if len(said) > 3 else ''} on {where}"


def _results(found: dict[str, Any]) -> str:
    heads = ["model", "", *(_greek(heading) for heading, *_ in COLUMNS), "coverage", "images"]
    rows = []
    for model in found["models"]:
        for what, words in (("mean", "mean of images"), ("pooled", "all pixels")):
            cells = [f"{factor * model[what][name]:.{digits}f}" for _, name, factor, digits in COLUMNS]
            cells += [f"{100 * model['coverage']:.1f} %", str(model["images"])]
            rows.append([escape(model["model"]) if what == "mean" else "", words, *cells])
    return _table(heads, rows)


def _comparisons(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    heads = ["first", "second", "metric", "difference", "95 % interval", "first better", "second better", "images"]
    cells = []
    for row in rows:
        span = "one image: none" if row["low"] is None else f"{row['low']:+.4f} to {row['high']:+.4f}"
        sure = row["low"] is not None and (row["low"] > 0 or row["high"] < 0)
        mean = f"{row['mean']:+.4f}"
        cells.append(
            [
                escape(row["first"]),
                escape(row["second"]),
                _greek(row["metric"].removesuffix("_m")),
                f"<b>{mean}</b>" if sure else mean,
                span,
                *(str(row[name]) for name in ("first_wins", "second_wins", "n")),
            ]
        )
    words = (
        "Second minus first, each image compared with itself. The interval is that of the mean difference, by 10,000 "
        "resamples of the images; differences whose interval leaves out 0 are bold. Frames of one video are not "
        "independent: there it is too narrow."
    )
    return f"<section><h2>Side by side</h2><p>{words}</p>{_table(heads, cells, left=3)}</section>"


def _flicker(found: dict[str, Any]) -> str:
    rows = [[escape(cell) for cell in row] for row in flicker_rows(found["models"])]
    if not rows:
        return ""
    words = f"Flicker is the {FLICKER_WORDS}. Pixels are compared in place."
    return f"<section><h2>Flicker</h2><p>{words}</p>{_table(FLICKER_HEADS, rows, left=2)}</section>"


def _images(scores: Sequence[ModelScore]) -> str:
    shown = sorted(scores[0].shown, key=lambda image: image.score.metrics.abs_rel)
    if not shown:
        return ""
    half = (len(shown) + 1) // 2
    groups = [("Best images", shown[:half]), ("Worst images", shown[half:][::-1])]
    others = [{image.name: image for image in score.shown} for score in scores[1:]]
    words = f"By AbsRel of {escape(scores[0].model)}. Error is |prediction - truth| / truth; grey: nothing to compare."
    bars = html.scale_bar("error", error_scale())
    found = [f'<p>{words}</p><div class="scales">{bars}</div>']
    for title, images in groups:
        if images:
            found.append(f"<h3>{title}</h3>")
            found += [_image(image, [(s.model, o.get(image.name)) for s, o in zip(scores[1:], others, strict=True)],
                             scores[0].model) for image in images]  # fmt: skip
    return f"<section><h2>Images</h2>{''.join(found)}</section>"


def _image(image: Shown, others: Sequence[tuple[str, Shown | None]], model: str) -> str:
    """One row a model: its depth and its error; image and truth in the first."""
    every = [(model, image), *((name, other) for name, other in others if other is not None)]
    scale = DepthScale.of([image.truth, *(one.depth for _, one in every)])
    cells = [
        ("image", cv2.cvtColor(image.rgb, cv2.COLOR_RGB2BGR)),
        ("ground truth that counts", scale.picture(image.truth)),
    ]
    rows: list[str] = []
    for name, one in every:
        cells += [(f"{name}, depth", scale.picture(one.depth)), (f"{name}, error", error_picture(one.depth, one.truth))]
        figures = "".join(html.figure(text, picture, _PICTURE_WIDTH) for text, picture in cells)
        blank = "" if rows == [] else '<span class="blank"></span><span class="blank"></span>'
        found = one.score.metrics
        said = f"{escape(name)}: AbsRel {found.abs_rel:.3f} · δ1 {100 * found.delta1:.1f} % · RMSE {found.rmse_m:.2f} m"
        rows.append(f'<p class="said">{said}</p><div class="row">{blank}{figures}</div>')
        cells = []
    bar = html.scale_bar("distance", scale.scale())
    return (
        f'<article class="frame"><h4>{escape(image.name)}</h4>{"".join(rows)}<div class="scales">{bar}</div></article>'
    )


def _key(names: Sequence[str]) -> str:
    return "".join(
        f'<span class="name"><i class="c{k % charts.COLOURS}"></i>{escape(name)}</span>' for k, name in enumerate(names)
    )


def _facts(found: dict[str, Any]) -> str:
    facts = {
        "data set": f"{found['dataset']}, {found['folder']} ({found['layout']})",
        "camera": found["camera"],
        "ground truth": f"{found['depth_scale']:g} a metre",
        "protocol": found["protocol"]["words"],
        "alignment": ALIGNMENTS[found["protocol"]["align"]],
        **{
            f"model {model['model']}": f"{model_words(model)}, licence of the weights: {model['licence']}"
            for model in found["models"]
        },
        **{f"note {k + 1}": note for k, note in enumerate(found["notes"])},
    }
    return html.facts(facts)


def _missing(found: dict[str, Any]) -> str:
    lines = [f"missing: {text}" for text in found["missing"]]
    lines += [f"{m['model']} failed: {one['image']}: {one['reason']}" for m in found["models"] for one in m["failed"]]
    if not lines:
        return ""
    more = f"<li>and {len(lines) - _MISSING_SHOWN} more, in eval.json</li>" if len(lines) > _MISSING_SHOWN else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines[:_MISSING_SHOWN])
    return f'<section><h2>Not compared</h2><ul class="notes">{items}{more}</ul></section>'


def _greek(heading: str) -> str:
    return escape(heading).replace("delta", "δ").replace("x100", "&times;100")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 2) -> str:
    return f'<div class="wide">{html.table(heads, rows, left)}</div>'
