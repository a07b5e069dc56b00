# SPDX-License-Identifier: Apache-2.0
"""OpenVINO and ONNX Runtime, really run: right, and with one's own memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import onnxruntime_engine, openvino_engine
from mono_depth_ros.models.runtime.engine import Engine, GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.engines import build
from mono_depth_ros.models.runtime.graph import graph_of, half_graph_of
from mono_depth_ros.models.runtime.onnxruntime_engine import OnnxRuntimeEngine
from mono_depth_ros.models.runtime.openvino_engine import SHAPES_KEPT, OpenVinoEngine
from mono_depth_ros.models.runtime.selfcheck import Reference, check
from mono_depth_ros.models.runtime.torch_engine import TorchEngine

CPU = torch.device("cpu")
MISSING = {"openvino": "openvino", "onnxruntime": "onnxruntime"}
PAIRS = [("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"), ("torch", "bf16")]


@pytest.fixture(params=PAIRS, ids=" ".join)
def engine(request: pytest.FixtureRequest, network: Network, examples: Sequence[Inputs]) -> Engine:
    name, precision = request.param
    if name != "torch":
        pytest.importorskip("onnxscript")
        pytest.importorskip(MISSING[name])
    try:
        return build(network, examples, name, CPU, precision)
    except ModelError as error:
        if "this processor has no" in str(error):
            pytest.skip(str(error))
        raise


def test_agrees_with_torch(engine: Engine, network: Network, examples: Sequence[Inputs]) -> None:
    reference = Reference.of(TorchEngine(network, CPU, "fp32"), examples, network.depth)
    error = check(engine, reference)
    assert error < {"fp32": 1e-5, "bf16": 2e-2}[engine.precision]
    if engine.precision == "bf16":
        assert error > 1e-5  # or it is not bf16


def test_right_at_the_trained_size_and_in_batches(engine: Engine, network: Network) -> None:
    generator = torch.Generator().manual_seed(2)
    many = [(torch.randn(1, 3, 518, 518, generator=generator),), (torch.randn(3, 3, 42, 70, generator=generator),)]
    check(engine, Reference.of(TorchEngine(network, CPU, "fp32"), many, network.depth))


def test_outputs_are_the_callers(engine: Engine, examples: Sequence[Inputs]) -> None:
    (first,) = engine(*examples[0])
    kept = first.clone()
    engine(*examples[1])
    (other,) = engine(-examples[0][0])
    assert not torch.equal(other, kept)
    assert torch.equal(first, kept)
    with torch.inference_mode():
        first.add_(1)  # writable


def test_inputs_of_any_memory_format_are_kept(engine: Engine, examples: Sequence[Inputs]) -> None:
    image = examples[0][0]
    last = image.to(memory_format=torch.channels_last)
    (expected,), (found,) = engine(image), engine(last)
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)
    assert torch.equal(last, image)
    assert found.dtype == torch.float32


def test_openvino_keeps_only_the_latest_shapes(add_one: Callable[[], Network]) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnxscript")
    engine = build(add_one(), [(torch.zeros(1, 1, 4, 6),)] * 2, "openvino", CPU, "fp32")
    assert isinstance(engine, OpenVinoEngine)
    for size in range(4, 4 + SHAPES_KEPT + 3):
        image = torch.rand(1, 1, 4, size)
        torch.testing.assert_close(engine(image)[0], image + 1)
    assert [shapes[0][-1] for shapes in engine._requests] == list(range(7, 7 + SHAPES_KEPT))


class Places(torch.nn.Module):
    """|x| of a vector that depends on the size of the input alone."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + (torch.arange(image.shape[-1]) - 10.0).abs()


def test_openvino_keeps_absolute_values(own_cache: Path) -> None:
    # OpenVINO 2026.4 alone drops them: its issue 38166.
    pytest.importorskip("openvino")
    pytest.importorskip("onnxscript")
    places = Network("places", Places().eval(), ("image",), ("depth",), ({0: "batch", 3: "columns"},))
    image = torch.rand(1, 1, 4, 20)
    (found,) = build(places, [(image,)] * 2, "openvino", CPU, "fp32")(image)
    torch.testing.assert_close(found, image + (torch.arange(20) - 10.0).abs())


def test_bf16_where_the_processor_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Core:
        available_devices: tuple[str, ...] = ("CPU",)

        def get_property(self, *_: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino_engine, "_core", Core)
    assert openvino_engine.cannot_run(CPU, "fp32") is None
    expected = r"this processor has no bf16 \(OpenVINO finds FP32, INT8\), expected fp32"
    with pytest.raises(ModelError, match=expected):
        OpenVinoEngine(GraphFile("net", Path("graph.onnx"), ("image",), ("depth",)), CPU, "bf16")


@pytest.mark.parametrize("name", MISSING)
def test_other_names_in_the_file_are_listed(
    name: str, add_one: Callable[[], Network], examples: Sequence[Inputs]
) -> None:
    pytest.importorskip(name)
    pytest.importorskip("onnxscript")
    path = graph_of(add_one(), examples).path
    make: Any = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine}[name]
    with pytest.raises(ModelError, match=r"graph\.onnx has inputs image.*, expected pixels"):
        make(GraphFile("net", path, ("pixels",), ("depth",)), CPU, "fp32")
    with pytest.raises(ModelError, match=r"graph\.onnx has outputs depth.*, expected disparity"):
        make(GraphFile("net", path, ("image",), ("disparity",)), CPU, "fp32")


@pytest.mark.parametrize("name", MISSING)
def test_what_is_no_graph(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    make: Any = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine}[name]
    with pytest.raises(ModelError, match=rf"engine '{name}' cannot load bad\.onnx: ") as error:
        make(GraphFile("net", tmp_path / "bad.onnx", ("image",), ("depth",)), CPU, "fp32")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", MISSING)
def test_inputs_that_do_not_fit(name: str, network: Network, examples: Sequence[Inputs]) -> None:
    pytest.importorskip(name)
    pytest.importorskip("onnxscript")
    engine = build(network, examples, name, CPU, "fp32")
    with pytest.raises(ModelError, match=rf"engine '{name}' cannot run inputs of \(1, 2, 3\): ") as error:
        engine(torch.zeros(1, 2, 3))
    assert "\n" not in str(error.value)


def test_bound_memory_gives_the_same(add_one: Callable[[], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    # What runs on CUDA, on the CPU: inputs read and outputs written where torch has them.
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    engine = build(add_one(), [(torch.rand(2, 3, 4, 5),)] * 2, "onnxruntime", CPU, "fp32")
    assert isinstance(engine, OnnxRuntimeEngine)
    engine._bound = True
    runs: list[object] = []
    session, run = engine._session, engine._session.run_with_iobinding
    monkeypatch.setattr(session, "run_with_iobinding", lambda *given: runs.append(given) or run(*given))
    kept = []
    for size in (5, 7, 5, 7):
        image = torch.rand(2, 3, 4, size)
        (found,) = engine(image)
        kept.append((found, image))
    for found, image in kept:  # of the caller's own
        torch.testing.assert_close(found, image + 1)
    assert len(engine._shapes) == 2
    assert len(runs) == 4  # a new shape runs once, as others do


def test_torch_and_the_session_wait_for_each_other_and_the_host_for_nobody(
    add_one: Callable[[], Network], quick_export: None, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    engine = build(add_one(), [(torch.rand(2, 3, 4, 5),)] * 2, "onnxruntime", CPU, "fp32")
    log: list[str] = []

    class Stream:
        def __init__(self, name: str) -> None:
            self.name = name

        def wait_stream(self, other: Stream) -> None:
            log.append(f"{self.name} waits for {other.name}")

    session, run = engine._session, engine._session.run_with_iobinding

    def observed(binding: Any, options: Any) -> None:
        log.append(options.get_run_config_entry("disable_synchronize_execution_providers"))
        run(binding, options)

    monkeypatch.setattr(session, "run_with_iobinding", observed)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: Stream("torch"))
    engine._bound, engine._stream = True, Stream("session")
    engine(torch.rand(2, 3, 4, 5))
    assert log == ["session waits for torch", "1", "torch waits for session"]


@pytest.mark.parametrize(
    ("dtype", "kind"), [(torch.float16, "<f2"), (torch.float32, "<f4"), (torch.bfloat16, "<i2"), (torch.uint8, "|u1")]
)
def test_memory_of_onnxruntime_as_torch_reads_it(dtype: torch.dtype, kind: str) -> None:
    value = SimpleNamespace(shape=lambda: [1, 2], data_ptr=lambda: 4096)
    found = onnxruntime_engine._OnDevice(value, dtype).__cuda_array_interface__
    assert found == {"shape": (1, 2), "typestr": kind, "data": (4096, False), "version": 3}


@pytest.mark.slow
def test_the_graph_in_half_precision_is_right(network: Network, examples: Sequence[Inputs]) -> None:
    # It is for CUDA; on the CPU ONNX Runtime runs the same graph, slowly.
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    graph = half_graph_of(network, examples)
    assert {value.dtype for value in network.module.parameters()} == {torch.float32}
    engine = OnnxRuntimeEngine(graph, CPU, "fp16")
    error = check(engine, Reference.of(TorchEngine(network, CPU, "fp32"), examples, network.depth))
    assert 1e-6 < error < 5e-3


@pytest.mark.parametrize("name", MISSING)
def test_missing_package(
    name: str, network: Network, examples: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    openvino_engine._core.cache_clear()
    message = rf"engine '{name}' needs the package {name}.*: pip install onnx onnxscript {name}$"
    with pytest.raises(ModelError, match=message):
        build(network, examples, name, CPU, "fp32")
