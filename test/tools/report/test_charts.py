# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import numpy as np
import pytest

from mono_depth_ros.tools.report import charts


def points(svg, kind):
    text = re.search(rf'<polyline class="{kind}" points="([^"]*)"', svg)[1]
    return np.array([[float(v) for v in point.split(",")] for point in text.split()])


def test_courses_are_lines_of_their_own_around_the_level_that_is_right():
    svg = charts.courses({"c0": [(0.0, 1.0), (10.0, 1.1)], "c2": [(5.0, 1.05), (6.0, 1.3)]}, 1.0, "seconds", "scale")
    line, other = points(svg, "line c0"), points(svg, "line c2")
    assert line[0, 0] == 48.0 and line[1, 0] == 508.0, "from edge to edge"
    assert line[0, 1] > line[1, 1] > other[1, 1] > 24, "more is higher up, and all is in the chart"
    level = float(re.search(r'class="marker" [^>]*y1="([\d.]+)"', svg)[1])
    assert level == line[0, 1] < 228


def test_a_steady_scale_is_drawn_steady():
    """Noise of a thousandth does not fill the chart: the axis spans 5 % at least."""
    svg = charts.courses({"c0": [(k, 1.0 + 0.001 * (k % 2)) for k in range(10)]}, 1.0, "seconds", "scale")
    assert np.ptp(points(svg, "line c0")[:, 1]) < 5


def test_the_outline_of_a_histogram_is_of_its_own_shares():
    edges = np.array([0.0, 1.0, 2.0])
    svg = charts.histogram(np.array([30, 10]), edges, "x", [], "y", outline=np.array([1, 1]))
    line = points(svg, "line other")
    assert len(line) == 4 and np.ptp(line[:, 1]) == 0
    bars = [float(y) for y in re.findall(r'class="bar" x="[\d.]+" y="([\d.]+)"', svg)]
    assert bars[0] < line[0, 1] < bars[1], "75 %, 50 % and 25 %"


def test_medians_of_another_distribution_over_the_bands():
    rows = [(1.0, 2.0, 5.0, 10.0, 20.0), (2.0, 4.0, 5.0, 10.0, 20.0)]
    half = [(a, b, 1.0, 5.0, 6.0) for a, b, *_ in rows]
    svg = charts.bands(rows, "m", "error", half)
    first, second = points(svg, "line"), points(svg, "line other")
    assert first[:, 0] == pytest.approx(second[:, 0], abs=0.11)
    assert (second[:, 1] > first[:, 1]).all()


def ticks(svg):
    """Text, place and anchor of each label of an axis."""
    found = re.findall(r'<text class="tick" x="([\d.-]+)" y="[\d.]+" text-anchor="(\w+)">([^<]*)<', svg)
    return [(text, float(x), anchor) for x, anchor, text in found]


def error_charts():
    edges, counts = np.linspace(-1.0, 1.0, 81), np.ones(80)
    return {
        "one": charts.histogram(counts, edges, "error", charts.SIGNED_TICKS, "share"),
        "several": charts.histograms([counts, counts], edges, "error", charts.SIGNED_TICKS, "share"),
    }


@pytest.mark.parametrize("name", ["one", "several"])
def test_no_label_is_cut_off_at_the_edge(name):
    """With the widths of DejaVu Sans, which browsers take where nothing else is installed: it is a wide font."""
    widths = {"≤": 0.838, "≥": 0.838, "%": 0.95, "-": 0.361, "+": 0.838, **dict.fromkeys("0123456789", 0.636)}
    svg = error_charts()[name]
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    found = {text: x for text, x, anchor in ticks(svg) if anchor == "middle"}
    assert list(found) == ["≤-100%", "-50%", "0", "+50%", "≥100%"]
    for text, x in found.items():
        half = 11.5 / 2 * sum(widths[letter] for letter in text)  # 11.5 pixels high
        assert x - half >= 0 and x + half <= width, text


def test_a_line_for_each_model_over_distance():
    rows = [[(0.5, 1.0, 10.0), (1.0, 2.0, 20.0)], [(0.5, 1.0, 5.0), (1.0, 2.0, 5.0)]]
    svg = charts.medians(rows, "m", "error")
    first, second = points(svg, "line c0"), points(svg, "line c1")
    assert (first[:, 0] == second[:, 0]).all() and (first[:, 1] < second[:, 1]).all()
    assert [text for text, _, anchor in ticks(svg) if anchor == "middle"] == ["0.5", "1", "2"]
