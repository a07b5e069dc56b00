# SPDX-License-Identifier: Apache-2.0
"""Every measurement is a script of its own, and `python benchmarks` runs them."""

from __future__ import annotations

import importlib
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import cloud

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch):
    """What benchmarks/__main__.py defines, and the command lines that it runs."""
    calls: list[list[str]] = []

    def run(command):
        calls.append([Path(command[1]).stem, *command[2:]])
        return subprocess.CompletedProcess(command, 3 if command[1].endswith("overload.py") else 0)

    monkeypatch.setattr(subprocess, "run", run)
    return runpy.run_path(str(FOLDER / "__main__.py")), calls


def test_the_cloud_is_measured_and_right(tmp_path, capsys):
    assert cloud.main(["--out", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "cloud.json").read_text())
    assert printed["largest_relative_error"] < 1e-5 and printed["unproject_colour_pack_ms"] > 0
    assert printed["machine"]["cores"] > 0


def test_every_script_is_listed_and_says_what_it_does(benchmarks, capsys):
    names = benchmarks[0]["NAMES"]
    scripts = {path.stem for path in FOLDER.glob("*.py") if "\ndef main(" in path.read_text()}
    assert set(names) == scripts - {"__main__"}
    assert {path.stem for path in FOLDER.glob("*.json")} <= {*names, "tiny_accuracy"}
    for name in names:
        with pytest.raises(SystemExit) as ended:
            importlib.import_module(name).main(["--help"])
        shown = capsys.readouterr().out
        assert ended.value.code == 0 and f"benchmarks/{name}.py" in shown and "--out DIR" in shown


def test_all_run_or_those_that_are_named(benchmarks, monkeypatch, capsys):
    module, calls = benchmarks
    main = module["main"]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setitem(main.__globals__, "find_spec", lambda name: None if name == "open3d" else name)
    assert main(["cloud", "tiny", "--out", "here"]) == 0
    assert calls == [["cloud", "--out", "here"], ["tiny", "--out", "here"]]
    calls.clear()
    assert main([]) == 3, "the first that fails ends it"
    left_out = (
        "adapt",
        "obstacles",
        "slam",
        "map",
        "gpu",
        "writers",
        "random_requests",
        "dds_transport",
        "fuzz",
        "corruption",
        "signals",
        "soak",
    )
    assert [name for (name,) in calls] == [name for name in module["NAMES"] if name not in left_out]
    said = capsys.readouterr().err
    assert "slam is left out: pip install open3d" in said and "gpu is left out: it needs a CUDA device" in said
    assert main(["slam"]) == 0, "named: its own error says what is missing"


def test_an_unknown_measurement_is_refused(benchmarks, capsys):
    assert benchmarks[0]["main"](["clouds"]) == 2 and not benchmarks[1]
    assert "there is no measurement 'clouds'" in capsys.readouterr().err


def test_a_script_runs_by_itself():
    done = subprocess.run([sys.executable, str(FOLDER / "dds_transport.py"), "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--messages" in done.stdout
