# SPDX-License-Identifier: Apache-2.0
"""What passes between the models and the engines that run their networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

ENGINES = ("auto", "torch", "torch_compile", "onnxruntime", "openvino", "tensorrt")
PRECISIONS = ("auto", "fp32", "fp16", "bf16")
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

Inputs = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Network:
    """A network that any engine can run.

    Attributes:
        name: for messages and file names.
        module: float32, eval, no gradients, on the CPU; takes the inputs, gives one tensor or a tuple of them. It is
            the engine's once one is made of it, which moves it or lets it go: keep no other use for it.
        inputs: names of its inputs. outputs: names of its outputs.
        shapes: for each input the axes whose size may change, by their name, such as {0: "batch", 2: "14*rows"}:
            a name, or a whole number times a name. An empty dict for an input of fixed shape.
        depth: from the outputs to positive values, depth or inverse depth, that two engines are compared by.
    """

    name: str
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: tuple[dict[int, str], ...]
    depth: Callable[[Inputs], Tensor] = field(default=lambda outputs: outputs[0])


@dataclass(frozen=True, eq=False)
class GraphFile:
    """A network in an ONNX file, which torch cannot run; the reference of its engines is ONNX Runtime on the CPU.

    Attributes:
        name: for messages.
        path: the .onnx file, weights inside or beside it.
        inputs, outputs: their names in the file, in the order in which tensors are given and wanted.
        depth: as for `Network`.
    """

    name: str
    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    depth: Callable[[Inputs], Tensor] = field(default=lambda outputs: outputs[0])


@dataclass(frozen=True)
class EngineOptions:
    """Where and how a network is to run.

    Attributes:
        device: that the tensors live on. engine: one of ENGINES. precision: one of PRECISIONS.
        input_size: (width, height) that images are read at, for a family that leaves the choice; None is its own.
    """

    device: torch.device
    engine: str = "auto"
    precision: str = "auto"
    input_size: tuple[int, int] | None = None


class Engine(Protocol):
    """A loaded network. Float32 tensors on `device` go in and come out, whatever the precision inside."""

    @property
    def name(self) -> str:
        """One of ENGINES, without auto."""
        ...

    @property
    def precision(self) -> str:
        """One of PRECISIONS, without auto."""
        ...

    def __call__(self, *inputs: Tensor) -> Inputs: ...


def as_tuple(outputs: Any) -> Inputs:
    """The outputs of a module, which may be a single tensor, as a tuple."""
    return outputs if isinstance(outputs, tuple) else (outputs,)
