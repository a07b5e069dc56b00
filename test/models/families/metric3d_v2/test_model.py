# SPDX-License-Identifier: Apache-2.0
"""Metric3D v2 as a model: by name and by path, in other engines, and with the authors' own weights where they are."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.metrics import MetricsSum
from mono_depth_ros.models.base import DepthModel, ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families.metric3d_v2 import FILES, Metric3D, load
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.prediction import DepthKind

KITTI = Camera(1242, 375, 707.0493, 707.0493, 604.0814, 180.5066)


def test_by_path(small_pth: Path) -> None:
    """The kind of checkpoint is told from what is in it; nothing about it is guessed."""
    config = ModelConfig(model=str(small_pth), engine="torch", precision="fp32", device="cpu", input_size="140x84")
    model = load_model(config)
    assert isinstance(model, Metric3D) and model.engine == "torch fp32"
    assert model.spec == replace(
        ModelSpec.of(CATALOGUE["metric3d_v2_small"]), name=str(small_pth), licence="not stated", hub=""
    )


def test_the_catalogue(small_pth: Path, fp32) -> None:
    for size, file in FILES.items():
        entry = CATALOGUE[f"metric3d_v2_{size}"]
        assert entry.official == file and entry.size == size
        assert entry.needs_camera and entry.kind == "metric"
    small = replace(CATALOGUE["metric3d_v2_small"], files={})
    fp32 = replace(fp32, input_size=(140, 84))
    assert load(small_pth, fp32, small).spec.name == "metric3d_v2_small"
    with pytest.raises(
        ModelError, match=r"small_800k\.pth has the SHA-256 .*, expected b34b2a2be9148054.*: damaged or"
    ):
        load(small_pth, fp32, CATALOGUE["metric3d_v2_small"])
    with pytest.raises(ModelError, match=r"metric3d_v2_large: .*small_800k\.pth is small, expected large"):
        load(small_pth, fp32, CATALOGUE["metric3d_v2_large"])


@pytest.mark.slow
def test_another_engine_gives_the_same(narrow, pattern, monkeypatch, tmp_path: Path) -> None:
    """Exported for any batch; ONNX Runtime runs it."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path))
    rgb, camera = torch.from_numpy(pattern(84, 56))[None].repeat(2, 1, 1, 1), Camera.from_fov((84, 56), 60)
    found, expected = (
        Metric3D(
            ModelSpec("narrow", "metric3d_v2", DepthKind.METRIC, "none"),
            narrow(),
            EngineOptions(torch.device("cpu"), engine, "fp32"),
            input_size=(84, 56),
        ).predict(rgb, [camera, camera])
        for engine in ("onnxruntime", "torch")
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.values, other.values, rtol=1e-4, atol=0)
        torch.testing.assert_close(one.confidence, other.confidence, rtol=0, atol=1e-4)
        torch.testing.assert_close(one.normals, other.normals, rtol=0, atol=1e-3)


@pytest.fixture(scope="module")
def real(fp32) -> DepthModel:
    """The authors' own small weights."""
    folder = os.environ.get("MONO_DEPTH_WEIGHTS", "")
    path = Path(folder) / FILES["small"]
    if not folder or not path.is_file():
        pytest.skip(f"no {FILES['small']}: set MONO_DEPTH_WEIGHTS to a folder with it")
    return load(path, fp32, CATALOGUE["metric3d_v2_small"])


def test_real_weights_on_kitti(real, real_data: Path) -> None:
    """Three frames, all pixels with lidar, nothing aligned: an independent run of the authors' code gave .0610.

    And the normals face the camera, the ground's upwards.
    """
    total = MetricsSum()
    for path in sorted((real_data / "kitti_depth" / "rgb").glob("*.png")):
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        truth = cv2.imread(str(real_data / "kitti_depth" / "depth" / path.name), cv2.IMREAD_UNCHANGED) / 256.0
        (found,) = real.predict(torch.from_numpy(rgb)[None], [KITTI])
        total.add(found.values.numpy(), np.where(truth > 0, truth, np.nan))
        towards = (found.normals[..., :2] * rays(KITTI, "cpu")).sum(-1) + found.normals[..., 2]
        assert (towards < 0).float().mean() > 0.95
        assert found.normals[340:, 500:700, 1].mean() < -0.8
    assert total.result().abs_rel == pytest.approx(0.061, abs=0.003)


def test_images_can_be_read_at_a_smaller_size(small_pth: Path, pattern) -> None:
    config = ModelConfig(model=str(small_pth), device="cpu", engine="torch", precision="fp32", input_size="140x84")
    model = load_model(config)
    (inputs,) = model.preprocess(torch.from_numpy(pattern(320, 240))[None], [])
    assert inputs.shape == (1, 3, 84, 140)
    (prediction,) = model.predict(torch.from_numpy(pattern(320, 240))[None], [Camera.from_fov((320, 240), 60)])
    assert prediction.values.shape == (240, 320) and bool(torch.isfinite(prediction.values).any())


@pytest.mark.parametrize("size", ["140", "140x85", "0x28", "140x84x3", "x"])
def test_sizes_that_cannot_be_are_refused(small_pth: Path, size: str) -> None:
    with pytest.raises(ModelError, match=r"input.size is .*expected"):
        load_model(ModelConfig(model=str(small_pth), device="cpu", engine="torch", precision="fp32", input_size=size))


def test_other_families_leave_no_choice_of_size() -> None:
    with pytest.raises(ModelError, match="tiny has a size rule of its own"):
        load_model(ModelConfig(model="tiny", device="cpu", input_size="140x84"))
