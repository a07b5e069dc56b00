# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime: on the CPU, on CUDA, and one shape of TensorRT. Another provider never takes over unseen."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.engine import GraphFile, Inputs, first_line
from mono_depth_ros.models.runtime.onnxruntime_providers import open_session

_DTYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(bfloat16)": torch.bfloat16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
    "tensor(int64)": torch.int64,
}
_SHAPES_KEPT = 16


class OnnxRuntimeEngine:
    """`Engine` of an ONNX file.

    On CUDA inputs and outputs are bound to torch's memory, so nothing passes through the host, and the session works on
    a stream of its own that torch's waits for: nobody on the host does. CPU threads are torch's, and they sleep while
    they wait (2 % slower measured, but the node's other threads get their cores).
    """

    def __init__(
        self,
        graph: GraphFile,
        device: torch.device,
        precision: str,
        tensorrt: Mapping[str, Any] | None = None,
        sides: Mapping[str, int] | None = None,
    ) -> None:
        """Load the graph.

        Args:
            precision: what the graph runs in.
            tensorrt: run on TensorRT with these options of the provider.
            sides: sizes of open axes by their names, fixed for good.

        Raises:
            ModelError: the package or the provider is missing, the file cannot be run, or its inputs or outputs are
                not these; lists what there is.
        """
        self.name = "onnxruntime" if tensorrt is None else "tensorrt"
        self.precision = precision
        self.device = device
        self.graph = graph
        self._bound = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if self._bound else None
        number = 0 if self._stream is None else self._stream.cuda_stream
        self._session = open_session(self.name, graph.path, device, number, tensorrt, sides)
        self._inputs, self._outputs = graph.inputs, graph.outputs
        self._input_types = _types("inputs", self._session.get_inputs(), graph.inputs, graph.path)
        self._output_types = _types("outputs", self._session.get_outputs(), graph.outputs, graph.path)
        self._shapes: OrderedDict[tuple[torch.Size, ...], list[tuple[int, ...]]] = OrderedDict()

    def ports(self) -> list[Any]:
        """The inputs as the session has them: `name`, `shape` of numbers and names, `type`."""
        return list(self._session.get_inputs())

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Inputs:
        """Raises ModelError where the graph cannot run these inputs."""
        ready = [value.to(dtype).contiguous() for value, dtype in zip(inputs, self._input_types, strict=True)]
        try:
            results = self._run_bound(ready) if self._bound else self._run(ready)
        except ModelError:
            raise
        except Exception as error:
            shapes = ", ".join(str(tuple(value.shape)) for value in inputs)
            raise ModelError(f"engine '{self.name}' cannot run inputs of {shapes}: {first_line(error)}") from error
        return tuple(value.float() for value in results)

    def _run(self, inputs: list[Tensor]) -> list[Tensor]:
        feed = {name: value.numpy() for name, value in zip(self._inputs, inputs, strict=True)}
        # The arrays that come out are new and writable at every call, so torch may take them over.
        return [torch.from_numpy(value) for value in self._session.run(list(self._outputs), feed)]

    def _run_bound(self, inputs: list[Tensor]) -> list[Tensor]:
        """What a graph gives for inputs of new shapes is seen when it has run: it is then copied from its memory."""
        key = tuple(value.shape for value in inputs)
        binding = self._session.io_binding()
        for name, value in zip(self._inputs, inputs, strict=True):
            binding.bind_input(name, *self._place(), element_type(value.dtype), tuple(value.shape), value.data_ptr())
        if key not in self._shapes:
            for name in self._outputs:
                binding.bind_output(name, *self._place())
            self._run_binding(binding)
            found = binding.get_outputs()
            self._shapes[key] = [tuple(value.shape()) for value in found]
            if len(self._shapes) > _SHAPES_KEPT:
                self._shapes.popitem(last=False)
            return [copied(value, dtype, self.device) for value, dtype in zip(found, self._output_types, strict=True)]
        results = [
            torch.empty(shape, dtype=dtype, device=self.device)
            for shape, dtype in zip(self._shapes[key], self._output_types, strict=True)
        ]
        for name, value in zip(self._outputs, results, strict=True):
            binding.bind_output(name, *self._place(), element_type(value.dtype), tuple(value.shape), value.data_ptr())
        self._run_binding(binding)
        return results

    def _run_binding(self, binding: Any) -> None:
        if self._stream is None:
            self._session.run_with_iobinding(binding)
            return
        options = importlib.import_module("onnxruntime").RunOptions()
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        current = torch.cuda.current_stream(self.device)
        # Both ways, so that memory of either side is used again only when the other is done with it.
        self._stream.wait_stream(current)
        self._session.run_with_iobinding(binding, options)
        current.wait_stream(self._stream)

    def _place(self) -> tuple[str, int]:
        return self.device.type, self.device.index or 0


class _OnDevice:
    """Memory of ONNX Runtime on CUDA, as others may read it."""

    def __init__(self, value: Any, dtype: torch.dtype) -> None:
        kind = {torch.uint8: "|u1", torch.int64: "<i8", torch.bfloat16: "<i2"}.get(dtype, f"<f{dtype.itemsize}")
        data = (value.data_ptr(), False)
        self.__cuda_array_interface__ = {"shape": tuple(value.shape()), "typestr": kind, "data": data, "version": 3}


def copied(value: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """An output that ONNX Runtime has allocated, as a tensor of the caller's own."""
    if device.type == "cpu":
        return torch.from_numpy(value.numpy().copy())
    return torch.as_tensor(_OnDevice(value, dtype), device=device).view(dtype).clone()


def element_type(dtype: torch.dtype) -> Any:
    """The number of a dtype in ONNX (`TensorProto.DataType`), or where NumPy has it the NumPy type."""
    return 16 if dtype == torch.bfloat16 else torch.empty(0, dtype=dtype).numpy().dtype.type


def _types(what: str, found: list[Any], expected: tuple[str, ...], path: Path) -> list[torch.dtype]:
    types = {item.name: item.type for item in found}
    listed = ", ".join(f"{item.name} {item.shape} {item.type}" for item in found)
    if set(expected) - set(types) or (what == "inputs" and len(types) != len(expected)):
        raise ModelError(f"{path.name} has {what} {listed}, expected {', '.join(expected)}")
    unknown = [name for name in expected if types[name] not in _DTYPES]
    if unknown:
        raise ModelError(f"{path.name} has {what} {listed}, expected {' or '.join(_DTYPES)} for {unknown[0]}")
    return [_DTYPES[types[name]] for name in expected]
