# SPDX-License-Identifier: Apache-2.0
"""From the parameters `engine` and `precision` to an engine that is loaded and checked."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.auto import Candidate, fastest
from mono_depth_ros.models.runtime.build import build, cannot_run
from mono_depth_ros.models.runtime.engine import (
    ENGINES,
    PRECISIONS,
    Engine,
    EngineOptions,
    GraphFile,
    Inputs,
    Network,
)
from mono_depth_ros.models.runtime.from_file import file_reference
from mono_depth_ros.models.runtime.memory import memory_explained
from mono_depth_ros.models.runtime.selfcheck import Reference, check
from mono_depth_ros.models.runtime.torch_engine import TorchEngine

LOGGER = logging.getLogger(__name__)

_ORDER = {
    "cpu": (
        ("openvino", "bf16"),
        ("torch", "bf16"),
        ("openvino", "fp32"),
        ("onnxruntime", "fp32"),
        ("torch", "fp32"),
    ),
    "cuda": (
        ("torch", "fp16"),
        ("torch", "bf16"),
        ("onnxruntime", "fp16"),
        ("torch", "fp32"),
        ("onnxruntime", "fp32"),
    ),
}
"""What `auto` tries on each kind of device. Not torch_compile, which takes 30 s for each shape to be no faster than
torch on a CPU (fp32 and bf16, two cores), and not tensorrt, which takes minutes: these are to be asked for."""

_PRECISIONS = {"cpu": ("bf16", "fp32"), "cuda": ("fp16", "bf16", "fp32")}


def make_engine(network: Network | GraphFile, examples: Sequence[Inputs], options: EngineOptions) -> Engine:
    """The engine asked for, or with auto the fastest that passes the self-check. Takes over the network's module.

    An engine that is asked for is never replaced by another; with precision auto it gets the fastest that passes.

    Args:
        examples: two sets of fixed inputs on the device, on which an engine must agree with torch in float32, or for
            a file with ONNX Runtime in float32.

    Raises:
        ModelError: it is unknown, not installed, cannot run on the device or gives other results; found and expected.
    """
    _check_name("engine", options.engine, ENGINES)
    _check_name("precision", options.precision, PRECISIONS)
    candidates = _candidates(network, options)
    if len(candidates) == 1:
        return _only(network, examples, options.device, *candidates[0])
    reference, torch_fp32 = _reference(network, examples, options.device)
    return fastest(network, reference, torch_fp32, options.device, candidates)


def _only(
    network: Network | GraphFile, examples: Sequence[Inputs], device: torch.device, engine: str, precision: str
) -> Engine:
    reason = cannot_run(network, engine, device, precision)  # before the reference takes its time
    if reason is not None:
        raise ModelError(reason)
    if isinstance(network, Network) and (engine, precision) == ("torch", "fp32"):
        only = TorchEngine(network, device, "fp32")
        only(*examples[0])  # what it needs more than at rest, a node finds out now and not at its first frame
        return only
    reference, _ = _reference(network, examples, device)
    if isinstance(network, Network) and engine not in ("torch", "torch_compile"):
        _leave_device(network, device)
    chosen = build(network, examples, engine, device, precision)
    with memory_explained(network.name, device):
        error = check(chosen, reference)
    LOGGER.info("%s: engine %s %s, AbsRel %.1g to %s", network.name, engine, precision, error, reference.by)
    return chosen


def _reference(
    network: Network | GraphFile, examples: Sequence[Inputs], device: torch.device
) -> tuple[Reference, Engine | None]:
    """What right outputs are; and torch in float32, where that gave them."""
    if isinstance(network, Network):
        engine: Engine = TorchEngine(network, device, "fp32", graphs=False)
        return Reference.of(engine, examples, network.depth), engine
    engine = file_reference(network)
    outputs = [engine(*(value.cpu() for value in inputs)) for inputs in examples]
    on_device = [tuple(value.to(device) for value in values) for values in outputs]
    return Reference(examples, on_device, network.depth, "ONNX Runtime fp32 on the CPU"), None


def _candidates(network: Network | GraphFile, options: EngineOptions) -> list[Candidate]:
    """What may run, in the order of expected speed; explicit wishes are kept to, whatever they lead to."""
    if options.engine != "auto" and options.precision != "auto":
        return [(options.engine, options.precision)]
    kind = options.device.type
    if options.engine == "auto":
        pairs = [pair for pair in _ORDER[kind] if isinstance(network, Network) or pair[0] != "torch"]
    else:
        pairs = [(options.engine, precision) for precision in _PRECISIONS[kind]]
    if options.precision != "auto":
        pairs = [(engine, precision) for engine, precision in pairs if precision == options.precision]
        if not pairs:
            raise ModelError(
                f"precision is '{options.precision}', which no engine has on {options.device}: "
                f"expected auto, {' or '.join(_PRECISIONS[kind])}"
            )
    if options.engine == "auto":
        return pairs
    reasons = [cannot_run(network, engine, options.device, precision) for engine, precision in pairs]
    possible = [pair for pair, reason in zip(pairs, reasons, strict=True) if reason is None]
    if not possible:
        raise ModelError(str(reasons[-1]))  # before the reference takes its time; of fp32, the last, which all have
    return possible


def _leave_device(network: Network, device: torch.device) -> None:
    """The graph is all that is needed from here on: a GPU's memory is not filled twice."""
    if device.type == "cuda":
        network.module.cpu()
        torch.cuda.empty_cache()


def _check_name(parameter: str, found: str, known: Sequence[str]) -> None:
    if found not in known:
        close = difflib.get_close_matches(found.lower(), known, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise ModelError(f"{parameter} is '{found}', {hint}expected {', '.join(known)}")
