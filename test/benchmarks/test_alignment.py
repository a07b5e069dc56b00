# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

import alignment
from alignment_parts.row import row


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"planted": "error", "local": "ratio", "course": "change"}
    for module, name in parts.items():
        monkeypatch.setattr(getattr(alignment, module), "rows", lambda name=name: [row(name, 0.5, "<= 1", "%", True)])
    monkeypatch.setattr(alignment.real, "rows", lambda data: [row("AbsRel of linear", 0.04, None, "", None)])
    monkeypatch.setattr(alignment.ground, "rows", lambda data: [row("floor", 12.0, "<= 3", "ms", False)])


def test_one_run_one_table_one_file(quick, tmp_path, capsys) -> None:
    (tmp_path / "data" / "nyu_depth").mkdir(parents=True)
    arguments = ["--out", str(tmp_path), "--data", str(tmp_path / "data")]
    assert alignment.main(arguments) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found == json.loads((tmp_path / "alignment.json").read_text())
    assert [line["name"] for line in found["rows"]] == ["error", "ratio", "AbsRel of linear", "floor", "change"]
    assert found["missed"] == ["floor"] and found["without"] == ["seven_scenes", "kitti_lidar", "kitti_depth"]
    lines = [line.split() for line in printed.err.splitlines()]
    assert ["floor", "12", "ms", "<=", "3", "ms", "NO"] in lines and ["AbsRel", "of", "linear", "0.04"] in lines


def test_without_data_it_says_what_is_left_out(quick, tmp_path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONO_DEPTH_DATA", raising=False)
    assert alignment.main(["--out", str(tmp_path)]) == 0
    assert "seven_scenes" in json.loads(capsys.readouterr().out)["without"]


def test_a_folder_that_is_not_there_is_refused(quick, tmp_path, capsys) -> None:
    assert alignment.main(["--out", str(tmp_path), "--data", str(tmp_path / "none")]) == 1
    assert "expected a folder with seven_scenes" in capsys.readouterr().err
