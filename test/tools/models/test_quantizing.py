# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models quantize`: from a folder of pictures to a model that is loaded in int8."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models import quantize
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.quantize import quantise, split
from mono_depth_ros.tools import cli

Still = Callable[[int], tuple[np.ndarray, Camera]]


@pytest.fixture
def tiny(own_cache: Path) -> EngineModel:
    model = load_model(ModelConfig("tiny", "cpu", "torch", "fp32"))
    assert isinstance(model, EngineModel)
    return model


def test_a_command_line_without_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], own_cache: Path, still: Still
) -> None:
    (tmp_path / "empty").mkdir()
    for folder, words in (("nothing", "expected a folder with pictures"), ("empty", "holds no image")):
        assert cli.main(["models", "quantize", "tiny", "--images", str(tmp_path / folder)]) == 1
        assert words in capsys.readouterr().err
    for index in range(3):
        cv2.imwrite(str(tmp_path / "empty" / f"{index}.png"), still(index)[0])
    assert cli.main(["models", "quantize", "tiny", "--images", str(tmp_path / "empty"), "--hfov", "60"]) == 1
    assert "found 3 pictures, expected 20 at least" in capsys.readouterr().err
    assert not list((own_cache / "int8").iterdir())


@pytest.mark.slow
def test_a_model_that_was_quantised_is_loaded(
    tiny: EngineModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    documented: Callable[..., None],
    still: Still,
) -> None:
    pytest.importorskip("nncf", reason="NNCF is not installed")
    pytest.importorskip("openvino")
    pytest.importorskip("onnxscript")
    for index in range(24):
        cv2.imwrite(str(tmp_path / f"{index}.png"), still(index)[0])
    monkeypatch.setattr(quantize, "MAX_MEAN", -1.0)  # nothing passes
    with pytest.raises(ModelError, match=r"^tiny in int8 differs from float32 by mean .*: nothing is written"):
        quantise(tiny, *split([partial(still, number) for number in range(20)]), tmp_path / "int8")
    assert not list(tmp_path.glob("*int8*")) and not list(tmp_path.glob(".quant*"))
    for name, value in (("MAX_MEAN", 0.2), ("MAX_P95", 0.9), ("MAX_KNOWN_IN_ONE", 1.0)):
        monkeypatch.setattr(quantize, name, value)
    command = ["models", "quantize", "tiny", "--images", str(tmp_path), "--hfov", "60", "--json"]
    assert cli.main(command) == 0
    record = json.loads(capsys.readouterr().out)
    documented("models quantize", record)
    assert 0 < record["difference"]["mean"] < 0.2 and Path(record["folder"], "int8.xml").is_file()
    model = load_model(ModelConfig("tiny", "cpu", precision="int8"))
    assert model.engine == "openvino int8"
    rgb, camera = still(100)
    (found,), (right,) = (one.predict(torch.from_numpy(rgb)[None], (camera,)) for one in (model, tiny))
    assert 0 < float((found.values / right.values - 1).abs().mean()) < 0.3
    assert load_model(ModelConfig("tiny", "cpu", "openvino")).engine.startswith("openvino")
