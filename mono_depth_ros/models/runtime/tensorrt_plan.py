# SPDX-License-Identifier: Apache-2.0
"""A file of TensorRT itself (.engine, .plan), as trtexec writes it, through TensorRT's own Python package.

It runs on the GPU model and with the TensorRT version that it was built with, and is code: load your own only.
"""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.engine import Inputs, first_line

_DTYPES = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "UINT8": torch.uint8,
    "BOOL": torch.bool,
}
Range = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""The smallest, the best and the largest shape of an input."""


class PlanEngine:
    """`Engine` of a file of TensorRT.

    Attributes:
        inputs: its inputs by their names, with the shapes they may have. outputs: names of all its outputs.
    """

    name = "tensorrt"

    def __init__(
        self, path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], device: torch.device, precision: str
    ) -> None:
        """Load the file.

        Args:
            inputs, outputs: names that are given and wanted, in this order.
            precision: that it was built in, by which it is judged; the file does not say.

        Raises:
            ModelError: the package tensorrt is missing, or it cannot load the file; or the names are others.
        """
        self.precision, self._path, self._device = precision, path, device
        self._given, self._wanted = inputs, outputs
        trt = _tensorrt()
        errors = _errors(trt)
        with torch.cuda.device(device):
            self._runtime = trt.Runtime(errors)
            try:
                self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
            except OSError as error:
                raise ModelError(f"{path} cannot be read: {error.strerror}") from error
            if self._engine is None:
                why = errors.said or "it does not say why"
                where = f"{device} ({torch.cuda.get_device_name(device)})"
                expected = "expected a file that was built with this version on this GPU model"
                raise ModelError(f"TensorRT {trt.__version__} cannot load {path} on {where}: {why}; {expected}")
            self._context = self._engine.create_execution_context()
            self._stream = torch.cuda.Stream(device)
        self._errors, self._lock = errors, threading.Lock()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        reads = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        self.outputs = [name for name in names if name not in reads]
        self.inputs: dict[str, Range] = {name: self._range(name) for name in reads}
        self._types = {name: _dtype(path, name, self._engine.get_tensor_dtype(name)) for name in names}

    def describe(self) -> str:
        """Its inputs and outputs in words."""
        return ", ".join(
            f"{name} {tuple(self._engine.get_tensor_shape(name))} {str(dtype).removeprefix('torch.')}"
            for name, dtype in self._types.items()
        )

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Inputs:
        """Raises ModelError where the engine has no such shapes, or fails."""
        named = dict(zip(self._given, inputs, strict=True))
        with self._lock, torch.cuda.device(self._device):
            ready = {name: value.to(self._types[name]).contiguous() for name, value in named.items()}
            for name, value in ready.items():
                if not self._context.set_input_shape(name, tuple(value.shape)):
                    least, _, most = self.inputs[name]
                    takes = f"{least}" if least == most else f"{least} to {most}"
                    raise ModelError(f"{self._path} cannot run {name} of {tuple(value.shape)}, expected {takes}")
                self._context.set_tensor_address(name, value.data_ptr())
            results = {}
            for name in self.outputs:
                shape = tuple(self._context.get_tensor_shape(name))
                if min(shape, default=1) < 0:
                    raise ModelError(f"{self._path} has the output {name} of a size that follows from its values")
                results[name] = torch.empty(shape, dtype=self._types[name], device=self._device)
                self._context.set_tensor_address(name, results[name].data_ptr())
            current = torch.cuda.current_stream(self._device)
            self._stream.wait_stream(current)
            if not self._context.execute_async_v3(self._stream.cuda_stream):
                raise ModelError(f"{self._path} cannot run: {self._errors.said or 'TensorRT does not say why'}")
            current.wait_stream(self._stream)
        return tuple(results[name].float() for name in self._wanted)

    def _range(self, name: str) -> Range:
        shape = tuple(self._engine.get_tensor_shape(name))
        if min(shape, default=1) >= 0:
            return shape, shape, shape
        least, best, most = (tuple(found) for found in self._engine.get_tensor_profile_shape(name, 0))
        return least, best, most


def _tensorrt() -> Any:
    try:
        return importlib.import_module("tensorrt")
    except Exception as error:  # ImportError, and what a wheel without its libraries raises
        line = (
            "pip install tensorrt-cu12 or tensorrt-cu13 (the CUDA of torch), on a Jetson apt install python3-libnvinfer"
        )
        raise ModelError(f"a TensorRT file needs the package tensorrt ({first_line(error)}): {line}") from error


def _errors(trt: Any) -> Any:
    class Errors(trt.ILogger):
        """Keeps the first error that TensorRT reports: its functions give None or False."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.said = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR) and not self.said:
                self.said = message.strip().partition("\n")[0]

    return Errors()


def _dtype(path: Path, name: str, found: Any) -> torch.dtype:
    kind = str(getattr(found, "name", found)).rpartition(".")[2]
    if kind not in _DTYPES:
        raise ModelError(f"{path} has {name} of {kind}, expected one of {', '.join(_DTYPES)}")
    return _DTYPES[kind]
