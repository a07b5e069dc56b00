# SPDX-License-Identifier: Apache-2.0
"""Engines of an ONNX file that somebody gives us; graphs that we export ourselves go through the same functions."""

from __future__ import annotations

import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.engine import Engine, GraphFile
from mono_depth_ros.models.runtime.onnxruntime_engine import OnnxRuntimeEngine
from mono_depth_ros.models.runtime.openvino_engine import OpenVinoEngine

FILE_ENGINES = {
    ("onnxruntime", "cpu"): ("fp32",),
    ("openvino", "cpu"): ("fp32", "bf16", "fp16"),
    ("onnxruntime", "cuda"): ("fp32",),
    ("tensorrt", "cuda"): ("fp16", "bf16", "fp32"),
}
"""What can run a float32 graph on each kind of device, and in which precisions."""


def file_engine(graph: GraphFile, engine: str, device: torch.device, precision: str) -> Engine:
    """One engine of a float32 graph, loaded, not checked: see `make_engine`.

    Raises:
        ModelError: it is not installed, it cannot run on the device or in this precision, or the file is not what is
            said of it; found and expected.
    """
    names = (graph.inputs, graph.outputs)
    if engine == "openvino":
        return OpenVinoEngine(graph.path, *names, device, precision)
    if engine not in ("onnxruntime", "tensorrt"):
        raise ModelError(
            f"{graph.name} is an ONNX file: found engine '{engine}', expected onnxruntime, openvino or tensorrt"
        )
    offered = FILE_ENGINES.get((engine, device.type))
    if offered is not None and precision not in offered:
        expected = " or ".join(offered)
        raise ModelError(
            f"engine '{engine}' of the ONNX file {graph.name} on {device}: found {precision}, expected {expected}"
        )
    return OnnxRuntimeEngine(graph.path, *names, device, precision, tensorrt=engine == "tensorrt")


def file_reference(graph: GraphFile) -> Engine:
    """ONNX Runtime on the CPU in float32: what other engines of a file are compared with."""
    return OnnxRuntimeEngine(graph.path, graph.inputs, graph.outputs, torch.device("cpu"), "fp32")
