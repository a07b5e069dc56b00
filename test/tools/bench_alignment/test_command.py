# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from mono_depth_ros.tools import cli
from mono_depth_ros.tools.bench_alignment import command
from mono_depth_ros.tools.bench_alignment.row import row


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"planted": "error", "local": "ratio", "course": "change"}
    for module, name in parts.items():
        monkeypatch.setattr(getattr(command, module), "rows", lambda name=name: [row(name, 0.5, "<= 1", "%", True)])
    monkeypatch.setattr(command.real, "rows", lambda data: [row("AbsRel of linear", 0.04, None, "", None)])
    monkeypatch.setattr(command.ground, "rows", lambda data: [row("floor", 12.0, "<= 3", "ms", False)])


def test_one_run_one_table_one_file(quick, tmp_path, capsys) -> None:
    (tmp_path / "data" / "nyu_depth").mkdir(parents=True)
    arguments = ["bench", "alignment", "--json", "--out", str(tmp_path), "--data", str(tmp_path / "data")]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)["alignment"]
    assert found == json.loads((tmp_path / "alignment.json").read_text())
    assert [line["name"] for line in found["rows"]] == ["error", "ratio", "AbsRel of linear", "floor", "change"]
    assert found["missed"] == ["floor"] and found["without"] == ["seven_scenes", "kitti_lidar", "kitti_depth"]
    lines = [line.split() for line in printed.err.splitlines()]
    assert ["floor", "12", "ms", "<=", "3", "ms", "NO"] in lines and ["AbsRel", "of", "linear", "0.04"] in lines


def test_without_data_it_says_what_is_left_out(quick, tmp_path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONO_DEPTH_DATA", raising=False)
    assert cli.main(["bench", "alignment", "--json", "--out", str(tmp_path)]) == 0
    assert "seven_scenes" in json.loads(capsys.readouterr().out)["alignment"]["without"]


def test_a_folder_that_is_not_there_is_refused(quick, tmp_path, capsys) -> None:
    assert cli.main(["bench", "alignment", "--out", str(tmp_path), "--data", str(tmp_path / "none")]) == 1
    assert "expected a folder with seven_scenes" in capsys.readouterr().err
