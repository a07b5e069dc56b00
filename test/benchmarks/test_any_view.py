# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import torch

import any_view
from mono_depth_ros.models.networks.depth_anything import NetworkSize
from mono_depth_ros.models.networks.vit import VitSize

NARROW = NetworkSize(VitSize(48, 8, 3, (3, 5, 6, 7), last_eps=1e-5), (16, 24, 32, 48), 32)


def test_it_measures_what_there_is_and_says_what_there_is_not(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(any_view, "SIZE", NARROW)
    monkeypatch.setattr(any_view, "RUNS", (("torch", "fp32"), ("tensorrt", "fp16")))
    monkeypatch.setattr(any_view, "_ROUNDS", 1)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # of other tests, too
    assert any_view.main(["--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "any_view.json").read_text())
    assert found["load_s"]["tensorrt fp16"].startswith("not here: ") and found["504x154"]["torch fp32"]["ms"] > 0


def test_a_reference_that_is_not_the_authors_code_is_refused(tmp_path, capsys) -> None:
    assert any_view.main(["--out", str(tmp_path), "--reference", str(tmp_path)]) == 1
    assert "expected the authors' checkout" in capsys.readouterr().err
