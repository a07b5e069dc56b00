# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import metric3d
from mono_depth_ros.models.networks.metric3d_encoder import NetworkSize
from mono_depth_ros.models.networks.vit import VitSize

NARROW = NetworkSize(VitSize(64, 2, 1, (1,) * 4), False, (8, 16, 64), (64, 16, 8), 8, 1)


def test_it_measures_what_there_is_and_says_what_there_is_not(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(metric3d, "SIZES", {"small": NARROW})
    monkeypatch.setattr(metric3d, "CPU_RUNS", (("torch", "fp32"), ("tensorrt", "fp16")))
    monkeypatch.setattr(metric3d, "_ROUNDS", 1)
    monkeypatch.setattr(metric3d, "_peak", lambda who, reference: 123)
    assert metric3d.main(["--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "metric3d.json").read_text())
    assert found["small"]["tensorrt fp16"].startswith("not here: ") and found["small"]["torch fp32"]["ms"] > 0
    assert found["small"]["floor_ms"]["fp32"] > 0 and found["peak_memory_mib"] == {"ours, torch fp32": 123}


def test_a_reference_that_is_not_the_authors_code_is_refused(tmp_path, capsys) -> None:
    assert metric3d.main(["--out", str(tmp_path), "--reference", str(tmp_path)]) == 1
    assert "expected a checkout of Metric3D" in capsys.readouterr().err


def test_code_that_cannot_be_imported_is_refused(tmp_path, capsys) -> None:
    config = tmp_path / "mono" / "configs" / "HourglassDecoder" / "vit.raft5.small.py"
    config.parent.mkdir(parents=True)
    config.write_text("")
    assert metric3d.main(["--out", str(tmp_path), "--reference", str(tmp_path)]) == 1
    assert "cannot be imported" in capsys.readouterr().err
