# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys

from mono_depth_ros.tools.bag.progress import Bar


def test_the_bar_shows_images_rate_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar("in.mcap") as bar:
        bar.step(20, 60)  # of an earlier run
        bar._bar.mininterval = 0
        bar._bar.start_t -= 10  # ten seconds ago
        bar.step(40, 60)
        bar.tell("a word")
        shown = bar._bar.format_dict
    assert (shown["n"], shown["total"], shown["initial"]) == (40, 60, 20)
    said = capsys.readouterr().err
    assert "in.mcap" in said and "40/60" in said and "image" in said and "a word\n" in said


def test_a_bag_of_unknown_length_has_no_end(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar("cut.mcap") as bar:
        bar.step(0, None)
        bar.step(5, None)
    assert "5image" in capsys.readouterr().err


def test_no_bar_in_a_log(capsys):
    with Bar("in.mcap") as bar:
        bar.step(0, 60)
        bar.step(60, 60)
        bar.tell("a word")
    assert capsys.readouterr().err == "a word\n"
