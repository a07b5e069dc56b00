# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest

import alignment
from alignment_parts import real
from alignment_parts.row import row


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"planted": "error", "local": "ratio", "timing": "time", "course": "change"}
    for module, name in parts.items():
        monkeypatch.setattr(getattr(alignment, module), "rows", lambda name=name: [row(name, 0.5, "<= 1", "%", True)])
    line = real.Judged("nyu_depth", "good prior", "50 points")
    line.add("ours", np.full(10, 2.2, dtype=np.float32), np.full(10, 2.0, dtype=np.float32))
    monkeypatch.setattr(alignment.real, "lines", lambda data, **chosen: [line])
    monkeypatch.setattr(alignment.ground, "rows", lambda data: [row("floor", 12.0, "<= 3", "ms", False)])


def test_one_run_one_table_one_file(quick, tmp_path, capsys) -> None:
    (tmp_path / "data" / "nyu_depth").mkdir(parents=True)
    arguments = ["--out", str(tmp_path), "--data", str(tmp_path / "data")]
    assert alignment.main(arguments) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found == json.loads((tmp_path / "alignment.json").read_text())
    assert [line["name"] for line in found["rows"]] == ["error", "ratio", "time", "floor", "change"]
    assert found["missed"] == ["floor"] and "nyu_depth" not in found["without"] and "middlebury" in found["without"]
    assert found["real"][0]["abs_rel"] == {"ours": 0.1}
    lines = [line.split() for line in printed.err.splitlines()]
    assert ["floor", "12", "ms", "<=", "3", "ms", "NO"] in lines and "4 of 5 hold" in printed.err


def test_parts_can_be_chosen(quick, tmp_path, capsys) -> None:
    assert alignment.main(["--out", str(tmp_path), "--parts", "ground"]) == 0
    assert [line["name"] for line in json.loads(capsys.readouterr().out)["rows"]] == ["floor"]


def test_without_data_it_says_what_is_left_out(quick, tmp_path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONO_DEPTH_DATA", raising=False)
    assert alignment.main(["--out", str(tmp_path)]) == 0
    assert "seven_scenes" in json.loads(capsys.readouterr().out)["without"]


def test_a_folder_that_is_not_there_is_refused(quick, tmp_path, capsys) -> None:
    assert alignment.main(["--out", str(tmp_path), "--data", str(tmp_path / "none")]) == 1
    assert "expected a folder with seven_scenes" in capsys.readouterr().err


def test_the_best_curve_is_held_against_scale() -> None:
    """Of each set and prior the mean over the patterns."""
    truth, lines = np.full(10, 2.0, dtype=np.float32), []
    for pattern, scale, best in (("50 points", 1.2, 1.1), ("500 points", 1.4, 1.25)):
        line = real.Judged("nyu_depth", "good prior", pattern)
        line.add("global", scale * truth, truth)
        line.add("best curve", best * truth, truth)
        lines.append(line)
    (found,) = real.rows(lines)
    assert "nyu_depth, good prior" in found["name"] and found["holds"]
    assert found["measured"] == pytest.approx(0.175, abs=1e-3)
