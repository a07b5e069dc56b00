# SPDX-License-Identifier: Apache-2.0
"""The page as text; test_browser.py looks at it with eyes."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from mono_depth_ros.tools.demo.cloud_data import cloud_data
from mono_depth_ros.tools.demo.measure import Errors, summary
from mono_depth_ros.tools.demo.recording import Topics
from mono_depth_ros.tools.demo.report import Report
from mono_depth_ros.tools.demo.source import Source
from mono_depth_ros.tools.demo.words import TINY_WORDS, Words, notes
from mono_depth_ros.tools.report.pictures import DepthScale


@pytest.fixture
def page(frame, timing, course):
    def page(truth=True, cloud=True, aligned=None, motion=None, **words):
        how = {"truth": truth, "cloud": cloud, "aligned": aligned, "motion": motion}
        frames = [frame(k, factor=1.0 + 0.1 * k, **how) for k in range(3)]
        errors, after, moved = Errors(), Errors(), Errors()
        for one in frames:
            errors.add(one)
            if aligned is not None:
                after.add(replace(one, depth=one.aligned))
            if motion is not None:
                moved.add(replace(one, depth=one.motion))
        told = course() if aligned is not None else course((), ())
        texts = {"headline": "Metric depth", "lead": "A test.", "honesty": TINY_WORDS, **words}
        source = Source("", {}, Topics(), "a test", "A test", truth="exact")
        said = Words(**texts, notes=notes(source, truth, 10.0, 1.0))
        found = summary("tiny", timing(), errors, after, moved, told)
        return Report(found, timing(), errors, frames, frames[1], said, {"Python": "3"}, after, moved).html()

    return page


class Wellformed(HTMLParser):
    """Checks that every element is closed in order."""

    VOID = ("meta", "link", "img", "br")
    SVG_EMPTY = ("rect", "line", "circle", "polyline")

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()


def parsed(text):
    parser = Wellformed()
    parser.feed(text)
    assert not parser.open
    return parser.seen


@pytest.mark.parametrize("truth", [True, False])
@pytest.mark.parametrize("cloud", [True, False])
def test_page_is_wellformed_and_complete(page, truth, cloud):
    text = page(truth, cloud)
    assert "{{" not in text
    tags = parsed(text)
    images = [attributes for tag, attributes in tags if tag == "img"]
    assert len(images) == 3 * (4 if truth else 2)
    assert len([1 for tag, a in tags if tag == "svg"]) == (3 if truth else 1)
    assert ("AbsRel" in text) == truth and "alignment" not in text
    assert TINY_WORDS.replace("'", "&#x27;") in text


def test_an_aligned_run_shows_before_and_after(page):
    text = page(aligned=1.02)
    tags = parsed(text)
    assert len([1 for tag, _ in tags if tag == "img"]) == 3 * 6
    assert len([1 for tag, a in tags if tag == "svg"]) == 4
    assert "the mean error went from 10.0 % to 2.0 % of the true distance" in text
    assert "multiplies all depth by 0.910" in text and "3.0 % off, in the median, at lidar points" in text
    assert "<tr><td>AbsRel</td><td>0.100</td><td class=after>0.020</td></tr>" in text
    assert "own motion" not in text and 'class="line c2"' not in text
    assert "<b>0.020</b><em>mean error ÷ true distance; 0.100 before alignment</em>" in text
    assert "aligned AbsRel 0.020" in text
    assert 'data-cloud="aligned"' in text


def test_motion_stands_beside_the_lidar_in_the_table_the_chart_and_the_pictures(page):
    text = page(aligned=1.02, motion=1.05)
    tags = parsed(text)
    assert len([1 for tag, _ in tags if tag == "img"]) == 3 * 8
    assert "<th>depth node</th><th>by motion</th><th>by the lidar</th>" in text
    assert "<tr><td>AbsRel</td><td>0.100</td><td class=after>0.050</td><td class=after>0.020</td></tr>" in text
    assert "without any other sensor, it went from 10.0 % to 5.0 %" in text
    lines = {a["class"]: a["points"] for tag, a in tags if tag == "polyline" and a["class"].startswith("line c")}
    heights = {name: [float(point.split(",")[1]) for point in line.split()] for name, line in lines.items()}
    assert set(heights) == {"line c0", "line c1", "line c2"}
    assert heights["line c1"][0] > heights["line c1"][1] > heights["line c1"][2], "1, 1.1 and 1.2 of the truth"
    assert len(set(heights["line c0"])) == len(set(heights["line c2"])) == 1
    assert heights["line c0"][0] > heights["line c2"][0], "1.02 is nearer to the truth than 1.05"


def test_motion_alone_has_its_own_column(page):
    text = page(motion=1.05)
    assert "<th>depth node</th><th>by motion</th></tr>" in text and "points of the lidar" not in text
    assert "<b>0.050</b><em>mean error ÷ true distance; 0.100 before alignment</em>" in text


def test_an_aligned_run_without_truth_shows_the_pictures_only(page):
    text = page(truth=False, aligned=1.02)
    assert len([1 for tag, _ in parsed(text) if tag == "img"]) == 3 * 3
    assert "Before and after" not in text


def test_page_asks_nothing_of_the_network(page):
    text = page()
    for tag, attributes in parsed(text):
        for name in ("src", "href", "srcset", "action", "data"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, name)
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text


def test_headline_figures_are_the_summary_s(page):
    text = page()
    assert "<b>0.100</b>" in text  # AbsRel of 0, 10 and 20 percent
    assert "<b>100.0 <small>%</small></b>" in text
    assert "<b>25 <small>ms</small></b>" in text
    assert "<b>9 <small>of 10</small></b><em>1 dropped" in text


def test_texts_are_escaped(page):
    text = page(lead="a <b>folder</b> & </script><script>alert(1)</script>")
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    parsed(text)


def decoded(cloud, key="xyz"):
    if key == "xyz":
        place = np.frombuffer(base64.b64decode(cloud["xyz"]), "<u2").reshape(-1, 3) / 65535
        return np.array(cloud["low"]) + place * (np.array(cloud["high"]) - np.array(cloud["low"]))
    return np.frombuffer(base64.b64decode(cloud["colors"][key]), np.uint8).reshape(-1, 3)


def test_clouds_of_the_viewer(frame):
    one = frame(factor=1.25)
    data = cloud_data(one, DepthScale.of([one.depth, one.truth]))
    assert data == json.loads(json.dumps(data, allow_nan=False))
    node, truth = data["clouds"]["node"], data["clouds"]["truth"]
    # Rows 0, 2, 4 ... of the image, of which row 0 is sky.
    assert node["n"] == truth["n"] == 23 * 32
    np.testing.assert_allclose(decoded(node), one.cloud[1:, :, :3].reshape(-1, 3), atol=1e-4)
    np.testing.assert_allclose(decoded(node), 1.25 * decoded(truth), atol=2e-4)
    assert (decoded(node, "image") == (200, 120, 40)).all()
    assert set(node["colors"]) == {"image", "distance", "error"} and set(truth["colors"]) == {"image", "distance"}
    assert data["distance"] == pytest.approx(1.25 * 3.0, rel=0.02)


def test_the_aligned_cloud_beside_the_node_s(frame):
    one = frame(factor=1.25, aligned=1.0)
    data = cloud_data(one, DepthScale.of([one.depth, one.truth]))
    aligned, truth = data["clouds"]["aligned"], data["clouds"]["truth"]
    # Row 2 is beside the unknown row 1, and so a jump of the aligned depth.
    assert aligned["n"] == truth["n"] - 32 and data["shown"] == "aligned" and data["pair"] == ["aligned", "truth"]
    np.testing.assert_allclose(decoded(aligned), decoded(truth)[32:], atol=2e-4)
    assert list(data["clouds"]) == ["aligned", "node", "truth"]
    assert set(aligned["colors"]) == {"image", "distance", "error"}


def test_ground_truth_without_a_known_pixel_has_no_cloud(frame):
    one = replace(frame(), truth=np.full((48, 64), np.nan, np.float32))
    data = cloud_data(one, DepthScale.of([one.depth]))
    assert set(data["clouds"]) == {"node"} and data["clouds"]["node"]["n"] == 23 * 32


def test_large_clouds_are_thinned(frame, monkeypatch):
    monkeypatch.setattr("mono_depth_ros.tools.demo.cloud_data.MOST_POINTS", 200)
    one = frame()
    node = cloud_data(one, DepthScale.of([one.depth, one.truth]))["clouds"]["node"]
    assert 0 < node["n"] <= 200
