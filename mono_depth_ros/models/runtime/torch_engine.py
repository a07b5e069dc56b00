# SPDX-License-Identifier: Apache-2.0
"""torch itself: the reference in float32, and in half precision; on CUDA as a recorded graph; or compiled."""

from __future__ import annotations

import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.device import memory_explained
from mono_depth_ros.models.runtime.device_errors import is_lost, is_out_of_memory
from mono_depth_ros.models.runtime.engine import DTYPES, Inputs, Network, as_tuple, first_line

LOGGER = logging.getLogger(__name__)
SHAPES_KEPT = 4
_WARM_UPS = 3
"""Runs before the recording, as torch asks for: libraries choose their kernels and take their workspaces in them."""

Function = Callable[..., Inputs]


class TorchEngine:
    """Runs the module.

    On CUDA: channels last, cuDNN's TF32 off (cuBLAS's is, by default), and a CUDA graph for each shape of the inputs,
    recorded when it first comes; where the network cannot be recorded it runs as it is, and a warning says so, once.
    """

    name = "torch"

    def __init__(self, network: Network, device: torch.device, precision: str, graphs: bool = True) -> None:
        """Take the network's module as it is in float32 on the CPU, a copy of it anywhere else.

        Args:
            graphs: record CUDA graphs on CUDA.

        Raises:
            ModelError: the processor has no such precision, or the device's memory is too small.
        """
        reason = cannot_run(device, precision)
        if reason is not None:
            raise ModelError(reason)
        self.precision = precision
        self._model = network.name
        self._dtype = DTYPES[precision]
        self._device = device
        with memory_explained(network.name, device):
            if precision == "fp32" and device.type == "cpu":
                self._module = network.module
            else:
                image_format = torch.channels_last if device.type == "cuda" else torch.preserve_format
                self._module = network.copied(self._dtype, device, image_format)
        self._function = _function_of(self._module)
        if device.type == "cuda" and graphs:
            self._function = GraphCache(self._function, network.name)

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Inputs:
        """Raises ModelError where memory runs out."""
        with memory_explained(self._model, self._device), self._exact():
            outputs = self._function(*(value.to(self._dtype) for value in inputs))
            return tuple(value.float() for value in outputs)

    def _exact(self) -> contextlib.AbstractContextManager[None]:
        """torch lets cuDNN's float32 convolutions run in TF32, which has the 10 bits of float16."""
        if self._device.type != "cuda":
            return contextlib.nullcontext()
        return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False)


class CompiledEngine(TorchEngine):
    """`torch.compile` for each shape of the inputs, when it first comes: half a minute or more; torch keeps it."""

    name = "torch_compile"

    def __init__(self, network: Network, device: torch.device, precision: str) -> None:
        """Raises: ModelError: see `TorchEngine`."""
        super().__init__(network, device, precision, graphs=False)
        mode = "reduce-overhead" if device.type == "cuda" else None
        # A shape of its own for each: open shapes cost speed, and a node has one.
        compiled = _function_of(torch.compile(self._module, dynamic=False, mode=mode))
        # Copies, since a recorded graph gives the same memory at every call.
        self._function = lambda *inputs: tuple(value.clone() for value in compiled(*inputs))

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Inputs:
        """Raises ModelError where it cannot be compiled, such as without a C++ compiler, or memory runs out."""
        try:
            return super().__call__(*inputs)
        except ModelError:
            raise
        except Exception as error:
            if "compiler" in str(error).lower() or "InvalidCxxCompiler" in type(error).__name__:
                raise ModelError(
                    "engine 'torch_compile' needs a C++ compiler, found none: sudo apt install g++, or another engine"
                ) from error
            raise ModelError(f"engine 'torch_compile' cannot run {self._model}: {first_line(error)}") from error


def cannot_run(device: torch.device, precision: str) -> str | None:
    """Why torch cannot run on this device in this precision, None where it can."""
    if precision == "fp32" or (device.type == "cuda" and precision == "fp16"):
        return None
    if device.type == "cuda":
        return None if torch.cuda.is_bf16_supported() else f"{device} has no bf16, expected fp16 or fp32"
    if precision == "fp16":
        return "torch on the CPU: found precision fp16, expected fp32 or bf16, as it is slower there than fp32"
    if not _cpu_has_bf16():
        return "this processor has no bf16 (avx512_bf16, amx_bf16), expected fp32"
    return None


class Recording:
    """One recorded call: inputs are copied to where it reads them, outputs copied from where it leaves them."""

    def __init__(self, function: Function, inputs: Inputs, pool: Any) -> None:
        """Raises RuntimeError where something cannot be recorded, such as a wait for the host."""
        self._inputs = tuple(value.clone() for value in inputs)  # keeps strides: channels last stays so
        side = torch.cuda.Stream(inputs[0].device)
        side.wait_stream(torch.cuda.current_stream(inputs[0].device))
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                function(*self._inputs)
        torch.cuda.current_stream(inputs[0].device).wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._outputs = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> Inputs:
        for place, value in zip(self._inputs, inputs, strict=True):
            place.copy_(value)
        self._graph.replay()
        return tuple(value.clone() for value in self._outputs)


class GraphCache:
    """A function of CUDA tensors, its kernels recorded once for each of the latest SHAPES_KEPT shapes, then launched
    as one CUDA graph; a network has no state, so it may be.

    Where recording fails the function runs as it is from then on, and a warning says so: slower, not different. Running
    out of memory is no such case, nor is a device that is lost; they go up to the caller.
    """

    def __init__(
        self, function: Function, name: str, record: Callable[[Function, Inputs, Any], Function] = Recording
    ) -> None:
        self._function, self._name, self._record = function, name, record
        self._recordings: OrderedDict[tuple[Any, ...], Function] = OrderedDict()
        self._pool: Any = None
        self._works = True

    def __call__(self, *inputs: Tensor) -> Inputs:
        if not self._works:
            return self._function(*inputs)
        key = tuple((value.shape, value.stride()) for value in inputs)
        if key not in self._recordings:
            try:
                recording = self._record(self._function, inputs, self._shared_pool())
            except RuntimeError as error:
                if is_out_of_memory(error) or is_lost(error):
                    raise
                LOGGER.warning("%s cannot be recorded as a CUDA graph and runs without: %s", self._name, error)
                self._works = False
                self._recordings.clear()
                return self._function(*inputs)
            while len(self._recordings) >= SHAPES_KEPT:
                self._recordings.popitem(last=False)
            self._recordings[key] = recording
        self._recordings.move_to_end(key)
        return self._recordings[key](*inputs)

    def _shared_pool(self) -> Any:
        """One pool of memory for all: they never run at the same time, and what they leave is copied at once."""
        if self._pool is None and torch.cuda.is_available():
            self._pool = torch.cuda.graph_pool_handle()
        return self._pool


def _function_of(module: Callable[..., Any]) -> Function:
    """Not a method of an engine: that would be a reference cycle, and its memory would wait for the collector."""
    return lambda *inputs: as_tuple(module(*inputs))


def _cpu_has_bf16() -> bool:
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a torch without oneDNN
        return False
