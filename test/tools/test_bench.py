# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bench MODEL`: one row for each engine, right times and differences; old names say where they went."""

from __future__ import annotations

import json

import pytest
import torch

from mono_depth_ros.models.runtime import engines
from mono_depth_ros.tools import bench, cli


@pytest.mark.parametrize("name", bench.SCRIPTS)
def test_an_old_name_says_which_script_measures_it(name, repository, capsys):
    assert cli.main(["bench", name]) == 2
    assert capsys.readouterr().err.endswith(f"python benchmarks/{name}.py\n")
    assert (repository / "benchmarks" / f"{name}.py").is_file()


def test_its_old_options_too(capsys):
    assert cli.main(["bench", "alignment", "--data", "/data", "--out", "/tmp", "--reference", "/code", "--json"]) == 2
    assert "python benchmarks/alignment.py" in capsys.readouterr().err


def test_a_model_has_a_row_for_each_precision_or_says_why_not(capsys, documented):
    assert cli.main(["bench", "tiny", "--engine", "torch", "--engine", "tensorrt", "--size", "320x240", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    documented("bench", printed)
    result = printed["tiny"]
    assert (result["width"], result["height"]) == (320, 240) and result["device"].startswith("cpu (")
    rows = {(row["engine"], row["precision"]): row for row in result["engines"]}
    assert list(rows) == [("torch", "bf16"), ("torch", "fp32"), ("tensorrt", "fp32")]
    exact = rows["torch", "fp32"]
    assert exact["ms"] > 0 and exact["largest_difference"] == exact["mean_difference"] == exact["known_in_one"] == 0
    assert "runs on CUDA only, found device cpu" in rows["tensorrt", "fp32"]["why"]
    half = rows["torch", "bf16"]
    assert "no bf16" in half["why"] if half["ms"] is None else 0 < half["mean_difference"] < half["largest_difference"]


def test_a_missing_package_is_a_row(capsys, monkeypatch):
    monkeypatch.setitem(bench.sys.modules, "openvino", None)
    assert cli.main(["bench", "tiny", "--engine", "openvino"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("tiny on cpu (") and printed.count("pip install onnx onnxscript openvino") == 4


def test_an_engine_that_is_wrong_shows_by_how_much(capsys, monkeypatch):
    real = engines.build

    def build(network, examples, engine, device, precision):
        made = real(network, examples, "torch", device, "fp32")
        return type("Off", (), {"name": engine, "precision": precision, "__call__": lambda _, *x: shifted(made(*x))})()

    def shifted(outputs):
        return (outputs[0] + torch.log(torch.tensor(1.1)), outputs[1])

    monkeypatch.setattr(engines, "build", build)
    monkeypatch.setattr(engines, "cannot_run", lambda *_: None)
    assert cli.main(["bench", "tiny", "--engine", "onnxruntime", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["tiny"]["engines"]
    assert row["mean_difference"] == pytest.approx(0.1, rel=1e-3) == row["largest_difference"]


def test_bad_input(capsys):
    assert cli.main(["bench", "clouds"]) == 1
    assert "model 'clouds' is not known" in capsys.readouterr().err
    assert cli.main(["bench", "tiny", "--size", "640"]) == 2
    assert "--size is '640', expected WIDTHxHEIGHT" in capsys.readouterr().err
    for words in (["bench"], ["bench", "tiny", "--engine", "abacus"]):
        assert cli.main(words) == 2
