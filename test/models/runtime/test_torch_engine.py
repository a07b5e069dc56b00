# SPDX-License-Identifier: Apache-2.0
"""torch in each precision and compiled; CUDA graphs with a recorder that needs no GPU."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import torch_engine
from mono_depth_ros.models.runtime.engine import Engine, Inputs, Network
from mono_depth_ros.models.runtime.selfcheck import Reference, check
from mono_depth_ros.models.runtime.torch_engine import CompiledEngine, TorchEngine

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_fp32_runs_the_module_itself(network: Network, examples: Sequence[Inputs]) -> None:
    engine = TorchEngine(network, CPU, "fp32")
    assert engine._module is network.module
    with torch.inference_mode():
        assert torch.equal(engine(*examples[0])[0], network.module(*examples[0]))


def test_half_precision_leaves_the_module_alone(network: Network) -> None:
    if torch_engine.cannot_run(CPU, "bf16"):
        pytest.skip("this processor has no bf16")
    engine = TorchEngine(network, CPU, "bf16")
    assert {value.dtype for value in network.module.parameters()} == {torch.float32}
    assert {value.dtype for value in engine._module.parameters()} == {torch.bfloat16}


def test_precisions_that_are_not_there(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="found precision fp16, expected fp32 or bf16"):
        TorchEngine(network, CPU, "fp16")
    monkeypatch.setattr(torch_engine, "_cpu_has_bf16", lambda: False)
    with pytest.raises(ModelError, match=r"this processor has no bf16 .*, expected fp32"):
        TorchEngine(network, CPU, "bf16")


@pytest.mark.parametrize("make", [TorchEngine, CompiledEngine])
def test_an_engine_that_is_let_go_leaves_no_memory_to_the_collector(
    add_one: Callable[[], Network], monkeypatch: pytest.MonkeyPatch, make: Callable[..., Engine]
) -> None:
    pytest.importorskip("torch._dynamo")  # which CompiledEngine imports: that alone leaves cycles
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)
    network = add_one()
    gone = weakref.ref(network.module)
    gc.disable()
    try:
        engine = make(network, CPU, "fp32")
        assert gone() is not None
        del engine, network
        assert gone() is None
    finally:
        gc.enable()


class Failing(torch.nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, _image: torch.Tensor) -> torch.Tensor:
        raise self.error


def test_out_of_memory_at_run_time(examples: Sequence[Inputs]) -> None:
    error = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has")
    name = "depth_anything_v2_large"
    engine = TorchEngine(Network(name, Failing(error), ("image",), ("depth",), ({},)), CPU, "fp32")
    with pytest.raises(ModelError, match=rf"{name} does not fit .* 2.50 GiB more were asked for.*model:=.* is smaller"):
        engine(*examples[0])


def test_compiled(add_one: Callable[[], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def compiler(module: torch.nn.Module, **options: Any) -> Any:
        seen.append(options)
        return module

    monkeypatch.setattr(torch, "compile", compiler)
    engine = CompiledEngine(add_one(), CPU, "fp32")
    image = torch.rand(1, 1, 2, 3)
    assert torch.equal(engine(image)[0], image + 1)
    assert seen == [{"dynamic": False}]
    assert (engine.name, engine.precision) == ("torch_compile", "fp32")


def test_compiled_without_a_compiler(examples: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)
    error = RuntimeError("InvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx: g++")
    engine = CompiledEngine(Network("net", Failing(error), ("image",), ("depth",), ({},)), CPU, "fp32")
    with pytest.raises(ModelError, match=r"needs a C\+\+ compiler, found none: sudo apt install g\+\+"):
        engine(*examples[0])


def test_compiled_where_something_else_fails(examples: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)
    engine = CompiledEngine(
        Network("net", Failing(ValueError("bad\nworse")), ("image",), ("depth",), ({},)), CPU, "fp32"
    )
    with pytest.raises(ModelError, match=r"^engine 'torch_compile' cannot run net: bad$"):
        engine(*examples[0])


@needs_cuda
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_cuda_agrees_with_the_cpu(
    make_network: Callable[..., Network], examples: Sequence[Inputs], precision: str
) -> None:
    reference = Reference.of(TorchEngine(make_network(), CPU, "fp32"), examples, lambda outputs: outputs[0])
    device = torch.device("cuda", 0)
    engine = TorchEngine(make_network(), device, precision)
    on_device = [[tuple(v.to(device) for v in values) for values in part] for part in (examples, reference.outputs)]
    for _ in range(2):  # recording, replay
        check(engine, Reference(on_device[0], on_device[1], lambda outputs: outputs[0]))
    (first,) = engine(*on_device[0][0])
    kept = first.clone()
    engine(-on_device[0][0][0])
    assert torch.equal(first, kept)
