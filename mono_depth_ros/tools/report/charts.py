# SPDX-License-Identifier: Apache-2.0
"""Charts as inline SVG; colours come from the classes of the page's style sheet, so that they suit its theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

COLOURS = 6
"""Lines beyond that many share colours with the first: the classes c0 to c5."""

SIGNED_TICKS = ((-1.0, "≤-100%"), (-0.5, "-50%"), (0.0, "0"), (0.5, "+50%"), (1.0, "≥100%"))
"""Of an axis of signed relative errors, whose outermost bins hold what lies outside."""

Floats = NDArray[np.float64]
Points = Sequence[tuple[float, float]]
Ticks = Sequence[tuple[float, str]]

_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 12.0, 24.0, 42.0
_CHARACTER = 8.7  # the mean width of those of a tick such as ≥100%, in a wide font
_OCTAVES = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)


class _Chart:
    """Axes from (low, high) of x and y to places in the picture, and the elements drawn so far."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], width: float = 420.0, height: float = 230.0):
        self._x, self._y, self.width, self.height = x, y, width, height
        self._parts: list[str] = []

    def x(self, value: float) -> float:
        low, high = self._x
        return _LEFT + (value - low) / max(high - low, 1e-9) * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._y
        part = min(max((value - low) / max(high - low, 1e-9), 0.0), 1.0)
        return self.height - _BOTTOM - part * (self.height - _TOP - _BOTTOM)

    def axes(self, x_label: str, x_ticks: Ticks, y_label: str, y_unit: str = "") -> None:
        """Labels, ticks and the lines of the grid."""
        self.text("axis", 0, 11, y_label, "start")
        for value in nice_ticks(*self._y, 4):
            y = self.y(value)
            self.add(f'<line class="grid" x1="{_LEFT}" x2="{self.width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            self.text("tick", _LEFT - 6, y + 3.5, f"{value:.4g} {y_unit}", "end")
        for value, text in x_ticks:
            half = len(text) * _CHARACTER / 2  # a text in the middle of its tick would leave the picture at the ends
            place = min(max(self.x(value), half), self.width - half)
            self.text("tick", place, self.height - _BOTTOM + 15, text, "middle")
        self.text("axis", (_LEFT + self.width - _RIGHT) / 2, self.height - 6, x_label, "middle")

    def add(self, element: str) -> None:
        self._parts.append(element)

    def text(self, name: str, x: float, y: float, text: str, anchor: str) -> None:
        self.add(f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def line(self, points: Points, name: str = "") -> None:
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.add(f'<polyline class="{f"line {name}".strip()}" points="{path}"/>')

    def dots(self, points: Points, radius: float, name: str = "") -> None:
        for x, y in points:
            place = f'cx="{self.x(x):.1f}" cy="{self.y(y):.1f}"'
            self.add(f'<circle class="{f"dot {name}".strip()}" {place} r="{radius:g}"/>')

    def rectangle(self, name: str, x: tuple[float, float], y: tuple[float, float], gap: float = 0.0) -> None:
        left, width = self.x(x[0]), max(self.x(x[1]) - self.x(x[0]) - gap, 0.4)
        top, height = self.y(y[1]), max(self.y(y[0]) - self.y(y[1]), 0.0)
        self.add(f'<rect class="{name}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"/>')

    def svg(self) -> str:
        parts = "".join(self._parts)
        return f'<svg class="chart" viewBox="0 0 {self.width:g} {self.height:g}" role="img">{parts}</svg>'


def histogram(
    counts: Floats, edges: Floats, x_label: str, x_ticks: Ticks, y_label: str, markers: Ticks = (),
    outline: Floats | None = None,
) -> str:  # fmt: skip
    """Bars of shares in percent.

    Args:
        counts: (n,) of each bin. edges: (n + 1,). x_ticks: (value, text). markers: (value, text) of upright lines.
        outline: (n,) counts of another distribution in the same bins, drawn as a line over the bars.
    """
    share = _percent(counts)
    other = share if outline is None else _percent(outline)
    chart = _Chart((edges[0], edges[-1]), (0.0, float(max(share.max(), other.max())) * 1.08 or 1.0))
    chart.axes(x_label, x_ticks, y_label, "%")
    for a, b, value in zip(edges[:-1], edges[1:], share, strict=True):
        if value > 0:
            chart.rectangle("bar", (a, b), (0.0, value), gap=0.6)
    for k, (value, text) in enumerate(markers):
        x = chart.x(value)
        chart.add(f'<line class="marker" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP:.1f}" y2="{chart.y(0):.1f}"/>')
        # Towards the middle, so that no label leaves the chart; one below the other, so that none hides another.
        anchor, shift = ("start", 4) if x < chart.width / 2 else ("end", -4)
        chart.text("note", x + shift, _TOP + 9 + 14 * k, text, anchor)
    if outline is not None:
        chart.line(_steps(other, edges), "other")
    return chart.svg()


def bands(rows: Sequence[Sequence[float]], x_label: str, y_label: str, other: Sequence[Sequence[float]] = ()) -> str:
    """Medians with their quartile bands over a logarithmic axis.

    Args:
        rows: at least one of (from, to, lower quartile, median, upper quartile), `from` and `to` positive, the rest in
            percent.
        other: likewise of another distribution, of which only the medians are drawn.
    """
    low, high = rows[0][0], rows[-1][1]
    top = max([row[4] for row in rows] + [row[3] for row in other]) * 1.1
    chart = _Chart((float(np.log(low)), float(np.log(high))), (0.0, top))
    ticks = [(float(np.log(v)), f"{v:g}") for v in _OCTAVES if low <= v * 1.001 and v <= high * 1.001]
    chart.axes(x_label, ticks, y_label, "%")
    for a, b, lower, _, upper in rows:
        chart.rectangle("band", (float(np.log(a)), float(np.log(b))), (lower, upper))
    medians = [(_log_middle(a, b), median) for a, b, _, median, _ in rows]
    chart.line(medians)
    if other:
        chart.line([(_log_middle(a, b), median) for a, b, _, median, _ in other], "other")
    chart.dots(medians, 2.6)
    return chart.svg()


def courses(lines: Mapping[str, Points], level: float, x_label: str, y_label: str) -> str:
    """Lines over time, (x, y) each, by the class of their colour, and a level that would be right.

    The y axis takes in what there is and the 5 % around the level, if not more.
    """
    points = [point for line in lines.values() for point in line]
    low, high = min([y for _, y in points] + [level]), max([y for _, y in points] + [level])
    margin = max(0.08 * (high - low), 0.05 * abs(level))
    right = max([x for x, _ in points] + [1e-3])
    chart = _Chart((0.0, right), (low - margin, high + margin), 520.0, 270.0)
    chart.axes(x_label, [(v, f"{v:g}") for v in nice_ticks(0.0, right)], y_label)
    chart.add(f'<line class="marker" x1="{_LEFT}" x2="{chart.x(right):.1f}" y1="{chart.y(level):.1f}" '
              f'y2="{chart.y(level):.1f}"/>')  # fmt: skip
    for name, line in lines.items():
        chart.line(line, name)
    return chart.svg()


def histograms(counts: Sequence[Floats], edges: Floats, x_label: str, x_ticks: Ticks, y_label: str) -> str:
    """Shares in percent of several distributions (n,) in bins edges (n + 1,), a line of steps each."""
    shares = [_percent(one) for one in counts]
    top = max(float(share.max()) for share in shares) * 1.05
    return _curves([_steps(share, edges) for share in shares], x_label, x_ticks, y_label, top)


def medians(models: Sequence[Sequence[tuple[float, float, float]]], x_label: str, y_label: str) -> str:
    """Rows (from, to, median in percent) of several distributions over a logarithmic axis, a line each."""
    lines = [[(_log_middle(a, b), median) for a, b, median in rows] for rows in models]
    low, high = min(row[0] for rows in models for row in rows), max(row[1] for rows in models for row in rows)
    steps = [low, *(v for v in _OCTAVES if low * 1.3 <= v <= high / 1.3), high]
    ticks = [(float(np.log(v)), f"{v:.2g}") for v in steps]
    top = max(median for rows in models for *_, median in rows) * 1.1
    return _curves(lines, x_label, ticks, y_label, top)


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` of them or so."""
    rough = max(high - low, 1e-9) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [float(v) + 0.0 for v in np.arange(np.ceil(low / step - 1e-9), high / step + 1e-9) * step]  # no -0


def _curves(lines: Sequence[Points], x_label: str, x_ticks: Ticks, y_label: str, top: float) -> str:
    """One line for each model; x from the first tick to the last, y from 0 to `top` percent."""
    chart = _Chart((x_ticks[0][0], x_ticks[-1][0]), (0.0, top), 520.0, 270.0)
    chart.axes(x_label, x_ticks, y_label, "%")
    for k, points in enumerate(lines):
        chart.line(points, f"c{k % COLOURS}")
    return chart.svg()


def _percent(counts: Floats) -> Floats:
    return np.asarray(100 * counts / max(counts.sum(), 1))


def _steps(values: Floats, edges: Floats) -> Points:
    pairs = zip(edges[:-1], edges[1:], values, strict=True)
    return [(float(edge), float(value)) for a, b, value in pairs for edge in (a, b)]


def _log_middle(a: float, b: float) -> float:
    return float(np.log((a * b) ** 0.5))
