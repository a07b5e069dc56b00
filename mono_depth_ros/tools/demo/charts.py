# SPDX-License-Identifier: Apache-2.0
"""Small charts as inline SVG; colours come from the classes of the page's style sheet, so that they suit its theme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 420.0, 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 12.0, 22.0, 40.0


def histogram(
    counts: np.ndarray, edges: np.ndarray, x_label: str, x_ticks: Sequence[tuple[float, str]], y_label: str,
    markers: Sequence[tuple[float, str]] = (), outline: np.ndarray | None = None,
) -> str:  # fmt: skip
    """Bars of shares in percent.

    Args:
        counts: (n,) of each bin. edges: (n + 1,). x_ticks: (value, text). markers: (value, text) of upright lines.
        outline: (n,) counts of another distribution in the same bins, drawn as a line over the bars.
    """
    share = 100 * counts / max(counts.sum(), 1)
    other = 100 * outline / max(outline.sum(), 1) if outline is not None else share
    top = float(max(share.max(), other.max())) * 1.08 or 1.0
    axes = _Axes(float(edges[0]), float(edges[-1]), top)
    bars = [
        f'<rect class="bar" x="{axes.x(a):.1f}" y="{axes.y(s):.1f}" '
        f'width="{max(axes.x(b) - axes.x(a) - 0.6, 0.4):.1f}" height="{max(axes.y(0) - axes.y(s), 0):.1f}"/>'
        for a, b, s in zip(edges[:-1], edges[1:], share, strict=True)
        if s > 0
    ]
    lines = []
    for k, (value, text) in enumerate(markers):
        x = axes.x(value)
        # Towards the middle, so that no label leaves the chart; one below the other, so that none hides another.
        anchor, shift = ("start", 4) if x < _WIDTH / 2 else ("end", -4)
        lines.append(f'<line class="marker" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP:.1f}" y2="{axes.y(0):.1f}"/>')
        y = _TOP + 9 + 14 * k
        lines.append(f'<text class="note" x="{x + shift:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')
    if outline is not None:
        ends = zip(edges[:-1], edges[1:], other, strict=True)
        steps = [f"{axes.x(edge):.1f},{axes.y(s):.1f}" for a, b, s in ends for edge in (a, b)]
        lines.append(f'<polyline class="line other" points="{" ".join(steps)}"/>')
    return _chart([axes.frame(x_label, x_ticks, y_label, "%"), *bars, *lines])


def bands(
    rows: Sequence[tuple[float, float, float, float, float]], x_label: str, y_label: str,
    other: Sequence[tuple[float, float, float, float, float]] = (),
) -> str:  # fmt: skip
    """Medians with their quartile bands over a logarithmic axis.

    Args:
        rows: (from, to, lower quartile, median, upper quartile), `from` and `to` positive, the rest in percent.
        other: likewise of another distribution, of which only the medians are drawn.
    """
    if not rows:
        return _chart(['<text class="note" x="210" y="115" text-anchor="middle">no ground truth</text>'])
    top = max([row[4] for row in rows] + [row[3] for row in other]) * 1.1
    axes = _Axes(np.log(rows[0][0]), np.log(rows[-1][1]), top)
    ticks = [
        v for v in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256) if rows[0][0] <= v * 1.001 and v <= rows[-1][1] * 1.001
    ]
    parts = [axes.frame(x_label, [(float(np.log(v)), f"{v:g}") for v in ticks], y_label, "%")]
    middles = []
    for low_m, high_m, low, middle, high in rows:
        a, b = axes.x(np.log(low_m)), axes.x(np.log(high_m))
        parts.append(
            f'<rect class="band" x="{a:.1f}" y="{axes.y(high):.1f}" width="{b - a:.1f}" '
            f'height="{axes.y(low) - axes.y(high):.1f}"/>'
        )
        middles.append(f"{(a + b) / 2:.1f},{axes.y(middle):.1f}")
    parts.append(f'<polyline class="line" points="{" ".join(middles)}"/>')
    if other:
        line = [f"{axes.x(np.log((a * b) ** 0.5)):.1f},{axes.y(median):.1f}" for a, b, _, median, _ in other]
        parts.append(f'<polyline class="line other" points="{" ".join(line)}"/>')
    parts += ['<circle class="dot" cx="{}" cy="{}" r="2.6"/>'.format(*point.split(",")) for point in middles]
    return _chart(parts)


def course(line: Sequence[tuple[float, float]], dots: Sequence[tuple[float, float]], x_label: str, y_label: str) -> str:
    """A line and dots over time, (x, y) each; the y axis takes in what there is and the 5 % around it, if not more."""
    values = [y for _, y in (*line, *dots)]
    middle = float(np.median(values)) if values else 1.0
    reach = max([abs(y - middle) for y in values] + [0.05 * abs(middle)]) * 1.15
    right = max([x for x, _ in (*line, *dots)] + [1e-3])
    axes = _Axes(0.0, right, middle + reach, middle - reach)
    parts = [axes.frame(x_label, [(v, f"{v:g}") for v in nice_ticks(0.0, right)], y_label, "")]
    parts += [f'<circle class="dot other" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="2"/>' for x, y in dots]
    points = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in line)
    parts.append(f'<polyline class="line" points="{points}"/>')
    return _chart(parts)


class _Axes:
    def __init__(self, x_low: float, x_high: float, y_high: float, y_low: float = 0.0) -> None:
        self.x_low, self.x_span, self.y_low, self.y_high = x_low, max(x_high - x_low, 1e-9), y_low, y_high

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x_low) / self.x_span * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = min((value - self.y_low) / (self.y_high - self.y_low), 1.0)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def frame(self, x_label: str, x_ticks: Sequence[tuple[float, str]], y_label: str, y_unit: str) -> str:
        parts = [f'<text class="axis" x="0" y="11">{escape(y_label)}</text>']
        for value in nice_ticks(self.y_low, self.y_high, 4):
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(
                f'<text class="tick" x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{value:.4g} {y_unit}</text>'
            )
        foot = f'y="{_HEIGHT - _BOTTOM + 15:.1f}" text-anchor="middle"'
        for value, text in x_ticks:
            parts.append(f'<text class="tick" x="{self.x(value):.1f}" {foot}>{escape(text)}</text>')
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        parts.append(f'<text class="axis" x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
        return "".join(parts)


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` of them or so."""
    rough = max(high - low, 1e-9) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [float(v) + 0.0 for v in np.arange(np.ceil(low / step - 1e-9), high / step + 1e-9) * step]  # no -0


def _chart(parts: Sequence[str]) -> str:
    return f'<svg class="chart" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img">{"".join(parts)}</svg>'
