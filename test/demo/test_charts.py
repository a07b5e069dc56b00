# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import numpy as np
import pytest

from mono_depth_ros.tools.demo import charts


def points(svg, kind):
    text = re.search(rf'<polyline class="{kind}" points="([^"]*)"', svg)[1]
    return np.array([[float(v) for v in point.split(",")] for point in text.split()])


def test_the_course_keeps_line_and_dots_apart_and_in_the_chart():
    svg = charts.course([(0.0, 1.0), (10.0, 1.1)], [(5.0, 1.05), (6.0, 1.2)], "seconds", "scale")
    line = points(svg, "line")
    assert line[0, 0] == 44.0 and line[1, 0] == 408.0, "from edge to edge"
    assert line[0, 1] > line[1, 1], "more is higher up"
    dots = re.findall(r'class="dot other" cx="([\d.]+)" cy="([\d.]+)"', svg)
    assert len(dots) == 2 and all(22 <= float(y) <= 190 for _, y in dots)
    assert (line[:, 1] >= 22).all() and (line[:, 1] <= 190).all()


def test_a_steady_scale_is_drawn_steady():
    """Noise of a thousandth does not fill the chart: the axis spans 5 % at least."""
    svg = charts.course([(k, 1.0 + 0.001 * (k % 2)) for k in range(10)], [], "seconds", "scale")
    assert np.ptp(points(svg, "line")[:, 1]) < 5


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
