# SPDX-License-Identifier: Apache-2.0
"""A model's graph as a file: it gives the model's depth again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.families.depth_anything_v2 import DepthAnythingV2
from mono_depth_ros.models.families.onnx import load
from mono_depth_ros.models.families.zoedepth import ZoeDepth
from mono_depth_ros.models.networks.depth_anything import DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.runtime import graph
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.tools.models.exporting import export_model

CPU = torch.device("cpu")
CAMERA = Camera.from_fov((200, 150), 60)
RGB = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 150, 200, 3), dtype=np.uint8))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of this file's own, in which the network is exported once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONO_DEPTH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def model() -> DepthAnythingV2:
    from mono_depth_ros.models.base import ModelSpec
    from mono_depth_ros.models.catalogue import CATALOGUE

    torch.manual_seed(0)
    size = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 48), 32)
    spec = ModelSpec.of(CATALOGUE["depth_anything_v2_metric_indoor_small"])
    return DepthAnythingV2(spec, DepthAnythingNetwork(size, 20.0), EngineOptions(CPU, "torch", "fp32"))


@pytest.mark.slow
def test_onnx_gives_the_same_depth_by_path(model: DepthAnythingV2, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    path = export_model(model, "onnx", tmp_path)
    assert path == tmp_path / "depth_anything_v2_metric_indoor_small.onnx"
    assert sorted(item.suffix for item in tmp_path.iterdir()) == [".onnx", ".yaml"]
    loaded = load(path, EngineOptions(CPU, "onnxruntime", "fp32"), None)
    assert loaded.spec.kind == model.spec.kind and loaded.spec.max_depth_m == 20.0
    (found,), (expected,) = loaded.predict(RGB, [CAMERA]), model.predict(RGB, [CAMERA])
    torch.testing.assert_close(found.values, expected.values, rtol=1e-3, atol=1e-4)


def test_openvino(model: DepthAnythingV2, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    openvino = pytest.importorskip("openvino")
    path = export_model(model, "openvino", tmp_path / "deep" / "net.xml")
    assert sorted(item.name for item in path.parent.iterdir()) == ["net.bin", "net.xml"]
    found = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    image = model.preprocess(RGB, [CAMERA])[0].contiguous()
    expected = model.run(image)[0]
    torch.testing.assert_close(torch.from_numpy(found([image.numpy()])[0]), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("engine", "out", "message"),
    [
        ("onx", "x.onnx", "export as 'onx', expected onnx or openvino"),
        ("onnx", "x.xml", r"ends in '\.xml', expected \.onnx or a directory"),
        ("openvino", "x", r"ends in '', expected \.xml or a directory"),
    ],
)
def test_bad_arguments(model: DepthAnythingV2, tmp_path: Path, engine: str, out: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        export_model(model, engine, tmp_path / out)
    assert not list(tmp_path.iterdir())


def test_a_model_in_another_engine(model: DepthAnythingV2, tmp_path: Path) -> None:
    other: Any = object.__new__(DepthAnythingV2)
    other.spec, other.run = model.spec, SimpleNamespace(name="openvino", precision="bf16")
    with pytest.raises(ModelError, match="is loaded with engine openvino bf16, expected torch fp32 to export it"):
        export_model(other, "onnx", tmp_path)


def test_without_a_contract_there_is_the_graph_alone(
    model: DepthAnythingV2, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    other: Any = object.__new__(ZoeDepth)
    other.run, other.network, other.device = model.run, model.network, CPU
    other.spec, other.examples = dataclasses.replace(model.spec, family="zoedepth"), model.examples
    path = export_model(other, "onnx", tmp_path / "zoe.onnx")
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    assert "zoe.onnx cannot be loaded by its path: " in caplog.text


@pytest.mark.slow
def test_weights_that_do_not_fit_into_one_file(
    model: DepthAnythingV2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(graph, "_LARGEST", 1000)
    path = export_model(model, "onnx", tmp_path / "out" / "large.onnx")
    assert sorted(item.name for item in path.parent.iterdir()) == ["large.onnx", "large.onnx.data", "large.yaml"]
    assert path.stat().st_size < 1_000_000 < path.with_name("large.onnx.data").stat().st_size
    loaded = load(path, EngineOptions(CPU, "onnxruntime", "fp32"), None)
    (found,), (expected,) = loaded.predict(RGB, [CAMERA]), model.predict(RGB, [CAMERA])
    torch.testing.assert_close(found.values, expected.values, rtol=1e-3, atol=1e-4)
    # In the cache too, both files are looked after.
    (data,) = (tmp_path / "cache").glob("graphs/*/graph.onnx.data")
    data.write_bytes(data.read_bytes()[:-1])
    assert not graph.intact(data.parent)
