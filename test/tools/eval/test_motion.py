# SPDX-License-Identifier: Apache-2.0
"""`mono_depth eval --reference motion`: a network that is off by a factor, before a textured plane."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.rigid import rigid_from_pose
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.cli import main

WIDTH, HEIGHT, FOCAL, DISTANCE, SLANT = 160, 120, 130.0, 2.0, 0.6
ROWS, COLUMNS = np.indices((HEIGHT, WIDTH)).astype(np.float32)
X, Y = (COLUMNS - 80) / FOCAL, (ROWS - 60) / FOCAL
TEXTURE = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (800, 800), dtype=np.uint8), (0, 0), 2)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)
IMAGES = 14
RAW_AND_MEMORY = ("far", "far by memory")


@pytest.fixture
def folder(tmp_path):
    """7-Scenes' layout; the camera moves by a slanted wall about 2 m away, 3 cm an image."""
    place = tmp_path / "wall"
    place.mkdir()
    (place / "camera-intrinsics.txt").write_text(f"{FOCAL} 0 80\n0 {FOCAL} 60\n0 0 1\n")
    for i in range(IMAGES):
        depth = (DISTANCE - SLANT * 0.03 * i) / (1 + SLANT * X)
        gray = cv2.remap(TEXTURE, (X * depth + 0.03 * i) * 130 + 300, Y * depth * 130 + 400, cv2.INTER_LINEAR)
        assert cv2.imwrite(str(place / f"frame-{i:06d}.color.png"), cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))
        assert cv2.imwrite(str(place / f"frame-{i:06d}.depth.png"), (depth * 1000).astype(np.uint16))
        np.savetxt(place / f"frame-{i:06d}.pose.txt", rigid_from_pose([0.03 * i, 0, 0], [0, 0, 0, 1]))
    return place


@pytest.fixture(params=[DepthKind.METRIC, DepthKind.INVERSE_AFFINE], ids=["metric", "relative"])
def kind(request, monkeypatch):
    class Far:
        device, engine = torch.device("cpu"), "none"
        spec = ModelSpec("far", "test", request.param, "none")

        def predict(self, rgb, cameras):
            inverse = torch.from_numpy(1 + SLANT * X)
            values = 3.0 / inverse if request.param is DepthKind.METRIC else 5.0 * inverse + 2.0
            return [DepthPrediction(values, request.param) for _ in rgb]

    monkeypatch.setattr("mono_depth_ros.tools.eval.run.load_model", lambda _: Far())
    return request.param


def test_motion_gives_the_metres(folder, kind, capsys) -> None:
    assert main(["eval", "seven_scenes", str(folder), "--model", "far", "--reference", "motion", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    by_name = {model["model"]: model for model in found["models"]}
    aligned = [row["abs_rel"] for row in found["per_image"] if row["model"] == "far by motion"]
    assert any("images aligned by motion" in note for note in found["notes"])
    assert max(aligned[-7:]) < 0.03
    if kind is DepthKind.METRIC:
        assert by_name["far"]["mean"]["abs_rel"] > 0.5
        assert len(aligned) == IMAGES and aligned[0] == pytest.approx(0.5, abs=0.01)
    else:  # has no metres as it is, and none before the camera has moved
        assert set(by_name) == {"far by motion"} and 7 <= len(aligned) < IMAGES


def test_a_data_set_without_poses_is_refused(tmp_path, capsys, kind) -> None:
    place = tmp_path / "plain"
    for name in ("rgb", "depth"):
        (place / name).mkdir(parents=True)
        assert cv2.imwrite(str(place / name / "a.png"), np.full((24, 32), 2000, np.uint16))
    assert main(["eval", "folder", str(place), "--model", "far", "--reference", "motion", "--depth-scale", "1000"]) == 1
    assert "folder has no poses" in capsys.readouterr().err


def test_memory_keeps_one_scale(folder, monkeypatch, capsys) -> None:
    class Jumps:
        device, engine, count = torch.device("cpu"), "none", 0
        spec = ModelSpec("far", "test", DepthKind.METRIC, "none")

        def predict(self, rgb, cameras):
            self.count += 1
            return [DepthPrediction(torch.from_numpy((2.0 + self.count % 2) / (1 + SLANT * X)), DepthKind.METRIC)]

    monkeypatch.setattr("mono_depth_ros.tools.eval.run.load_model", lambda _: Jumps())
    assert main(["eval", "seven_scenes", str(folder), "--model", "far", "--reference", "memory", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {name: [row["abs_rel"] for row in found["per_image"] if row["model"] == name] for name in RAW_AND_MEMORY}
    raw, memory = (np.abs(np.diff(rows[name])) for name in RAW_AND_MEMORY)
    assert len(raw) == len(memory) == IMAGES - 1
    assert min(raw) > 0.4 and max(memory) < 0.1
    assert any("images aligned by memory" in note for note in found["notes"])
