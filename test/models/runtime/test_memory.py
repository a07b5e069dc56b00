# SPDX-License-Identifier: Apache-2.0
"""What lies on a device, and when: a GPU is pretended by fake tensors, whose bytes are counted. No cyclic collector."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.runtime import choice, torch_engine
from mono_depth_ros.models.runtime.choice import make_engine
from mono_depth_ros.models.runtime.engine import Engine, EngineOptions, Inputs, Network
from mono_depth_ros.models.runtime.torch_engine import TorchEngine
from mono_depth_ros.pipeline import load_model

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


class Memory(TorchDispatchMode):
    """The bytes of all tensors on CUDA that are still referenced, and the most there were at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._tensors = WeakIdKeyDictionary()
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for value in tree_leaves(out):
            if isinstance(value, torch.Tensor) and value.device.type == "cuda":
                self._tensors[value] = None
        self.peak = max(self.peak, self.bytes)
        return out

    @property
    def bytes(self) -> int:
        storages = [tensor.untyped_storage() for tensor in self._tensors]
        return sum({storage._cdata: storage.nbytes() for storage in storages}.values())


class Layers(nn.Module):
    """Eight layers of 100 x 100 weights: 320,000 bytes in float32. `small` is no weight that could be converted."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(100, 100, bias=False) for _ in range(8)))
        self.layers.append(self.layers[0])  # tied
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layers(image)


FP32 = 8 * 100 * 100 * 4


class Source:
    """A network that can be read again, and the modules that were."""

    def __init__(self) -> None:
        self.read: list[weakref.ref[nn.Module]] = []

    def __call__(self) -> nn.Module:
        module = Layers().eval().requires_grad_(False)
        self.read.append(weakref.ref(module))
        return module

    def network(self) -> Network:
        return Network("net", self, ("image",), ("depth",), ({0: "batch"},))


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, uncollected: None, own_cache: Any) -> Iterator[Memory]:
    """A pretended cuda:0 on which nothing is computed: every engine passes the check."""
    monkeypatch.setattr(torch_engine, "cannot_run", lambda *_: None)
    monkeypatch.setattr(torch_engine, "GraphCache", lambda function, *_: function)
    monkeypatch.setattr(TorchEngine, "_exact", lambda _: torch.no_grad())
    monkeypatch.setattr(choice, "cannot_run", lambda *_: None)
    monkeypatch.setattr(choice, "check", lambda engine, reference: engine(*reference.examples[0]) and 0.0)
    monkeypatch.setattr(choice, "seconds_of", lambda *_: 0.1)
    monkeypatch.setattr(choice, "key_of", lambda *_: "")
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, 0))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))  # no bf16
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), Memory() as memory:
        yield memory


def pictures() -> tuple[Inputs, ...]:
    return tuple((torch.empty(side, 100, device=CUDA),) for side in (3, 4))


@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_a_half_precision_engine_keeps_no_float32(memory: Memory, engine: str) -> None:
    source = Source()
    made = make_engine(source.network(), pictures, EngineOptions(CUDA, engine, "fp16"))
    assert isinstance(made, TorchEngine) and made.precision == "fp16"
    assert FP32 // 2 <= memory.bytes < 1.1 * FP32 / 2
    assert [module() for module in source.read] == [None]  # nor does the host
    assert made._module.layers[8] is made._module.layers[0] and made._module.count.dtype == torch.int64


def test_float32_is_there_once(memory: Memory) -> None:
    source = Source()
    made = make_engine(source.network(), pictures, EngineOptions(CUDA, "torch", "fp32"))
    assert FP32 <= memory.peak < 1.1 * FP32 and [module() for module in source.read] == [None]
    del made
    assert memory.bytes == 0


def test_while_engines_are_tried_the_reference_is_gone(memory: Memory) -> None:
    """Float32 is on the device to say what is right, and then only as a candidate."""
    network, seen = Source().network(), []
    build = choice.build

    def noted(*args: Any) -> Engine:
        seen.append(memory.bytes)
        return build(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "build", noted)
        made = make_engine(network, pictures, EngineOptions(CUDA, "torch", "auto"))
    assert made.precision == "fp16"
    assert len(seen) == 2 and seen[0] < 0.1 * FP32 and seen[1] < 0.6 * FP32  # before fp16, before fp32


def test_an_engine_that_does_not_fit_leaves_nothing(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(choice, "check", too_large)
    monkeypatch.setattr(choice, "_RUNS", 1)
    with pytest.raises(ModelError, match=r"^no engine can run net on cuda:0: torch fp16: net does not fit"):
        make_engine(Source().network(), pictures, EngineOptions(CUDA, "torch", "auto"))
    assert memory.bytes == 0


def test_where_only_half_of_it_fits_the_reference_is_computed_on_the_host(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    copied = Network.copied

    def no_room_for_float32(self: Network, dtype: torch.dtype, device: torch.device, *layout: Any) -> nn.Module:
        module = copied(self, dtype, device, *layout)
        if device.type == "cuda" and dtype == torch.float32:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return module

    monkeypatch.setattr(Network, "copied", no_room_for_float32)
    with caplog.at_level(logging.INFO):
        made = make_engine(Source().network(), pictures, EngineOptions(CUDA, "torch", "fp16"))
    assert made.precision == "fp16" and "what is right is computed on the CPU" in caplog.text
    assert "AbsRel 0 to torch fp32 on the CPU" in caplog.text
    assert memory.bytes < 1.1 * FP32 / 2


def test_models_are_gone_without_the_collector(uncollected: None, examples: Sequence[Inputs]) -> None:
    pipeline = load_model("tiny", "cpu")
    gone = [weakref.ref(item) for item in (pipeline, pipeline.model, pipeline.model.run, pipeline.model.run._module)]
    pipeline(torch.zeros(48, 64, 3, dtype=torch.uint8), Camera.from_fov((64, 48), 60))
    del pipeline
    assert [item() for item in gone] == [None] * 4
