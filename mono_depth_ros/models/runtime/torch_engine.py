# SPDX-License-Identifier: Apache-2.0
"""torch itself: the reference in float32, and in half precision; on CUDA as a recorded graph; or compiled."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.cuda_graph import Function, GraphCache
from mono_depth_ros.models.runtime.device import memory_explained
from mono_depth_ros.models.runtime.engine import DTYPES, Inputs, Network, as_tuple, first_line
from mono_depth_ros.models.runtime.exact import exact

LOGGER = logging.getLogger(__name__)
_BF16_SINCE = (8, 0)  # compute capability: Ampere; Orin has 8.7
_SHAPES_COMPILED = 64
"""Shapes of one network that torch may compile, for which its own limit is 8; others run as they are."""


class TorchEngine:
    """Runs the module.

    On CUDA: channels last, TF32 off, and a CUDA graph for each shape of the inputs,
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
            self._function = GraphCache(self._function, network.name, device, network.shapes)

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Inputs:
        """Raises ModelError where memory runs out."""
        with memory_explained(self._model, self._device), self._exact():
            outputs = self._function(*(value.to(self._dtype) for value in inputs))
            return tuple(value.float() for value in outputs)

    def _exact(self) -> contextlib.AbstractContextManager[None]:
        return exact() if self._device.type == "cuda" else contextlib.nullcontext()


class CompiledEngine(TorchEngine):
    """`torch.compile` for each shape of the inputs, when it first comes: half a minute or more; torch keeps it."""

    name = "torch_compile"

    def __init__(self, network: Network, device: torch.device, precision: str) -> None:
        """Raises: ModelError: see `TorchEngine`."""
        super().__init__(network, device, precision, graphs=False)
        # A shape of its own for each: open shapes cost speed, and a node has few. torch's own recordings belong to the
        # thread that made them.
        self._function = _with_limit(_function_of(torch.compile(self._module, dynamic=False)))
        if device.type == "cuda":
            self._function = GraphCache(self._function, network.name, device, network.shapes)

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
        # torch's own answer is that of the current device, and yes where bf16 is emulated, which is slower than fp32.
        native = torch.cuda.get_device_capability(device) >= _BF16_SINCE
        return None if native else f"{device} has no bf16, expected fp16 or fp32"
    if precision == "fp16":
        return "torch on the CPU: found precision fp16, expected fp32 or bf16, as it is slower there than fp32"
    if not _cpu_has_bf16():
        return "this processor has no bf16 (avx512_bf16, amx_bf16), expected fp32"
    return None


def _function_of(module: Callable[..., Any]) -> Function:
    """Not a method of an engine: that would be a reference cycle, and its memory would wait for the collector."""
    return lambda *inputs: as_tuple(module(*inputs))


def _with_limit(function: Function) -> Function:
    """Options of torch.compile belong to the thread that sets them."""
    options = torch._dynamo.config

    def limited(*inputs: Tensor) -> Inputs:
        options.cache_size_limit = max(options.cache_size_limit, _SHAPES_COMPILED)
        return function(*inputs)

    return limited


def _cpu_has_bf16() -> bool:
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a torch without oneDNN
        return False
