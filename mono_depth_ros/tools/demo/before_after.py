# SPDX-License-Identifier: Apache-2.0
"""The part of the report about the alignment: the figures before and after it, and its scale over time."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from mono_depth_ros.tools.demo import charts
from mono_depth_ros.tools.demo.course import Course
from mono_depth_ros.tools.demo.frames import Timing
from mono_depth_ros.tools.demo.measure import Errors

_ROWS = (
    ("abs_rel", "AbsRel", "{:.3f}"),
    ("mae_m", "Mean absolute error", "{:.3f} m"),
    ("rmse_m", "RMSE", "{:.3f} m"),
    ("delta1", "δ1", "{:.1%}"),
)


def before_after(summary: dict[str, Any], timing: Timing, errors: Errors, course: Course) -> str:
    """The section as HTML, "" for a run without alignment.

    Args:
        summary: the content of summary.json. errors: of the depth node, before the alignment.
    """
    before, after, alignment = summary.get("depth"), summary["aligned"], summary["alignment"]
    if before is None or after is None:
        return ""
    figures = _table(before, after)
    if alignment is not None:
        figures += _scale(timing, errors, course)
    words = escape(_sentence(before, after, alignment, timing))
    return (
        f"<section>\n<h2>Before and after alignment</h2>\n<p>{words}</p>\n"
        f'<div class="aligned-figures">{figures}</div>\n</section>\n'
    )


def _sentence(before: dict[str, Any], after: dict[str, Any], alignment: dict[str, Any] | None, timing: Timing) -> str:
    was, now = (f"{100 * figures['abs_rel']:.1f} %" for figures in (before, after))
    change = f"went from {was} to {now}" if was != now else f"stayed at {now}"
    found = f"By the points of the lidar the mean error {change} of the true distance."
    if alignment is not None:
        found += f" The alignment node multiplies all depth by {alignment['scale']:.3f}, corrects what is left locally"
        if alignment["held_out_abs_rel"] is not None:
            found += (
                f", and says itself how far that can be trusted: {100 * alignment['held_out_abs_rel']:.1f} % off, in "
                "the median, at lidar points that it did not use; between the lines of the lidar it may be more"
            )
        found += "."
    if len(timing.aligned_ns):
        delay = np.median((timing.aligned_ns[:, 1] - timing.aligned_ns[:, 0]) / 1e6)
        found += f" Aligned depth arrives {delay:.0f} ms after the stamp of its image."
    return found


def _table(before: dict[str, Any], after: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><td>{name}</td><td>{form.format(before[key])}</td><td class="after">{form.format(after[key])}</td></tr>'
        for key, name, form in _ROWS
    )
    head = "<tr><th></th><th>depth node</th><th>aligned</th></tr>"
    return (
        "<figure><figcaption>Errors<span>against the ground truth, which the alignment never sees</span></figcaption>"
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table></figure>"
    )


def _scale(timing: Timing, errors: Errors, course: Course) -> str:
    start_ns = int(timing.image_ns.min())
    seconds = ((course.stamp_ns - start_ns) / 1e9).tolist()
    line = [(s, value) for s, value in zip(seconds, course.scale.tolist(), strict=True) if s >= 0]
    dots = [((int(timing.image_ns[k]) - start_ns) / 1e9, scale) for k, scale in sorted(errors.scales.items())]
    chart = charts.course(line, dots, "seconds", "scale")
    words = (
        '<b class="key">line</b>: what the alignment node multiplies by; <b class="key other">dots</b>: what each '
        "frame alone would need, by its ground truth"
    )
    return f"<figure><figcaption>Scale over time<span>{words}</span></figcaption>{chart}</figure>"
