# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import sys

import pytest

import models
from mono_depth_ros.models.networks.depth_anything import NetworkSize
from mono_depth_ros.models.networks.vit import VitSize

NARROW = NetworkSize(VitSize(64, 4, 1, (0, 1, 2, 3)), (8, 8, 8, 8), 8)


def test_figures_follow_from_the_times() -> None:
    # 2 * 2048^3 operations in 100 ms and in 20 ms
    times = {"authors fp32": 900.0, "torch fp32": 450.0, "auto": 150.0}
    times |= {"matrix fp32": 100.0, "matrix bf16": 20.0, "preprocess": 3.0, "postprocess": 1.5}
    found = models._figures(times, 115.0)
    assert found["matrix_gflops"] == {"fp32": 172, "bf16": 859}
    assert (found["preprocess_ms"], found["postprocess_ms"]) == (3.0, 1.5)
    assert found["network"]["torch fp32"] == {
        "ms": 450.0,
        "gflops": 256,
        "times_the_authors": 2.0,
        "of_the_matrix_rate": 1.49,
        "around_it": 0.01,
    }
    assert found["network"]["auto"]["times_the_authors"] == 6.0 and "of_the_matrix_rate" not in found["network"]["auto"]


@pytest.mark.slow
def test_it_measures_what_there_is_and_says_what_there_is_not(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(models, "SIZES", {"small": NARROW})
    monkeypatch.setattr(models, "CPU_RUNS", (("torch", "fp32"), ("tensorrt", "fp16"), ("auto", "auto")))
    monkeypatch.setattr(models, "_ROUNDS", 1)
    for package in ("onnxruntime", "openvino"):  # what auto does with them is tested in test/models/runtime
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))
    assert models.main(["--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "models.json").read_text())
    assert found["load_s"]["tensorrt fp16"].startswith("not here: ")
    for size in ("518x518", "518x686"):
        assert set(found[size]["network"]) == {"torch fp32", "auto"}
        assert found[size]["network"]["torch fp32"]["ms"] > 0 and found[size]["preprocess_ms"] > 0


def test_a_reference_that_is_not_the_authors_code_is_refused(tmp_path, capsys) -> None:
    assert models.main(["--out", str(tmp_path), "--reference", str(tmp_path)]) == 1
    assert "expected a checkout of Depth-Anything-V2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        models.main(["--reference"])
