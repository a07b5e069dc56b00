# SPDX-License-Identifier: Apache-2.0
"""A file in half precision is known by its weights, held to the tolerance of that, and told what helps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.families.onnx import load
from mono_depth_ros.models.families.onnx_graph import read_graph
from mono_depth_ros.models.runtime import choice
from mono_depth_ros.models.runtime.engine import EngineOptions

HALF = "a = Slice(image, first, second, axis) b = Cast<to=10>(a) c = Mul(b, gain) depth = Cast<to=1>(c)"
FULL = "a = Slice(image, first, second, axis) depth = Mul(a, gain)"


@pytest.fixture(params=["fp16", "fp32"])
def precision(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def path(write, precision: str) -> Path:
    """With weights inside an initializer, some of them in float32 as norms are."""
    onnx = pytest.importorskip("onnx")
    path = write(HALF if precision == "fp16" else FULL, weights="float[1] gain = {2.0}, float[2] norm = {1.0, 1.0}")
    if precision == "fp16":
        model = onnx.load(path)
        values = torch.full((4,), 2.0).half().numpy()
        model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(values[:1], "gain"))
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, "unused"))
        onnx.save(model, path)
    return path


def test_by_the_weights(path: Path, precision: str) -> None:
    assert read_graph(path).precision == precision


@pytest.mark.parametrize(("factor", "right"), [(1.0001, ("fp16", "fp32")), (1.004, ("fp16",)), (1.2, ())])
def test_the_tolerance_and_the_cure(
    path: Path, precision: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, factor: float, right: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))

    class Engine:
        name, precision = "onnxruntime", "fp32"

        def __call__(self, image: torch.Tensor) -> tuple[torch.Tensor]:
            return (2 * factor * image[:, :1],)

    monkeypatch.setattr(choice, "build", lambda *_: Engine())
    options = EngineOptions(torch.device("cpu"), "onnxruntime", "fp32")
    if precision in right:
        assert load(path, options).engine == "onnxruntime fp32"
        return
    with pytest.raises(ModelError, match=r"choose engine:=onnxruntime device:=cpu") as error:
        load(path, options)
    assert "engine:=torch" not in str(error.value)
    assert ("an export of model.onnx with weights in float32" in str(error.value)) == (precision == "fp16")
