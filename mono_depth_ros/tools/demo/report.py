# SPDX-License-Identifier: Apache-2.0
"""`report.html`: one page with everything in it, for a browser without a network."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.tools.demo import charts
from mono_depth_ros.tools.demo.before_after import before_after
from mono_depth_ros.tools.demo.cloud_data import cloud_data
from mono_depth_ros.tools.demo.course import Course
from mono_depth_ros.tools.demo.frames import DemoFrame, Timing
from mono_depth_ros.tools.demo.measure import ERROR_EDGES, Errors
from mono_depth_ros.tools.demo.pictures import DepthScale, Scale, error_picture, error_scale, jpeg_uri
from mono_depth_ros.tools.demo.words import Words

_FILES = resources.files("mono_depth_ros.tools.demo")


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page.

    Attributes:
        summary: the content of summary.json. frames: those to show. cloud_frame: the one whose cloud is shown.
        words: what is said about the run. facts: where it ran, name to value.
        aligned: errors after the alignment. course: of the alignment; both are empty for a run without one.
    """

    summary: dict[str, Any]
    timing: Timing
    errors: Errors
    frames: list[DemoFrame]
    cloud_frame: DemoFrame
    words: Words
    facts: dict[str, str]
    aligned: Errors = field(default_factory=Errors)
    course: Course = field(default_factory=lambda: Course.of(()))

    def html(self) -> str:
        """The page. It asks nothing of the network: pictures, clouds, style and script are inside."""
        scale = DepthScale.of(self.frames)
        data = cloud_data(self.cloud_frame, scale)
        parts = {
            "title": escape(f"mono_depth_ros demo: {self.summary['model']}"),
            "headline": escape(self.words.headline),
            "lead": escape(self.words.lead),
            "honesty": escape(self.words.honesty),
            "tiles": "\n".join(_tile(*tile) for tile in self.words.tiles(self.summary)),
            "cloud_words": escape(self.words.cloud(self.cloud_frame, data)),
            "controls": _controls(data["clouds"]),
            "scales": _scale("distance", scale.scale()) + (_scale("error", error_scale()) if self._truth else ""),
            "alignment": before_after(self.summary, self.timing, self.errors, self.course),
            "frames": "\n".join(self._frame(frame, scale) for frame in self.frames),
            "charts": "\n".join(self._charts()),
            "notes": "".join(f"<li>{escape(note)}</li>" for note in self.words.notes),
            "facts": "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in self.facts.items()),
            # "</script>" inside JSON would end the element.
            "cloud_data": json.dumps(data, allow_nan=False).replace("</", "<\\/"),
            "style": _text("report.css"),
            "script": _text("viewer.js"),
        }
        return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("report_template.html"))

    @property
    def _truth(self) -> bool:
        return self.errors.known

    def _frame(self, frame: DemoFrame, scale: DepthScale) -> str:
        start_s = (frame.stamp_ns - int(self.timing.image_ns.min())) / 1e9
        aligned = frame.aligned
        cells = [("image", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)), ("depth", scale.picture(frame.depth))]
        if aligned is not None:
            cells.append(("depth, aligned", scale.picture(aligned)))
        if frame.truth is not None:
            cells += [
                ("ground truth", scale.picture(frame.truth)),
                ("error", error_picture(frame.depth, frame.truth)),
            ]
            if aligned is not None:
                cells.append(("error, aligned", error_picture(aligned, frame.truth)))
        figures = "".join(
            f'<figure><img src="{jpeg_uri(picture)}" alt="{name} of frame {frame.index}" loading="lazy">'
            f"<figcaption>{name}</figcaption></figure>"
            for name, picture in cells
        )
        found, after = self.errors.per_frame.get(frame.index), self.aligned.per_frame.get(frame.index)
        figure = f"<span>AbsRel {found.abs_rel:.3f} · δ1 {100 * found.delta1:.1f} %" if found else ""
        if found and after:
            figure += f", aligned AbsRel {after.abs_rel:.3f} · δ1 {100 * after.delta1:.1f} %"
        figure += "</span>" if found else ""
        kind = "frame aligned" if aligned is not None else "frame" if frame.truth is not None else "frame plain"
        return (
            f'<article class="{kind}"><h3>Frame {frame.index}, {start_s:.1f} s{figure}</h3>'
            f'<div class="row">{figures}</div></article>'
        )

    def _charts(self) -> list[str]:
        found = []
        latency = self.timing.latency_ms
        if latency.size:
            p50, p99 = self.summary["latency_ms"]["p50"], self.summary["latency_ms"]["p99"]
            edges = np.linspace(0.0, max(float(latency.max()) * 1.05, 1.0), 41)
            ticks = [(v, f"{v:g}") for v in charts.nice_ticks(0, float(edges[-1]))]
            marks = [(p50, f"p50 {p50:.0f} ms"), (p99, f"p99 {p99:.0f} ms")]
            chart = charts.histogram(
                np.histogram(latency, edges)[0], edges, "milliseconds", ticks, "share of frames", marks
            )
            found.append(_chart("Latency", "from the stamp of an image to the arrival of its depth", chart))
        if self._truth:
            ticks = [(-1.0, "-100%"), (-0.5, "-50%"), (0.0, "0"), (0.5, "+50%"), (1.0, "≥100%")]
            outline = self.aligned.signed if self.aligned.known else None
            chart = charts.histogram(
                self.errors.signed, ERROR_EDGES, "(depth - truth) / truth", ticks, "share of pixels", outline=outline
            )
            line = "; line: aligned" if self.aligned.known else ""
            found.append(_chart("Error", f"to the right: too far, to the left: too near{line}", chart))
            rows, after = _percent(self.errors), _percent(self.aligned)
            chart = charts.bands(rows, "true distance, metres", "|depth - truth| / truth", after)
            words = f"median, and the half of all pixels around it{'; second line: aligned' if after else ''}"
            found.append(_chart("Error by distance", words, chart))
        return found


def _percent(errors: Errors) -> list[tuple[float, float, float, float, float]]:
    if not errors.known:
        return []
    return [(a, b, 100 * q1, 100 * q2, 100 * q3) for a, b, q1, q2, q3 in errors.quartiles_by_distance()]


def _text(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


def _tile(label: str, value: str, unit: str, explanation: str) -> str:
    small = f" <small>{escape(unit)}</small>" if unit else ""
    figure = f"<b>{escape(value)}{small}</b>"
    return f'<div class="tile"><span>{escape(label)}</span>{figure}<em>{escape(explanation)}</em></div>'


def _scale(name: str, scale: Scale) -> str:
    ticks = "".join(
        f'<span class="{"first" if place < 0.03 else "last" if place > 0.97 else ""}" style="left:{100 * place:.1f}%">'
        f"{escape(text)}</span>"
        for place, text in scale.ticks
    )
    return f'<div class="scale">{name}<i style="background:{scale.gradient()}"></i><div>{ticks}</div></div>'


def _chart(title: str, explanation: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(title)}<span>{escape(explanation)}</span></figcaption>{svg}</figure>"


def _controls(clouds: dict[str, Any]) -> str:
    kinds = [("node", "depth node")]
    kinds += [("aligned", "aligned")] if "aligned" in clouds else []
    kinds += [("truth", "ground truth"), ("both", "both")] if "truth" in clouds else []
    colours = [(name, name) for name in clouds.get("node", {}).get("colors", {})]
    return _choice("Cloud", "cloud", kinds) + _choice("Colour", "color", colours)


def _choice(label: str, key: str, options: list[tuple[str, str]]) -> str:
    buttons = "".join(
        f'<button type="button" data-{key}="{value}" aria-pressed="{str(k == 0).lower()}">{escape(text)}</button>'
        for k, (value, text) in enumerate(options)
    )
    return f'<span class="choice">{escape(label)}<div>{buttons}</div></span>' if len(options) > 1 else ""
