# SPDX-License-Identifier: Apache-2.0
"""The report in a real browser: the cloud is drawn, buttons work, nothing is fetched, nothing complains."""

from __future__ import annotations

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mono_depth_ros.tools.demo.measure import Errors, summary
from mono_depth_ros.tools.demo.recording import Topics
from mono_depth_ros.tools.demo.report import Report
from mono_depth_ros.tools.demo.source import Source
from mono_depth_ros.tools.demo.words import TINY_WORDS, Words, notes


@pytest.fixture
def page(frame, timing, course):
    frames = [frame(k, factor=1.15, aligned=1.05, motion=0.97) for k in range(2)]
    errors, aligned, motion = Errors(), Errors(), Errors()
    for one in frames:
        errors.add(one)
        aligned.add(replace(one, depth=one.aligned))
        motion.add(replace(one, depth=one.motion))
    source = Source("", {}, Topics(), "a test", "A test", truth="exact")
    words = Words("Metric depth from one camera", "A test.", TINY_WORDS, notes(source, True, 10.0, 1.0))
    found = summary("tiny", timing(), errors, aligned, motion, course())
    return Report(found, timing(), errors, frames, frames[0], words, {"Python": "3"}, aligned, motion).html()


def test_cloud_is_drawn_and_the_controls_work(tmp_path, browser, page):
    found = browser.inspect(page, "--window-size=1280,900")
    assert found["complaints"] == [] and found["fetched"] == []
    assert found["pictures"] and not found["fallback"] and not found["wider"]
    views = found["views"]
    for name, view in views.items():
        assert view["share"] > 0.05, f"{name}: nearly nothing is drawn"
    # The image is (200, 120, 40) everywhere; the lines of the camera are white.
    np.testing.assert_allclose(views["image"]["mean"], (200, 120, 40), atol=25)
    assert np.abs(np.subtract(views["error"]["mean"], views["image"]["mean"])).max() > 30
    assert views["truth"]["share"] != views["image"]["share"], "another cloud"
    assert np.abs(np.subtract(views["both"]["mean"], views["image"]["mean"])).max() > 20
    assert views["turned"]["share"] != views["image"]["share"], "dragging turns it"


def test_without_webgl_there_is_a_sentence(tmp_path, browser, page):
    found = browser.inspect(page.replace('getContext("webgl"', 'getContext("none"'))
    assert found["complaints"] == [] and found["fallback"] and found["pictures"]


@pytest.mark.parametrize("width", [375, 768, 1600])
def test_page_fits_narrow_and_wide_windows(tmp_path, browser, page, width):
    # Chromium's window is at least 500 pixels wide; a frame of the wanted width has no such limit.
    text = page.replace("<title>", browser.listen + "<title>", 1).replace(' loading="lazy"', "")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    (tmp_path / "outer.html").write_text(
        f'<iframe id="f" src="page.html" style="width:{width}px;height:800px"></iframe><pre id="found"></pre><script>'
        'addEventListener("load", () => { const root = document.getElementById("f").contentDocument.documentElement;'
        'document.getElementById("found").textContent = root.scrollWidth + " " + root.clientWidth; });</script>'
    )
    flags = ("--allow-file-access-from-files", f"--window-size={width + 100},900")
    dom = browser.run(*flags, "--dump-dom", (tmp_path / "outer.html").as_uri())
    scroll, client = map(int, re.search(r'<pre id="found">(\d+) (\d+)</pre>', dom).groups())
    assert client >= width - 40 and scroll <= client, "something sticks out to the right"


def test_screenshot_in_light_and_dark(tmp_path, browser, page):
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    corners = {}
    for theme, flags in (("light", ()), ("dark", ("--blink-settings=preferredColorScheme=0",))):
        shot = tmp_path / f"{theme}.png"
        browser.run(*flags, "--window-size=1280,900", f"--screenshot={shot}", path.as_uri())
        picture = cv2.imread(str(shot))
        assert picture.shape == (900, 1280, 3)
        assert picture.std() > 10, "an empty page"
        corners[theme] = picture[5, 5].mean()
    assert corners["light"] > 200 and corners["dark"] < 60
