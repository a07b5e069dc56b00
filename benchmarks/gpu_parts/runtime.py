# SPDX-License-Identifier: Apache-2.0
"""Recordings: replayed elsewhere, failed, kept while the network is exported, compiled."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gpu_parts.row import SKIP, Bench, Row, last_error, verdict, warnings_of_the_product
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.families.tiny import load_tiny
from mono_depth_ros.models.runtime.engine import Network
from mono_depth_ros.models.runtime.graph import graph_of
from mono_depth_ros.models.runtime.selfcheck import absrel
from mono_depth_ros.models.runtime.torch_engine import CompiledEngine, TorchEngine


def exported(bench: Bench) -> Iterator[Row]:
    """A network that is exported while an engine holds it, with a recording: still right, whatever was freed."""
    if importlib.util.find_spec("onnxscript") is None:
        yield Row(SKIP, "export beside a recording", "needs the package onnxscript")
        return
    if bench.emulation is not None:
        yield Row(SKIP, "export beside a recording", "torch.export is not emulated")
        return
    network, examples = _tiny(), _examples(bench)
    engine = TorchEngine(network, bench.device, "fp32")
    before = [engine(*inputs)[0].exp() for inputs in examples]
    graph_of(network, [tuple(value.cpu() for value in inputs) for inputs in examples])
    filler = [torch.full((4 << 20,), torch.nan, device=bench.device) for _ in range(32 if bench.real else 1)]
    after = [engine(*inputs)[0].exp() for inputs in examples]
    error = max(absrel(one, other) for one, other in zip(after, before, strict=True))
    yield verdict(error < 1e-6, "export beside a recording", f"AbsRel to before {error:.1e}")
    del filler


def failed_recording(bench: Bench) -> Iterator[Row]:
    """A network that cannot be recorded, since it waits for the host: right, said once, nothing left behind."""
    with warnings_of_the_product() as said:
        engine = TorchEngine(Network("waiting", _Waiting(), ("x",), ("y",), ({0: "batch"},)), bench.device, "fp32")
        x = torch.rand(1, 3, 8, 8, device=bench.device)
        found = [float((engine(x * k)[0] - (x * k) * float((x * k).sum())).abs().max()) for k in (1, 2)]
    right = max(found) < 1e-4
    if not bench.cuda:
        yield verdict(right, "network that cannot be recorded", f"differences {found}")
        return
    back = torch.cuda.current_stream(bench.device) == torch.cuda.default_stream(bench.device)
    try:
        torch.cuda.empty_cache()
        empties = "works"
    except RuntimeError as error:
        empties = last_error(error)
    words = f"differences {found}; on the default stream again: {back}; empty_cache {empties}; {said[:1]}"
    yield verdict(right and back and empties == "works" and len(said) == 1, "network that cannot be recorded", words)


def replayed_in_another_thread(bench: Bench) -> Iterator[Row]:
    """An engine that was loaded in one thread, called in another, as the node does."""
    engine, plain = (TorchEngine(_tiny(), bench.device, bench.fast, graphs=graphs) for graphs in (True, False))
    yield _in_another_thread("replay in another thread", bench, engine, plain)


def compiled_in_another_thread(bench: Bench) -> Iterator[Row]:
    """The same with torch.compile."""
    if not bench.real:
        yield Row(SKIP, "torch_compile in another thread", "needs a GPU: on a CPU the tests of the engines have it")
        return
    start = time.perf_counter()
    try:
        engine = CompiledEngine(_tiny(), bench.device, bench.fast)
        engine(*_examples(bench)[0])
    except ModelError as error:
        yield Row(SKIP, "torch_compile in another thread", str(error))
        return
    plain = TorchEngine(_tiny(), bench.device, bench.fast, graphs=False)
    name = f"torch_compile in another thread (compiled in {time.perf_counter() - start:.0f} s)"
    yield _in_another_thread(name, bench, engine, plain)


def _in_another_thread(name: str, bench: Bench, engine: Callable[..., Any], plain: Callable[..., Any]) -> Row:
    examples, errors, failed = _examples(bench), list[float](), list[str]()
    for inputs in examples:
        engine(*inputs)

    def work() -> None:
        try:
            for turn in range(3):
                for inputs in examples:
                    moved = tuple(value * (1 - turn / 10) for value in inputs)
                    errors.append(absrel(engine(*moved)[0].exp(), plain(*moved)[0].exp()))
        except Exception as error:
            failed.append(last_error(error))

    with warnings_of_the_product() as said:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    worst = max(errors, default=1.0)
    return verdict(worst < 5e-3 and not failed and not said, name, f"AbsRel {worst:.1e} {failed[:1]} {said[:1]}")


class _Waiting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * float(x.sum())


def _tiny() -> Network:
    return Network(
        "tiny",
        load_tiny(),
        ("rgb", "rays"),
        ("log_depth", "sky_logit"),
        ({0: "batch", 2: "32*rows", 3: "32*columns"},) * 2,
        depth=lambda outputs: outputs[0].exp(),
    )


def _examples(bench: Bench) -> list[tuple[Tensor, ...]]:
    generator = torch.Generator().manual_seed(0)
    return [
        tuple(torch.rand(1, channels, *size, generator=generator).to(bench.device) for channels in (3, 2))
        for size in ((192, 256), (224, 224))
    ]
