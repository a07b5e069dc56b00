# SPDX-License-Identifier: Apache-2.0
"""`report.html`: one page with everything in it, for a browser without a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from mono_depth_ros.tools.demo.adaptation import Adaptation
from mono_depth_ros.tools.demo.cloud_data import cloud_data
from mono_depth_ros.tools.demo.frames import DemoFrame, Timing
from mono_depth_ros.tools.demo.measure import Errors
from mono_depth_ros.tools.demo.panels import pictures
from mono_depth_ros.tools.demo.words import Words, alignment_words
from mono_depth_ros.tools.report import charts
from mono_depth_ros.tools.report.errors import ERROR_EDGES
from mono_depth_ros.tools.report.page import chart_figure, facts, figure, fill, page, read, scale_bar
from mono_depth_ros.tools.report.pictures import DepthScale, error_scale
from mono_depth_ros.tools.report.viewer import viewer

_PACKAGE = "mono_depth_ros.tools.demo"
_CLOUDS = {"aligned": "aligned", "node": "depth node", "truth": "ground truth"}
_COLUMNS = {"depth": "depth node", "motion": "by motion", "aligned": "by the lidar"}
_BEFORE_AFTER = (
    ("abs_rel", "AbsRel", "{:.3f}"),
    ("mae_m", "Mean absolute error", "{:.3f} m"),
    ("rmse_m", "RMSE", "{:.3f} m"),
    ("delta1", "δ1", "{:.1%}"),
)


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page.

    Attributes:
        summary: the content of summary.json. frames: those to show. cloud_frame: the one whose cloud is shown.
        words: what is said about the run. facts: where it ran, name to value.
        aligned, motion: errors after the alignments; empty for a run without them. adapted: after --adapt.
    """

    summary: dict[str, Any]
    timing: Timing
    errors: Errors
    frames: list[DemoFrame]
    cloud_frame: DemoFrame
    words: Words
    facts: dict[str, str]
    aligned: Errors = field(default_factory=Errors)
    motion: Errors = field(default_factory=Errors)
    adapted: Adaptation | None = None

    def html(self) -> str:
        """The page. It asks nothing of the network: pictures, clouds, style and script are inside."""
        maps = ((frame.depth, frame.aligned, frame.motion, frame.truth) for frame in self.frames)
        scale = DepthScale.of(part for parts in maps for part in parts)
        data = cloud_data(self.cloud_frame, scale)
        errors = (one.per_frame.get(self.cloud_frame.index) for one in (self.errors, self.aligned))
        bars = scale_bar("distance", scale.scale()) + (scale_bar("error", error_scale()) if self.errors.known else "")
        parts = {
            "headline": escape(self.words.headline),
            "lead": escape(self.words.lead),
            "honesty": escape(self.words.honesty),
            "tiles": "\n".join(_tile(*tile) for tile in self.words.tiles(self.summary)),
            "cloud_words": escape(self.words.cloud(self.cloud_frame, data, *errors)),
            "controls": _controls(data["clouds"]),
            "scales": bars,
            "alignment": self._alignment(),
            "adaptation": self.adapted.html() if self.adapted else "",
            "frames": "\n".join(self._frame(frame, scale) for frame in self.frames),
            "charts": "\n".join([*self._latency(), *self._errors()]),
            "notes": "".join(f"<li>{escape(note)}</li>" for note in self.words.notes),
            "facts": facts(self.facts),
        }
        title = f"mono_depth_ros demo: {self.summary['model']}"
        return page(title, fill(read(_PACKAGE, "body.html"), parts), viewer(data))

    def _frame(self, frame: DemoFrame, scale: DepthScale) -> str:
        start_s = (frame.stamp_ns - int(self.timing.image_ns.min())) / 1e9
        figures = "".join(figure(name, picture) for name, picture, _ in pictures(frame, scale))
        one_each = (("", self.errors), ("aligned ", self.aligned), ("by motion ", self.motion))
        known = [(name, errors.per_frame[frame.index]) for name, errors in one_each if frame.index in errors.per_frame]
        said = ", ".join(f"{name}AbsRel {one.abs_rel:.3f} · δ1 {100 * one.delta1:.1f} %" for name, one in known)
        said = f"<span>{said}</span>" if said else ""
        alignments = (frame.aligned is not None) + (frame.motion is not None)
        kind = ("frame plain" if frame.truth is None else "frame", "frame aligned", "frame")[alignments]
        return (
            f'<article class="{kind}"><h3>Frame {frame.index}, {start_s:.1f} s{said}</h3>'
            f'<div class="row">{figures}</div></article>'
        )

    def _latency(self) -> list[str]:
        latency = self.timing.latency_ms
        if not latency.size:
            return []
        p50, p99 = self.summary["latency_ms"]["p50"], self.summary["latency_ms"]["p99"]
        edges = np.linspace(0.0, max(float(latency.max()) * 1.05, 1.0), 41)
        ticks = [(v, f"{v:g}") for v in charts.nice_ticks(0, float(edges[-1]))]
        marks = [(p50, f"p50 {p50:.0f} ms"), (p99, f"p99 {p99:.0f} ms")]
        counts = np.histogram(latency, edges)[0]
        chart = charts.histogram(counts, edges, "milliseconds", ticks, "share of frames", marks)
        return [chart_figure("Latency", "from the stamp of an image to the arrival of its depth", chart)]

    def _errors(self) -> list[str]:
        if not self.errors.known:
            return []
        both = self.aligned.known
        before, after = self.errors.distribution, self.aligned.distribution
        chart = charts.histogram(
            before.signed, ERROR_EDGES, "(depth - truth) / truth", charts.SIGNED_TICKS, "share of pixels",
            outline=after.signed if both else None,
        )  # fmt: skip
        words = f"to the right: too far, to the left: too near{'; line: aligned' if both else ''}"
        found = [chart_figure("Error", words, chart)]
        rows, others = ([(a, b, *(100 * q for q in qs)) for a, b, *qs in one.quartiles_by_distance()]
                        for one in (before, after))  # fmt: skip
        chart = charts.bands(rows, "true distance, metres", "|depth - truth| / truth", others)
        words = f"median, and the half of all pixels around it{'; second line: aligned' if both else ''}"
        return [*found, chart_figure("Error by distance", words, chart)]

    def _alignment(self) -> str:
        """The figures before and after the alignments, and the scale over time; "" for a run without."""
        columns = [(name, self.summary[key]) for key, name in _COLUMNS.items() if self.summary.get(key) is not None]
        if "depth" not in self.summary or len(columns) < 2:
            return ""
        head, rows = "".join(f"<th>{name}</th>" for name, _ in columns), ""
        for key, name, form in _BEFORE_AFTER:
            cells = (
                f"<td{' class=after' if k else ''}>{form.format(found[key])}</td>"
                for k, (_, found) in enumerate(columns)
            )
            rows += f"<tr><td>{name}</td>{''.join(cells)}</tr>"
        table = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
        words = escape(alignment_words(self.summary, self.timing))
        figures = chart_figure("Errors", "against the ground truth, which no alignment sees", table) + self._scale()
        return (
            f"<section>\n<h2>Before and after alignment</h2>\n<p>{words}</p>\n"
            f'<div class="aligned-figures">{figures}</div>\n</section>\n'
        )

    def _scale(self) -> str:
        """Of each frame by how much its depth is too large, as it came and after each alignment."""
        stamps_ns = self.timing.image_ns
        seconds = (stamps_ns - stamps_ns.min()) / 1e9
        of_all = {"c1": self.errors, "c2": self.motion, "c0": self.aligned}
        lines = {name: [(float(seconds[k]), v) for k, v in sorted(one.ratios.items())] for name, one in of_all.items()}
        lines = {name: line for name, line in lines.items() if line}
        keys = {"c1": "as it came", "c2": "by motion", "c0": "by the lidar"}
        named = "".join(f'<span class="name {name}"><i></i>{keys[name]}</span>' for name in lines)
        chart = charts.courses(lines, 1.0, "seconds", "depth / truth")
        words = "the median of depth ÷ true depth of each frame; 1 is right"
        return chart_figure("Scale over time", words, f'<div class="key-row">{named}</div>{chart}')


def _tile(label: str, value: str, unit: str, explanation: str) -> str:
    small = f" <small>{escape(unit)}</small>" if unit else ""
    shown = f"<b>{escape(value)}{small}</b>"
    return f'<div class="tile"><span>{escape(label)}</span>{shown}<em>{escape(explanation)}</em></div>'


def _controls(clouds: dict[str, Any]) -> str:
    kinds = [(name, _CLOUDS[name]) for name in clouds]
    kinds += [("both", "both")] if "truth" in clouds else []
    colours = [(name, name) for name in clouds.get("node", {}).get("colors", {})]
    return _choice("Cloud", "cloud", kinds) + _choice("Colour", "color", colours)


def _choice(label: str, key: str, options: list[tuple[str, str]]) -> str:
    buttons = "".join(
        f'<button type="button" data-{key}="{value}" aria-pressed="{str(k == 0).lower()}">{escape(text)}</button>'
        for k, (value, text) in enumerate(options)
    )
    return f'<span class="choice">{escape(label)}<div>{buttons}</div></span>' if len(options) > 1 else ""
