# SPDX-License-Identifier: Apache-2.0
"""`make_engine`: what is asked for comes or one sentence does; auto is test_auto.py's."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import choice
from mono_depth_ros.models.runtime.choice import make_engine
from mono_depth_ros.models.runtime.engine import EngineOptions, GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.graph import graph_of
from mono_depth_ros.models.runtime.torch_engine import TorchEngine

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("engine", "precision", "message"),
    [
        ("openvin", "auto", r"engine is 'openvin', did you mean 'openvino'\? expected auto, openvino, "),
        ("TensorRT", "auto", r"did you mean 'tensorrt'\?"),
        ("zzz", "auto", r"engine is 'zzz', expected auto, openvino, torch, onnxruntime, tensorrt, torch_compile$"),
        ("auto", "fp23", r"precision is 'fp23', did you mean 'fp32'\? expected auto, fp32, fp16, bf16, int8$"),
        ("torch", "fp16", r"torch on the CPU: found precision fp16, expected fp32 or bf16"),
        ("onnxruntime", "bf16", r"engine 'onnxruntime' on cpu: found precision bf16, expected fp32$"),
        ("tensorrt", "fp16", r"engine 'tensorrt' runs on CUDA only, found device cpu"),
        ("tensorrt", "auto", r"engine 'tensorrt' runs on CUDA only, found device cpu"),
        ("auto", "fp16", r"precision is 'fp16', which no engine has on cpu: expected auto, int8, bf16 or fp32$"),
    ],
)
def test_what_cannot_be(
    network: Network, examples: Sequence[Inputs], engine: str, precision: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as error:
        make_engine(network, examples, EngineOptions(CPU, engine, precision))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("engine", "precision", "message"),
    [
        ("openvino", "auto", r"engine 'openvino' runs on the CPU only, found device cuda:0"),
        (
            "onnxruntime",
            "fp32",
            r"on cuda:0 needs CUDAExecutionProvider, this onnxruntime has .*onnxruntime-gpu.*Jetson",
        ),
        ("tensorrt", "fp16", r"on cuda:0 needs TensorrtExecutionProvider, this onnxruntime has .*onnxruntime-gpu"),
    ],
)
def test_what_cannot_be_on_cuda(
    network: Network, examples: Sequence[Inputs], engine: str, precision: str, message: str
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in runtime.get_available_providers():
        pytest.skip("this onnxruntime can")
    with pytest.raises(ModelError, match=message):
        make_engine(network, examples, EngineOptions(CUDA, engine, precision))


@pytest.mark.parametrize(("engine", "module"), [("openvino", "openvino"), ("onnxruntime", "onnxruntime")])
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_not_installed(
    network: Network,
    examples: Sequence[Inputs],
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    module: str,
    precision: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match=rf"^engine '{engine}' needs the package {module}.*: pip install [a-z ]+$"):
        make_engine(network, examples, EngineOptions(CPU, engine, precision))


@pytest.mark.parametrize(("engine", "precision"), [("onnxruntime", "fp32"), ("openvino", "fp32")])
def test_what_is_asked_for_comes(
    network: Network, examples: Sequence[Inputs], caplog: pytest.LogCaptureFixture, engine: str, precision: str
) -> None:
    pytest.importorskip(engine)
    pytest.importorskip("onnxscript")
    with caplog.at_level(logging.INFO, choice.__name__):
        made = make_engine(network, examples, EngineOptions(CPU, engine, precision))
    assert (made.name, made.precision) == (engine, precision)
    assert [record.message for record in caplog.records if record.name == choice.__name__]
    with torch.inference_mode():
        torch.testing.assert_close(made(*examples[0])[0], network.module(*examples[0]), rtol=1e-3, atol=1e-3)


def test_torch_fp32_is_not_compared_with_itself(
    network: Network, examples: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "check", None)  # would raise
    made = make_engine(network, examples, EngineOptions(CPU, "torch", "fp32"))
    assert isinstance(made, TorchEngine) and made._module is network.module


def test_what_is_asked_for_and_wrong_is_not_replaced(
    network: Network, examples: Sequence[Inputs], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(network: Network, _examples: Sequence[Inputs], engine: str, device: torch.device, _: str) -> TorchEngine:
        with torch.no_grad():
            network.module.depth_head.scratch.output_conv2[2].bias.add_(1)
        made = TorchEngine(network, device, "fp32")
        made.name = engine
        return made

    monkeypatch.setattr(choice, "cannot_run", lambda *_: None)
    monkeypatch.setattr(choice, "build", build)
    with pytest.raises(ModelError, match=r"engine 'openvino' in fp32 is wrong at 154x112: .*AbsRel .* expected 0\.001"):
        make_engine(network, examples, EngineOptions(CPU, "openvino", "fp32"))


@pytest.fixture
def file(network: Network, examples: Sequence[Inputs]) -> GraphFile:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    return graph_of(network, examples)


@pytest.mark.parametrize(
    ("engine", "precision"), [("onnxruntime", "fp32"), ("onnxruntime", "auto"), ("openvino", "fp32")]
)
def test_of_a_file(file: GraphFile, network: Network, examples: Sequence[Inputs], engine: str, precision: str) -> None:
    pytest.importorskip(engine)
    made = make_engine(file, examples, EngineOptions(CPU, engine, precision))
    assert (made.name, made.precision) == (engine, "fp32")
    with torch.inference_mode():
        torch.testing.assert_close(made(*examples[1])[0], network.module(*examples[1]), rtol=1e-3, atol=1e-3)


def test_a_file_cannot_run_in_torch(file: GraphFile, examples: Sequence[Inputs]) -> None:
    with pytest.raises(ModelError, match="is an ONNX file: found engine 'torch', expected openvino, onnxruntime or"):
        make_engine(file, examples, EngineOptions(CPU, "torch", "fp32"))


def test_a_file_that_is_not_there(examples: Sequence[Inputs], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    missing = GraphFile("missing", tmp_path / "missing.onnx", ("image",), ("depth",))
    with pytest.raises(ModelError, match=r"cannot load missing\.onnx"):
        make_engine(missing, examples, EngineOptions(CPU, "onnxruntime", "fp32"))
