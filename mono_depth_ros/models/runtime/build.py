# SPDX-License-Identifier: Apache-2.0
"""One engine, of one precision, from a network or a file: loaded, not checked yet."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import openvino_engine, packages, torch_engine
from mono_depth_ros.models.runtime.engine import Engine, GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.from_file import file_engine
from mono_depth_ros.models.runtime.graph import graph_of
from mono_depth_ros.models.runtime.memory import memory_explained
from mono_depth_ros.models.runtime.onnxruntime_engine import OnnxRuntimeEngine, provider_missing
from mono_depth_ros.models.runtime.torch_engine import CompiledEngine, TorchEngine


def build(
    network: Network | GraphFile, examples: Sequence[Inputs], engine: str, device: torch.device, precision: str
) -> Engine:
    """The engine, loaded; the network's module is not changed, but may be moved.

    Raises:
        ModelError: see `make_engine`.
    """
    reason = cannot_run(network, engine, device, precision)
    if reason is not None:
        raise ModelError(reason)
    if isinstance(network, Network) and engine in ("torch", "torch_compile"):
        return (TorchEngine if engine == "torch" else CompiledEngine)(network, device, precision)
    with memory_explained(network.name, device):
        if isinstance(network, GraphFile):
            return file_engine(network, engine, device, precision)
        if engine == "onnxruntime" and precision == "fp16":
            graph = half_graph(network, examples)
            return OnnxRuntimeEngine(graph.path, graph.inputs, graph.outputs, device, precision)
        return file_engine(graph_of(network, examples), engine, device, precision)


def half_graph(network: Network, examples: Sequence[Inputs]) -> GraphFile:
    """The graph of a copy in float16, inputs and outputs too: what to keep in float32 needs no further package."""
    half = replace(network, module=copy.deepcopy(network.module).half())
    return graph_of(half, [tuple(value.half() for value in inputs) for inputs in examples])


def cannot_run(network: Network | GraphFile, engine: str, device: torch.device, precision: str) -> str | None:
    """Why an engine cannot run this here, without trying, None where it may.

    Raises:
        ModelError: its package is missing; says the pip line.
    """
    if engine in ("torch", "torch_compile"):
        if isinstance(network, GraphFile):
            return (
                f"{network.name} is an ONNX file: found engine '{engine}', expected onnxruntime, openvino or tensorrt"
            )
        return torch_engine.cannot_run(device, precision)
    if engine == "tensorrt" and device.type != "cuda":
        return provider_missing(engine, device)  # no package would help
    if engine == "openvino" and device.type != "cpu":
        return openvino_engine.cannot_run(device, precision)
    packages.load_package(engine)
    if engine == "openvino":
        return openvino_engine.cannot_run(device, precision)
    if engine == "onnxruntime" and precision not in _onnxruntime_precisions(network, device):
        expected = " or ".join(_onnxruntime_precisions(network, device))
        return f"engine 'onnxruntime' on {device}: found precision {precision}, expected {expected}"
    return provider_missing(engine, device)


def _onnxruntime_precisions(network: Network | GraphFile, device: torch.device) -> tuple[str, ...]:
    # Its CPU kernels know float32 only, its CUDA kernels no bfloat16 worth the name; a file is as it is.
    return ("fp16", "fp32") if device.type == "cuda" and isinstance(network, Network) else ("fp32",)
