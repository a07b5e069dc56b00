# SPDX-License-Identifier: Apache-2.0
"""Prebuilt engines: three kinds are taken, others refused by name; none is believed before it was compared."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import choice, prebuilt
from mono_depth_ros.models.runtime.choice import make_engine
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
Fake = Callable[..., Any]


class FakeTensorRt(ModuleType):
    """The package tensorrt; a plan is `factor inputs -> outputs`, and multiplies by the factor where it lies."""

    __version__ = "10.3.0"
    TensorIOMode = SimpleNamespace(INPUT="INPUT", OUTPUT="OUTPUT")

    class ILogger:
        ERROR, INTERNAL_ERROR = "ERROR", "INTERNAL_ERROR"

    def Runtime(self, logger: Any) -> Any:
        def deserialize(data: bytes) -> Any:
            if not data.startswith(b"plan "):
                logger.log("ERROR", "The engine plan file is generated on an incompatible device")
                return None
            return FakePlan(**eval(data[5:]))

        return SimpleNamespace(deserialize_cuda_engine=deserialize)


class FakePlan:
    def __init__(
        self, reads: str = "image", least: Any = (1, 3, 4, 4), most: Any = (2, 3, 99, 99), **more: Any
    ) -> None:
        self._reads, self._least, self._most = reads, least, most
        self._gives = more.get("gives", "depth")
        self._factor, self._kind = more.get("factor", 2.0), more.get("kind", "FLOAT")
        self.num_io_tensors = 2

    def get_tensor_name(self, index: int) -> str:
        return (self._reads, self._gives)[index]

    def get_tensor_mode(self, name: str) -> str:
        return "INPUT" if name == self._reads else "OUTPUT"

    def get_tensor_dtype(self, _: str) -> Any:
        return SimpleNamespace(name=self._kind)

    def get_tensor_shape(self, _: str) -> tuple[int, ...]:
        return self._least if self._least == self._most else (-1, 3, -1, -1)

    def get_tensor_profile_shape(self, *_: Any) -> list[tuple[int, ...]]:
        return [self._least, self._least, self._most]

    def create_execution_context(self) -> Any:
        return FakeContext(self)


class FakeContext:
    def __init__(self, plan: FakePlan) -> None:
        self._plan, self._addresses, self._shape = plan, {}, None

    def set_input_shape(self, _: str, shape: tuple[int, ...]) -> bool:
        low, high = self._plan._least, self._plan._most
        self._shape = shape
        return all(least <= side <= most for least, side, most in zip(low, shape, high, strict=True))

    def get_tensor_shape(self, _: str) -> tuple[int, ...]:
        return self._shape

    def set_tensor_address(self, name: str, address: int) -> None:
        self._addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        kind = {"FLOAT": np.float32, "HALF": np.float16}[self._plan._kind]
        size = int(np.prod(self._shape)) * np.dtype(kind).itemsize
        arrays = [
            np.frombuffer((ctypes.c_char * size).from_address(self._addresses[name]), kind)
            for name in (self._plan._reads, self._plan._gives)
        ]
        arrays[1][:] = arrays[0] * kind(self._plan._factor)
        return stream == 7


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """TensorRT on the memory of the CPU."""
    monkeypatch.setitem(sys.modules, "tensorrt", FakeTensorRt("tensorrt"))
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    stream = SimpleNamespace(cuda_stream=7, wait_stream=lambda _: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: stream)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Orin")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 7))
    yield


@pytest.fixture
def network(add_one: Callable[[], Network]) -> Network:
    network = add_one()
    network.module.bias = 0.0  # times its gain
    network.module.gain.fill_(2.0)
    return network


@pytest.fixture
def examples() -> list[Inputs]:
    return [(torch.rand(1, 3, 8, 12) + 1,), (torch.rand(1, 3, 9, 9) + 1,)]


@pytest.fixture
def load(network: Network, examples: list[Inputs], own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """`load(path, precision)` -> the checked engine, on the CPU for a GPU."""
    monkeypatch.setattr(prebuilt, "precision_of", lambda options: options.precision)

    def make(path: Path, precision: str = "fp16") -> Any:
        return make_engine(network, examples, EngineOptions(CPU, "tensorrt", precision, engine_path=path))

    return make


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Path]:
    """`plan(factor=..., least=..., most=...)` -> a TensorRT file."""

    def write(name: str = "model.engine", **values: Any) -> Path:
        path = tmp_path / name
        path.write_bytes(b"plan " + repr(values).encode())
        return path

    return write


@pytest.mark.parametrize("name", ["model.engine", "model.plan", "model.trt"])
@pytest.mark.parametrize("kind", ["FLOAT", "HALF"])
def test_a_file_of_tensorrt(load: Callable, plan: Callable[..., Path], name: str, kind: str) -> None:
    engine = load(plan(name, kind=kind))
    assert (engine.name, engine.precision) == ("tensorrt", "fp16")
    image = torch.rand(2, 3, 20, 30)
    (found,) = engine(image.to(memory_format=torch.channels_last))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, 2 * image, rtol=2e-3, atol=0)


def test_an_engine_of_one_size_is_checked_at_that_size(load: Callable, plan: Callable[..., Path]) -> None:
    engine = load(plan(least=(1, 3, 10, 14), most=(1, 3, 10, 14)))
    with pytest.raises(ModelError, match=r"cannot run image of \(1, 3, 8, 12\), expected \(1, 3, 10, 14\)"):
        engine(torch.rand(1, 3, 8, 12))
    with pytest.raises(ModelError, match=r"wrong at 14x10: .* AbsRel 0\.05"):
        load(plan(least=(1, 3, 10, 14), most=(1, 3, 10, 14), factor=2.1))


@pytest.mark.parametrize(("precision", "factor", "right"), [("fp16", 2.015, True), ("fp32", 2.015, False)])
def test_it_is_held_to_its_precision(
    load: Callable, plan: Callable[..., Path], precision: str, factor: float, right: bool
) -> None:
    if right:
        load(plan(factor=factor), precision)
        return
    with pytest.raises(ModelError, match=r"in fp32 is wrong .*an engine of this model in .*model\.engine"):
        load(plan(factor=factor), precision)


def test_the_same_one_is_checked_once(
    load: Callable, plan: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = plan()
    load(path)
    with monkeypatch.context() as patch:
        patch.setattr(choice, "check", lambda *_: pytest.fail("checked again"))
        load(path)
    assert "right at an earlier start" in caplog.text
    with pytest.raises(ModelError, match="is wrong"):
        load(plan(factor=3.0))  # other content at the same path


@pytest.mark.parametrize(("values", "message"), [
    ({"reads": "input"}, r"has input \(-1, 3, -1, -1\) float32, .*: expected inputs image and outputs depth of"),
    ({"gives": "disparity"}, r"expected inputs image and outputs depth"),
    ({"least": (4, 3, 4, 4), "most": (8, 3, 99, 99)}, r"takes image of \(4, 3, 4, 4\) to .*, expected one like \(1, 3"),
    ({"least": (1, 1, 4, 4), "most": (1, 1, 4, 4)}, r"takes image of \(1, 1, 4, 4\), expected one like \(1, 3"),
    ({"least": (3, 4, 4), "most": (3, 4, 4)}, r"takes image of \(3, 4, 4\), expected one like"),
    ({"kind": "INT8"}, r"has image of INT8, expected one of FLOAT, HALF"),
])  # fmt: skip
def test_what_the_model_does_not_read_or_give(
    load: Callable, plan: Callable[..., Path], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load(plan(**values))


@pytest.mark.parametrize(("height", "right"), [(28, True), (30, False)])
def test_a_size_that_the_network_cannot_have(
    network: Network, examples: list[Inputs], plan: Callable[..., Path], height: int, right: bool
) -> None:
    network.shapes = ({0: "batch", 2: "14*rows", 3: "14*columns"},)
    path = plan(least=(1, 3, height, 28), most=(1, 3, height, 28))
    if right:
        prebuilt.load(path, network, examples, CPU, "fp16")
        return
    with pytest.raises(ModelError, match=r"takes image of \(1, 3, 30, 28\), .* with sides of 14\*rows, 14\*columns$"):
        prebuilt.load(path, network, examples, CPU, "fp16")


def test_of_another_gpu(load: Callable, plan: Callable[..., Path]) -> None:
    path = plan()
    path.write_bytes(b"of another GPU")
    message = (
        r"TensorRT 10\.3\.0 cannot load .*model\.engine on cpu \(Orin\): .*incompatible device.*; expected a file that"
    )
    with pytest.raises(ModelError, match=message):
        load(path)


def test_without_the_package(load: Callable, plan: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ModelError, match=r"needs the package tensorrt .*pip install tensorrt-cu12"):
        load(plan())


@pytest.mark.parametrize(("name", "message"), [
    ("gone.engine", r"engine_path .*gone\.engine cannot be read: No such file"),
    ("model.pt", r"engine_path is .*model\.pt, expected a folder with \.engine files, an \.onnx file with .*\.plan"),
    ("", r"has no \.engine files"),
    ("network.onnx", r"is an ONNX file without an engine in it: give a network as model:="),
    ("noise.onnx", r"cannot be read as ONNX"),
    ("apart.onnx", r"has its engine in '\.\./x\.engine', expected a file beside it"),
])  # fmt: skip
def test_what_is_no_engine(load: Callable, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "model.pt").touch()
    (tmp_path / "noise.onnx").write_bytes(b"\xff" * 40)
    write_context(tmp_path / "network.onnx", node="Identity")
    write_context(tmp_path / "apart.onnx", embed_mode=0, ep_cache_context="../x.engine")
    (tmp_path.parent / "x.engine").touch()
    with pytest.raises(ModelError, match=message):
        load(tmp_path / name if name else tmp_path)


def write_context(path: Path, node: str = "EPContext", **attributes: Any) -> Path:
    """An .onnx file as ONNX Runtime writes it with `trt_dump_ep_context_model`."""
    onnx = pytest.importorskip("onnx")
    helper, domain = onnx.helper, "com.microsoft" if node == "EPContext" else ""
    shape = ["batch", 3, "rows", "columns"]
    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("image", "depth")]
    made = helper.make_node(node, ["image"], ["depth"], domain=domain, **attributes)
    onnx.save(helper.make_model(helper.make_graph([made], "net", ports[:1], ports[1:])), path)
    return path


def test_an_onnx_file_with_an_engine(
    network: Network, examples: list[Inputs], own_cache: Path, fake_runtime: Fake, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    onnx = pytest.importorskip("onnx")
    runtime = fake_runtime()
    path = write_context(
        tmp_path / "model_ctx.onnx", embed_mode=0, ep_cache_context="a.engine", hardware_architecture="87"
    )
    (tmp_path / "a.engine").write_bytes(b"engine")
    twice = tmp_path / "twice.onnx"  # what the engine computes
    text = '<ir_version: 8, opset_import: ["" : 18]> net (float[b, 3, h, w] image) => (float[b, 3, h, w] depth)'
    onnx.save(onnx.parser.parse_model(text + "{ c = Constant<value_float=2.0>() depth = Mul(image, c) }"), twice)
    real = runtime._real.InferenceSession
    monkeypatch.setattr(
        runtime, "_real", SimpleNamespace(InferenceSession=lambda _, *more, **given: real(str(twice), *more, **given))
    )
    monkeypatch.setattr(runtime, "SessionOptions", lambda: setattr(runtime, "_options", options()) or runtime._options)
    options = sys.modules["onnxruntime.capi.onnxruntime_pybind11_state"].SessionOptions
    engine, shapes = prebuilt.load(path, network, examples, GPU, "fp16")
    assert runtime.chains[-1][0][0] == "TensorrtExecutionProvider" and shapes == [((0, 3, 0, 0),) * 3]
    torch.testing.assert_close(engine(*examples[0])[0], 2 * examples[0][0])
    other = write_context(tmp_path / "other.onnx", embed_mode=1, ep_cache_context=b"x", hardware_architecture="90")
    with pytest.raises(ModelError, match=r"has an engine for GPUs of 90, expected 87 for Orin"):
        prebuilt.load(other, network, examples, GPU, "fp16")


def test_a_folder_of_onnxruntime(
    network: Network, examples: list[Inputs], own_cache: Path, fake_runtime: Fake, quick_export: None, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    runtime, folder = fake_runtime(), tmp_path / "engines"
    folder.mkdir()
    first = prebuilt.TensorRtEngine(prebuilt.graph_of(network, examples), GPU, "fp32", folder)
    first(*examples[0])
    runtime.built.clear()
    engine, shapes = prebuilt.load(folder, network, examples, GPU, "fp32")
    torch.testing.assert_close(engine(*examples[0])[0], 2 * examples[0][0])
    assert runtime.built == [] and shapes == [None]
    for file in folder.glob("*.engine"):
        file.rename(file.with_name("of_something_else.engine"))
    again, _ = prebuilt.load(folder, network, examples, GPU, "fp32")
    again(*examples[0])
    assert "had no engine for 12x8: built in" in caplog.text


@pytest.mark.parametrize(("device", "engine", "message"), [
    (GPU, "torch", r"engine_path is 'a\.engine' and engine 'torch', expected engine tensorrt or auto"),
    (CPU, "auto", r"engine_path is 'a\.engine', which runs on CUDA only, found device cpu"),
])  # fmt: skip
def test_what_does_not_go_with_it(
    network: Network, examples: list[Inputs], device: torch.device, engine: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        make_engine(network, examples, EngineOptions(device, engine, engine_path=Path("a.engine")))


def test_the_option_reaches_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    from mono_depth_ros import load_model

    with pytest.raises(ModelError, match=r"engine_path is '.*/a\.engine', which runs on CUDA only"):
        load_model("tiny", device="cpu", engine_path="~/a.engine")
    assert replace(ModelConfig(), engine_path="x").engine_path == "x"
