# SPDX-License-Identifier: Apache-2.0
"""The table of engines, and what is read off it: adding an engine is a file and a row."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import int8, openvino_engine, tensorrt_engine, torch_engine
from mono_depth_ros.models.runtime.device import load_package, memory_explained
from mono_depth_ros.models.runtime.engine import PRECISIONS, Engine, EngineOptions, GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.graph import graph_of, half_graph_of
from mono_depth_ros.models.runtime.onnxruntime_engine import OnnxRuntimeEngine
from mono_depth_ros.models.runtime.onnxruntime_providers import provider_missing
from mono_depth_ros.models.runtime.openvino_engine import OpenVinoEngine
from mono_depth_ros.models.runtime.tensorrt_engine import TensorRtEngine
from mono_depth_ros.models.runtime.torch_engine import CompiledEngine, TorchEngine

Candidate = tuple[str, str]
"""Names of an engine and of a precision."""

_FASTEST_FIRST = ("int8", "fp16", "bf16", "fp32")


@dataclass(frozen=True)
class EngineRow:
    """One engine.

    Attributes:
        precisions: of each kind of device that it runs on, "cpu" or "cuda", the precisions it has there.
        auto: likewise those that `auto` tries; none where the engine is to be asked for by its name.
        cannot_run: why not on this device in this precision, None where it can; asked when its package is there.
        make: the engine, loaded. Of a `Network` where `graphs` is False, else of a `GraphFile`.
        graphs: True where it runs ONNX graphs: networks are exported for it, and files are run.
        package: the module it needs beside torch, and all that pip must install for it; "" for none.
        half_graphs: True where fp16 is that of the graph: a network is exported in it, a file runs in its own.
        casts: likewise True where a file in float32 can run in half precision all the same.
        slow: True where an engine takes minutes: of the precisions of one that was asked for the first right one stays.
    """

    precisions: Mapping[str, tuple[str, ...]]
    auto: Mapping[str, tuple[str, ...]]
    cannot_run: Callable[[torch.device, str], str | None]
    make: Callable[..., Engine]
    graphs: bool = True
    package: tuple[str, str] = field(default=("", ""))
    half_graphs: bool = False
    casts: Callable[[], bool] = field(default=lambda: False)
    slow: bool = False


ENGINES: Mapping[str, EngineRow] = {
    "openvino": EngineRow(
        precisions={"cpu": ("int8", "bf16", "fp16", "fp32")},
        auto={"cpu": ("int8", "bf16", "fp32")},  # int8 where the user quantised the network
        cannot_run=openvino_engine.cannot_run,
        make=OpenVinoEngine,
        package=("openvino", "onnx onnxscript openvino"),
    ),
    "torch": EngineRow(
        precisions={"cpu": ("bf16", "fp32"), "cuda": ("fp16", "bf16", "fp32")},
        auto={"cpu": ("bf16", "fp32"), "cuda": ("fp16", "bf16", "fp32")},
        cannot_run=torch_engine.cannot_run,
        make=TorchEngine,
        graphs=False,
    ),
    "onnxruntime": EngineRow(
        precisions={"cpu": ("fp32",), "cuda": ("fp16", "fp32")},  # no kernels for bf16 worth the name
        auto={"cpu": ("fp32",), "cuda": ("fp16", "fp32")},
        cannot_run=partial(provider_missing, "onnxruntime"),
        make=OnnxRuntimeEngine,
        half_graphs=True,
    ),
    "tensorrt": EngineRow(
        precisions={"cuda": ("fp16", "bf16", "fp32")},
        auto={},
        cannot_run=tensorrt_engine.cannot_run,
        make=TensorRtEngine,
        half_graphs=True,
        casts=lambda: not tensorrt_engine.strongly_typed(),
        slow=True,
    ),
    "torch_compile": EngineRow(  # takes 30 s for each shape to be no faster than torch (fp32 and bf16, two cores)
        precisions={"cpu": ("bf16", "fp32"), "cuda": ("fp16", "bf16", "fp32")},
        auto={},
        cannot_run=torch_engine.cannot_run,
        make=CompiledEngine,
        graphs=False,
    ),
}
"""By their names; `auto` tries them in this order, half precisions first."""


def cannot_run(network: Network | GraphFile, engine: str, device: torch.device, precision: str) -> str | None:
    """Why an engine cannot run this here, without trying, None where it may.

    Raises:
        ModelError: its package is missing; says the pip line.
    """
    row = ENGINES[engine]
    if isinstance(network, GraphFile) and not row.graphs:
        expected = _listed([name for name, other in ENGINES.items() if other.graphs])
        return f"{network.name} is an ONNX file: found engine '{engine}', expected {expected}"
    if device.type not in row.precisions:  # no package would help
        (kind,) = row.precisions
        where = {"cpu": "the CPU", "cuda": "CUDA"}[kind]
        return f"engine '{engine}' runs on {where} only, found device {device}; choose device:={kind} or another engine"
    if row.package[0]:
        load_package(*row.package, f"engine '{engine}'")
    reason = row.cannot_run(device, precision)
    if precision == "int8" and reason is None and "int8" in row.precisions[device.type]:
        return int8.why_not(network)
    offered = _of_file(network, row, device.type, row.precisions[device.type])
    if reason is None and precision not in offered:
        of_file = isinstance(network, GraphFile) and row.half_graphs
        subject = f"engine '{engine}' of the ONNX file {network.name}" if of_file else f"engine '{engine}'"
        return f"{subject} on {device}: found precision {precision}, expected {_listed(offered)}"
    return reason


def _of_file(network: Network | GraphFile, row: EngineRow, kind: str, offered: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the precisions that a file leaves: where an engine does not cast it, that of its weights.

    The CPU has kernels for float32 alone, and casts before and after each of them.
    """
    if not (isinstance(network, GraphFile) and row.half_graphs and offered):
        return offered
    if kind == "cpu":
        return ("fp32",)
    return offered if network.precision == "fp32" and row.casts() else (network.precision,)


def build(
    network: Network | GraphFile, examples: Sequence[Inputs], engine: str, device: torch.device, precision: str
) -> Engine:
    """One engine in one precision, loaded, not checked yet; a network's module is neither changed nor moved.

    Raises:
        ModelError: it cannot run here, the network cannot be exported, or memory is too small.
    """
    reason = cannot_run(network, engine, device, precision)
    if reason is not None:
        raise ModelError(reason)
    row = ENGINES[engine]
    with memory_explained(network.name, device):
        if precision == "int8":
            network = int8.graph_in(int8.folder_of(network), network)
        elif row.graphs and isinstance(network, Network):
            half = row.half_graphs and precision == "fp16"
            network = (half_graph_of if half else graph_of)(network, examples)
        return row.make(network, device, precision)


def candidates_of(network: Network | GraphFile, options: EngineOptions) -> list[Candidate]:
    """What may run, in the order of expected speed; explicit wishes are kept to, whatever they lead to.

    Raises:
        ModelError: a name is unknown, or nothing can run here what is asked for.
    """
    _check_name("engine", options.engine, ("auto", *ENGINES))
    _check_name("precision", options.precision, PRECISIONS)
    kind, precision = options.device.type, options.precision
    left_out = () if precision == "int8" or int8.is_made(network) else ("int8",)
    if options.engine != "auto" and precision != "auto":
        return [(options.engine, precision)]
    if options.engine == "auto":
        files = isinstance(network, GraphFile)
        offered = {
            name: _of_file(network, row, kind, row.auto.get(kind, ()))
            for name, row in ENGINES.items()
            if row.graphs or not files
        }
        pairs = [(name, wanted) for wanted in _FASTEST_FIRST for name in offered if wanted in offered[name]]
        if precision == "auto":
            return [pair for pair in pairs if pair[1] not in left_out]
        some = [pair for pair in pairs if pair[1] == precision]
        if not some:
            known = _listed([wanted for wanted in _FASTEST_FIRST if any(wanted == pair[1] for pair in pairs)])
            found = f"precision is '{precision}', which no engine has on {options.device}"
            raise ModelError(f"{found}: expected auto, {known}")
        return some
    row = ENGINES[options.engine]
    wanted_of = row.auto.get(kind) or row.precisions.get(kind, ("fp32",))
    offered_here = [wanted for wanted in _of_file(network, row, kind, wanted_of) if wanted not in left_out]
    pairs = [(options.engine, wanted) for wanted in offered_here]
    reasons = [cannot_run(network, engine, options.device, wanted) for engine, wanted in pairs]
    possible = [pair for pair, reason in zip(pairs, reasons, strict=True) if reason is None]
    if not possible:
        raise ModelError(str(reasons[-1]))  # before the reference takes its time; of fp32, the last, which all have
    return possible


def _listed(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _check_name(parameter: str, found: str, known: Sequence[str]) -> None:
    if found not in known:
        close = difflib.get_close_matches(found.lower(), known, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise ModelError(f"{parameter} is '{found}', {hint}expected {', '.join(known)}")
