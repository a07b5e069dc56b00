# SPDX-License-Identifier: Apache-2.0
"""`engine: auto` with engines whose speed and faults are planted, and once with the real ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import choice, remembered
from mono_depth_ros.models.runtime.choice import make_engine
from mono_depth_ros.models.runtime.engine import Engine, EngineOptions, Inputs, Network

CPU = torch.device("cpu")
Stub = Callable[..., Engine]


class Slow(torch.nn.Module):
    """Takes 40 ms for x + 1."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        time.sleep(0.04)
        return image + 1


@pytest.fixture
def slow() -> Network:
    return Network("slow", Slow().eval(), ("image",), ("depth",), ({0: "batch"},))


class Shop:
    """`build` that gives planted engines: `stock` maps (engine, precision) to its time and a factor on the result."""

    def __init__(self, stub: Stub, stock: dict[tuple[str, str], tuple[float, float] | str]) -> None:
        self.stub, self.stock = stub, stock
        self.asked: list[tuple[str, str]] = []

    def __call__(self, _network: Network, _examples: object, engine: str, _device: object, precision: str) -> Engine:
        self.asked.append((engine, precision))
        found = self.stock.get((engine, precision), "not installed")
        if isinstance(found, str):
            raise ModelError(found)
        seconds, factor = found

        def function(image: torch.Tensor) -> Inputs:
            time.sleep(seconds)
            return ((image + 1) * factor,)

        return self.stub(function, engine, precision)

    def restored(self, network: Network, known: dict[str, str], device: torch.device) -> Engine:
        return self(network, (), known["engine"], device, known["precision"])


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, stub: Stub, own_cache: Path) -> Callable[..., Shop]:
    def make(stock: dict[tuple[str, str], tuple[float, float] | str]) -> Shop:
        made = Shop(stub, stock)
        monkeypatch.setattr(choice, "cannot_run", lambda *_: None)
        monkeypatch.setattr(choice, "build", made)
        monkeypatch.setattr(choice, "restored", made.restored)
        return made

    return make


@pytest.fixture
def positive() -> tuple[Inputs, ...]:
    return ((torch.rand(1, 3, 4, 6),), (torch.rand(1, 3, 5, 5),))


def chosen(network: Network, examples: Sequence[Inputs], precision: str = "auto", engine: str = "auto") -> str:
    made = make_engine(network, examples, EngineOptions(CPU, engine, precision))
    return f"{made.name} {made.precision}"


def test_the_fastest_right_one(
    shop: Callable[..., Shop], slow: Network, positive: Sequence[Inputs], caplog: pytest.LogCaptureFixture
) -> None:
    shop({
        ("openvino", "bf16"): (0.001, 1.05),
        ("openvino", "fp32"): (0.02, 1.0),
        ("onnxruntime", "fp32"): (0.005, 1.0),
        ("torch", "bf16"): "this processor has no bf16",
    })  # fmt: skip
    with caplog.at_level(logging.INFO, choice.__name__):
        assert chosen(slow, positive) == "onnxruntime fp32"
    (line,) = [record.message for record in caplog.records if record.name == choice.__name__]
    assert "slow: engine onnxruntime fp32, " in line and "torch fp32 4" in line and "others: openvino fp32" in line
    assert "refused: openvino bf16: engine 'openvino' in bf16 is wrong at 6x4" in line
    assert "torch bf16: this processor has no bf16" in line


def test_half_precision_that_is_right_and_fast_spares_fp32(
    shop: Callable[..., Shop], slow: Network, positive: Sequence[Inputs]
) -> None:
    made = shop({("openvino", "bf16"): (0.001, 1.01), ("openvino", "fp32"): (0.0, 1.0)})
    assert chosen(slow, positive) == "openvino bf16"
    assert ("openvino", "fp32") not in made.asked


def test_fp32_is_kept_to(shop: Callable[..., Shop], slow: Network, positive: Sequence[Inputs]) -> None:
    made = shop({("openvino", "bf16"): (0.001, 1.0), ("openvino", "fp32"): (0.01, 1.0)})
    assert chosen(slow, positive, "fp32") == "openvino fp32"
    assert all(precision == "fp32" for _, precision in made.asked)


def test_torch_where_nothing_else_is_right(
    shop: Callable[..., Shop], slow: Network, positive: Sequence[Inputs]
) -> None:
    shop({("openvino", "fp32"): (0.001, 1.05), ("onnxruntime", "fp32"): (0.1, 1.0)})
    assert chosen(slow, positive) == "torch fp32"


def test_a_small_network_stays_with_torch(
    shop: Callable[..., Shop], add_one: Callable[[], Network], positive: Sequence[Inputs]
) -> None:
    made = shop({("openvino", "bf16"): (0.0, 1.0)})
    assert chosen(add_one(), positive) == "torch fp32"
    assert not made.asked


def test_an_engine_asked_for_is_not_replaced(
    shop: Callable[..., Shop], slow: Network, positive: Sequence[Inputs]
) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnxscript")
    shop({("openvino", "bf16"): (0.001, 1.05), ("openvino", "fp32"): (0.1, 1.0), ("onnxruntime", "fp32"): (0.0, 1.0)})
    assert chosen(slow, positive, engine="openvino") == "openvino fp32"  # slower than torch, but asked for
    remembered.forget("slow")
    shop({("openvino", "bf16"): (0.001, 1.05), ("openvino", "fp32"): (0.001, 1.05)})
    with pytest.raises(ModelError, match=r"no engine can run slow on cpu: openvino bf16: .*; openvino fp32: .*"):
        make_engine(slow, [(value[0] + 1,) for value in positive], EngineOptions(CPU, "openvino", "auto"))


def test_at_the_next_start_only_the_winner_is_loaded(
    shop: Callable[..., Shop], slow: Network, positive: Sequence[Inputs]
) -> None:
    stock = {("openvino", "fp32"): (0.01, 1.0), ("onnxruntime", "fp32"): (0.001, 1.0)}
    assert chosen(slow, positive) == "torch fp32" if not shop(stock) else chosen(slow, positive) == "onnxruntime fp32"
    again = shop(stock)
    assert chosen(slow, positive) == "onnxruntime fp32"
    assert again.asked == [("onnxruntime", "fp32")]
    assert chosen(slow, positive, "fp32") == "onnxruntime fp32"  # another question: asked anew
    assert len(again.asked) > 2


def test_a_winner_that_does_not_run_now_is_not_used(
    shop: Callable[..., Shop], slow: Network, positive: Sequence[Inputs], caplog: pytest.LogCaptureFixture
) -> None:
    shop({("openvino", "fp32"): (0.01, 1.0), ("onnxruntime", "fp32"): (0.001, 1.0)})
    assert chosen(slow, positive) == "onnxruntime fp32"
    shop({("openvino", "fp32"): (0.01, 1.0), ("onnxruntime", "fp32"): "its library is gone"})
    with caplog.at_level(logging.WARNING):
        assert chosen(slow, positive) == "openvino fp32"
    assert "onnxruntime fp32 was right at an earlier start but does not run now: its library is gone" in caplog.text


@pytest.mark.slow
def test_really(network: Network, examples: Sequence[Inputs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "FAST_ENOUGH_S", 0)
    monkeypatch.setattr(choice, "_RUNS", 2)
    first = chosen(network, examples)
    monkeypatch.setattr(choice, "check", None)  # would raise: nothing is proved twice
    assert first in {"torch fp32", "torch bf16", "openvino bf16", "openvino fp32", "onnxruntime fp32"}
    assert chosen(network, examples) == first
