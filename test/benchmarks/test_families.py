# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import json

import families
from mono_depth_ros.models.networks.depth_anything import NetworkSize
from mono_depth_ros.models.networks.vit import VitSize

NARROW = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 64), 32)


def test_what_is_measured_and_what_is_kept(tmp_path, monkeypatch, capsys):
    moge, unidepth = copy.deepcopy(families.MOGE), copy.deepcopy(families.UNIDEPTH)
    moge["num_tokens_range"] = [12, 20]
    shapes = unidepth["data"]["augmentations"]["shape_constraints"]
    shapes |= {"pixels_max": 8000, "pixels_min": 4000}
    for name, value in (("MOGE", moge), ("UNIDEPTH", unidepth), ("RUNS", (("torch", "fp32"), ("tensorrt", "fp16")))):
        monkeypatch.setattr(families, name, value)
    monkeypatch.setattr(families, "_ROUNDS", 1)
    monkeypatch.setattr(families, "SIZE", (80, 60))
    monkeypatch.setitem(families.SIZES, "small", NARROW)
    assert families.main(["--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "families.json").read_text())
    for name in ("moge_2", "unidepth_v2", "video_depth_anything"):
        assert set(found[name]["torch fp32"]) == {"ms"} and found[name]["tensorrt fp16"].startswith("not here: ")
    assert families.main(["--out", str(tmp_path), "--unidepth-v2", str(tmp_path)]) == 1
    assert "holds no unidepth/models/unidepthv2/unidepthv2.py" in capsys.readouterr().err
    assert json.loads((tmp_path / "families.json").read_text()) == found
