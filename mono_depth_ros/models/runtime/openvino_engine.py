# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the CPU: the fastest engine there, in bfloat16 above all where the processor has it."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.engine import GraphFile, Inputs, first_line

SHAPES_KEPT = 4
"""Compiled for so many input shapes at a time; each keeps the weights in its own order, so this costs memory."""

_HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}
"""Of int8 the graph says what is in it; the rest of its operations run in bf16 where the processor has it."""
_CAPABILITIES = {"fp16": "FP16", "bf16": "BF16"}


class OpenVinoEngine:
    """`Engine` of an ONNX file.

    The graph is compiled for each shape of its inputs when it first comes (0.4 s for Depth Anything V2 small): bf16
    then runs in 148 ms, against 169 ms compiled once with open shapes. OpenVINO's own cache of compiled models is not
    used: it takes 95 MB a shape to save 0.2 s.
    """

    name = "openvino"

    def __init__(self, graph: GraphFile, device: torch.device, precision: str) -> None:
        """Read the graph.

        Raises:
            ModelError: OpenVINO is missing, the device is not the CPU, the processor lacks the precision, the file
                cannot be read, or its inputs or outputs are not these.
        """
        reason = cannot_run(device, precision)
        if reason is not None:
            raise ModelError(reason)
        self.precision = precision
        self.graph = graph
        self._inputs, self._outputs = graph.inputs, graph.outputs
        path = graph.path
        try:
            self._model = read_graph(path)
        except Exception as error:  # RuntimeError and its own
            raise ModelError(f"engine 'openvino' cannot load {path.name}: {first_line(error)}") from error
        for what, ports, names in (
            ("inputs", self._model.inputs, graph.inputs),
            ("outputs", self._model.outputs, graph.outputs),
        ):
            found = [port.get_names() for port in ports]
            if any(not any(name in port for port in found) for name in names):
                listed = ", ".join(sorted(name for port in found for name in port))
                raise ModelError(f"{path.name} has {what} {listed}, expected {', '.join(names)}")
        self._types = [np.dtype(self._model.input(name).get_element_type().to_dtype()) for name in graph.inputs]
        self.shapes_kept = SHAPES_KEPT
        self._requests: OrderedDict[tuple[torch.Size, ...], Any] = OrderedDict()

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Inputs:
        """Raises ModelError where the graph cannot run these inputs."""
        shapes = tuple(value.shape for value in inputs)
        try:
            request = self._requests.get(shapes) or self._compile(shapes)
            self._requests.move_to_end(shapes)
            ready = [
                value.contiguous().numpy().astype(dtype, copy=False)
                for value, dtype in zip(inputs, self._types, strict=True)
            ]
            # Inputs are read in place. Outputs are copied (1 MB in a network's time): the next call overwrites them.
            found = request.infer(dict(zip(self._inputs, ready, strict=True)), share_inputs=True, share_outputs=False)
            return tuple(torch.from_numpy(found[name]).float() for name in self._outputs)
        except Exception as error:  # RuntimeError and its own
            listed = ", ".join(str(tuple(shape)) for shape in shapes)
            raise ModelError(f"engine 'openvino' cannot run inputs of {listed}: {first_line(error)}") from error

    def _compile(self, shapes: tuple[torch.Size, ...]) -> Any:
        model = self._model.clone()
        model.reshape({name: list(shape) for name, shape in zip(self._inputs, shapes, strict=True)})
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[_rest_of_int8() if self.precision == "int8" else self.precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        while len(self._requests) >= self.shapes_kept:
            self._requests.popitem(last=False)
        self._requests[shapes] = _core().compile_model(model, "CPU", settings).create_infer_request()
        return self._requests[shapes]


def cannot_run(_device: torch.device, precision: str) -> str | None:
    """Why OpenVINO cannot run on the CPU in this precision, None where it can."""
    wanted = _CAPABILITIES.get(precision)
    found = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if wanted is None or wanted in found:
        return None  # a precision the processor lacks would become another one, and nobody would be told
    return f"this processor has no {precision} (OpenVINO finds {', '.join(sorted(found))}), expected fp32"


def read_graph(path: Path) -> Any:
    """The model of OpenVINO in an .onnx or .xml file, right in what OpenVINO itself reads wrongly."""
    model = _core().read_model(str(path))
    _keep_absolute_values(model)
    return model


def _rest_of_int8() -> str:
    return "bf16" if cannot_run(torch.device("cpu"), "bf16") is None else "fp32"


def _keep_absolute_values(model: Any) -> None:
    """Write |x| of vectors as max(x, -x).

    OpenVINO takes such a vector for a shape, and where it depends on constants alone, as the places to resample at do
    in a graph of fixed size, it drops the absolute value (github.com/openvinotoolkit/openvino/issues/38166).
    """
    operations = importlib.import_module("openvino.opset8")
    for node in model.get_ordered_ops():
        rank = node.get_output_partial_shape(0).rank if node.get_type_name() == "Abs" else None
        if rank is not None and (rank.is_dynamic or rank.get_length() <= 1):
            value = node.input_value(0)
            node.output(0).replace(operations.maximum(value, operations.negative(value)).output(0))


@lru_cache(maxsize=1)
def _core() -> Any:
    core = importlib.import_module("openvino").Core()
    if "CPU" not in core.available_devices:
        found = ", ".join(core.available_devices) or "no device"
        raise ModelError(f"engine 'openvino' finds {found}, expected CPU: its CPU plugin is not installed")
    return core
