# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime: on the CPU, on CUDA, and on CUDA through TensorRT. Another provider never takes over unseen."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.cache import cache_folder
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.engine import GraphFile, Inputs, first_line

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
GPU_WHEELS = "pip install onnxruntime-gpu, on Jetson from https://pypi.jetson-ai-lab.io"
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

    On CUDA inputs and outputs are bound to torch's memory, so nothing passes through the host. CPU threads are torch's,
    and they sleep while they wait (2 % slower measured, but the node's other threads get their cores).
    """

    def __init__(self, graph: GraphFile, device: torch.device, precision: str, tensorrt: bool = False) -> None:
        """Load the graph.

        Args:
            precision: what the graph is in; with TensorRT what it is to run in.

        Raises:
            ModelError: the package or the provider is missing, the file cannot be run, or its inputs or outputs are
                not these; lists what there is.
        """
        self.name = "tensorrt" if tensorrt else "onnxruntime"
        self.precision = precision
        self.device = device
        path = graph.path
        runtime = importlib.import_module("onnxruntime")
        provider = _provider(runtime, self.name, device)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            chain = _providers(provider, device, precision, path)
            self._session = runtime.InferenceSession(str(path), options, providers=chain)
        except Exception as error:  # its errors share no base class of their own
            raise ModelError(f"engine '{self.name}' cannot load {path.name}: {first_line(error)}") from error
        found = self._session.get_providers()
        if provider not in found:
            raise ModelError(f"engine '{self.name}' came up with {', '.join(found)}, expected {provider}")
        self.graph = graph
        self._inputs, self._outputs = graph.inputs, graph.outputs
        self._input_types = _types("inputs", self._session.get_inputs(), graph.inputs, path)
        self._output_types = _types("outputs", self._session.get_outputs(), graph.outputs, path)
        self._bound = device.type == "cuda"
        self._shapes: OrderedDict[tuple[torch.Size, ...], list[tuple[int, ...]]] = OrderedDict()

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
        shapes = self._output_shapes(inputs)
        results = [
            torch.empty(shape, dtype=dtype, device=self.device)
            for shape, dtype in zip(shapes, self._output_types, strict=True)
        ]
        binding = self._bind_inputs(inputs)
        for name, value in zip(self._outputs, results, strict=True):
            binding.bind_output(name, *self._place(), element_type(value.dtype), tuple(value.shape), value.data_ptr())
        self._run_binding(binding)
        return results

    def _output_shapes(self, inputs: list[Tensor]) -> list[tuple[int, ...]]:
        """What the graph gives for inputs of these shapes: it is run once to see."""
        key = tuple(value.shape for value in inputs)
        if key not in self._shapes:
            binding = self._bind_inputs(inputs)
            for name in self._outputs:
                binding.bind_output(name, *self._place())
            self._run_binding(binding)
            self._shapes[key] = [tuple(value.shape()) for value in binding.get_outputs()]
            if len(self._shapes) > _SHAPES_KEPT:
                self._shapes.popitem(last=False)
        return self._shapes[key]

    def _bind_inputs(self, inputs: list[Tensor]) -> Any:
        binding = self._session.io_binding()
        for name, value in zip(self._inputs, inputs, strict=True):
            binding.bind_input(name, *self._place(), element_type(value.dtype), tuple(value.shape), value.data_ptr())
        return binding

    def _run_binding(self, binding: Any) -> None:
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()  # the session has a stream of its own
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    def _place(self) -> tuple[str, int]:
        return self.device.type, self.device.index or 0


def element_type(dtype: torch.dtype) -> Any:
    """The number of a dtype in ONNX (`TensorProto.DataType`), or where NumPy has it the NumPy type."""
    return 16 if dtype == torch.bfloat16 else torch.empty(0, dtype=dtype).numpy().dtype.type


def provider_missing(engine: str, device: torch.device, _precision: str = "") -> str | None:
    """Why an engine of ONNX Runtime cannot run on this device, None where it can."""
    wanted = PROVIDERS["tensorrt" if engine == "tensorrt" else device.type]
    found = importlib.import_module("onnxruntime").get_available_providers()
    if wanted in found:
        return None
    return f"engine '{engine}' on {device} needs {wanted}, this onnxruntime has {', '.join(found)}: {GPU_WHEELS}"


def _provider(runtime: Any, engine: str, device: torch.device) -> str:
    reason = provider_missing(engine, device)
    if reason is not None:
        raise ModelError(reason)
    if device.type == "cuda" and hasattr(runtime, "preload_dlls"):
        runtime.preload_dlls()  # the CUDA and cuDNN libraries that torch brought along
    return PROVIDERS["tensorrt" if engine == "tensorrt" else device.type]


def _providers(provider: str, device: torch.device, precision: str, path: Path) -> list[Any]:
    if device.type == "cpu":
        return [provider]
    index = device.index or 0
    cuda = (PROVIDERS["cuda"], {"device_id": index, "use_tf32": 0})
    if provider != PROVIDERS["tensorrt"]:
        return [cuda]
    settings = {
        "device_id": index,
        "trt_fp16_enable": precision == "fp16",
        "trt_bf16_enable": precision == "bf16",
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(cache_folder("tensorrt") / path.parent.name),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(cache_folder("tensorrt")),
    }
    return [(provider, settings), cuda]  # CUDA for what TensorRT lacks


def _types(what: str, found: list[Any], expected: tuple[str, ...], path: Path) -> list[torch.dtype]:
    types = {item.name: item.type for item in found}
    listed = ", ".join(f"{item.name} {item.shape} {item.type}" for item in found)
    if set(expected) - set(types) or (what == "inputs" and len(types) != len(expected)):
        raise ModelError(f"{path.name} has {what} {listed}, expected {', '.join(expected)}")
    unknown = [name for name in expected if types[name] not in _DTYPES]
    if unknown:
        raise ModelError(f"{path.name} has {what} {listed}, expected {' or '.join(_DTYPES)} for {unknown[0]}")
    return [_DTYPES[types[name]] for name in expected]
