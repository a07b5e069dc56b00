# SPDX-License-Identifier: Apache-2.0
"""The figures of `tiny` in docs/evaluation.md are those that the commands beside them give."""

from __future__ import annotations

import json

import pytest

from mono_depth_ros.tools.cli import main
from mono_depth_ros.tools.eval.output import COLUMNS

TABLES = ("none", "median", "affine_inverse")
"""In the order of the page."""

CASES = {
    "NYUv2, 3 frames": ("nyu", "nyu_depth"),
    "KITTI, 3 frames": ("kitti", "kitti_depth", "--camera", "707.0493,707.0493,604.0814,180.5066"),
}
"""The 150 frames of 7-Scenes take too long for a test."""


@pytest.mark.parametrize("row", CASES)
@pytest.mark.parametrize("align", TABLES)
def test_figures(repository, real_data, capsys, row, align):
    lines = [
        line for line in (repository / "docs/evaluation.md").read_text().splitlines() if line.startswith(f"| {row}")
    ]
    assert len(lines) == len(TABLES)
    shown = [float(cell) for cell in lines[TABLES.index(align)].strip("|").split("|")[1:]]
    name, place, *more = CASES[row]
    assert main(["eval", name, str(real_data / place), "--model", "tiny", "--align", align, "--json", *more]) == 0
    mean = json.loads(capsys.readouterr().out)["models"][0]["mean"]
    # Another CPU adds in another order.
    assert shown == pytest.approx([factor * mean[metric] for _, metric, factor, _ in COLUMNS], rel=0.01, abs=0.002)
