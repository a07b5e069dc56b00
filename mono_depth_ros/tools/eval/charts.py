# SPDX-License-Identifier: Apache-2.0
"""Curves of several models in one chart, as inline SVG; the classes c0, c1 ... of the style sheet colour them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from mono_depth_ros.tools.demo.charts import nice_ticks

COLOURS = 6
"""Models beyond that many share colours with the first."""

_WIDTH, _HEIGHT = 520.0, 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 12.0, 24.0, 42.0

Points = Sequence[tuple[float, float]]


def curves(
    lines: Sequence[Points], x_label: str, y_label: str, x_ticks: Sequence[tuple[float, str]], top: float
) -> str:
    """One line for each model; x from the first tick to the last, y from 0 to `top` percent."""
    low, high = x_ticks[0][0], x_ticks[-1][0]

    def x(value: float) -> float:
        return _LEFT + (value - low) / max(high - low, 1e-9) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - min(max(value / max(top, 1e-9), 0.0), 1.0) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<text class="axis" x="0" y="11">{escape(y_label)}</text>']
    for value in nice_ticks(0.0, top, 4):
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        parts.append(_text("tick", _LEFT - 6, y(value) + 3.5, f"{value:.4g} %", "end"))
    for value, text in x_ticks:
        anchor = "end" if value == high else "middle"  # the last would be cut off
        parts.append(_text("tick", x(value), _HEIGHT - _BOTTOM + 15, text, anchor))
    parts.append(_text("axis", (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, x_label, "middle"))
    for k, points in enumerate(lines):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        parts.append(f'<polyline class="line c{k % COLOURS}" points="{path}"/>')
    return f'<svg class="chart" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img">{"".join(parts)}</svg>'


def error_histogram(counts: Sequence[np.ndarray], edges: np.ndarray) -> str:
    """Steps, shares of pixels; counts (n,) of each model in bins edges (n + 1,) of the signed relative error."""
    shares = [100 * one / max(one.sum(), 1) for one in counts]
    lines = [
        [(float(edge), float(s)) for a, b, s in zip(edges[:-1], edges[1:], share, strict=True) for edge in (a, b)]
        for share in shares
    ]
    ticks = [(-1.0, "≤-100%"), (-0.5, "-50%"), (0.0, "0"), (0.5, "+50%"), (1.0, "≥100%")]
    top = max(float(share.max()) for share in shares) * 1.05
    return curves(lines, "(prediction - truth) / truth", "share of pixels", ticks, top)


def error_by_distance(models: Sequence[Sequence[tuple[float, float, float]]]) -> str:
    """Medians of the absolute relative error over a logarithmic axis; rows (from, to, median) of each model."""
    lines = [[(float(np.log((a * b) ** 0.5)), 100 * median) for a, b, median in rows] for rows in models]
    ends = [(row[0], row[1]) for rows in models for row in rows]
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    marks = [v for v in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256) if low < v < high]
    steps = [low, *(v for v in marks if low * 1.3 <= v <= high / 1.3), high]
    ticks = [(float(np.log(v)), f"{v:.2g}") for v in steps]
    top = max(median for rows in models for *_, median in rows) * 110
    return curves(lines, "true distance, metres", "median of |prediction - truth| / truth", ticks, top)


def _text(name: str, x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
