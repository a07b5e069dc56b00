# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models check`: the whole proof, and what was remembered is found anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mono_depth_ros.models.runtime import choice, remembered
from mono_depth_ros.tools import cli


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.slow
def test_files_and_engines(capsys, documented) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert cli.main(["models", "check", "tiny", "--engine", "torch", "--engine", "onnxruntime", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    documented("models check", found)
    assert [Path(row["path"]).name for row in found["files"]] == ["tiny.safetensors"]
    rows = {f"{row['engine']} {row['precision']}": row for row in found["engines"]}
    assert list(rows) == ["torch bf16", "torch fp32", "onnxruntime fp32"] and found["auto"] == "torch fp32"
    assert rows["onnxruntime fp32"]["state"] == "right" and 0 < rows["onnxruntime fp32"]["abs_rel"] < 1e-4
    assert rows["torch fp32"]["abs_rel"] == 0 < rows["torch fp32"]["network_ms"]


def test_an_engine_that_is_wrong(capsys, monkeypatch) -> None:
    real = choice.build

    def build(network, examples, engine, device, precision):
        if engine != "onnxruntime":
            return real(network, examples, engine, device, precision)
        made = real(network, examples, "torch", device, "fp32")
        outputs = lambda _, *x: tuple(value + 0.1 for value in made(*x))  # noqa: E731
        return type("Off", (), {"name": engine, "precision": precision, "__call__": outputs})()

    monkeypatch.setattr(choice, "build", build)
    monkeypatch.setattr(choice, "cannot_run", lambda *_: None)
    assert cli.main(["models", "check", "tiny", "--engine", "onnxruntime"]) == 1
    printed = capsys.readouterr()
    assert "wrong       onnxruntime fp32    engine 'onnxruntime' in fp32 is wrong at " in printed.out
    assert "1 of 1 are not right, such as engine 'onnxruntime' in fp32 is wrong" in printed.err


def test_an_engine_that_is_asked_for_and_cannot_run(capsys) -> None:
    assert cli.main(["models", "check", "tiny", "--engine", "tensorrt"]) == 1
    printed = capsys.readouterr()
    assert "cannot run  tensorrt fp32       engine 'tensorrt' runs on CUDA only" in printed.out
    assert printed.err.startswith("mono_depth models: 1 of 1 are not right")


def test_a_damaged_file_ends_it(tmp_path, capsys) -> None:
    path = tmp_path / "depth_anything_v2_vits.pth"
    path.write_bytes(b"cut off")
    assert cli.main(["models", "check", str(path)]) == 1
    assert "1 of 1 files are not what they should be" in capsys.readouterr().err


def test_what_was_remembered_is_found_anew(tmp_path, monkeypatch, capsys) -> None:
    forgotten = []
    monkeypatch.setattr(remembered, "forget", forgotten.append)
    sealed = []
    monkeypatch.setattr("mono_depth_ros.tools.models.checking.forget_seal", sealed.append)
    assert cli.main(["models", "check", "tiny", "--engine", "torch"]) == 0
    assert forgotten == ["tiny"] and [path.name for path in sealed] == ["tiny.safetensors"]
    assert capsys.readouterr().out.splitlines()[-1] == "engine auto: torch fp32"
