# SPDX-License-Identifier: Apache-2.0
"""What passes between the models and the engines that run their networks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8")
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

Inputs = tuple[Tensor, ...]


def _first(outputs: Inputs) -> Tensor:
    return outputs[0]


class Network:
    """A network that any engine can run.

    Attributes:
        name: for messages and file names.
        inputs: names of its inputs. outputs: names of its outputs.
        shapes: for each input the axes whose size may change, by their name, such as {0: "batch", 2: "14*rows"}:
            a name, or a whole number times a name. An empty dict for an input of fixed shape. A batch is the first axis
            of all inputs, and then of all outputs.
        depth: from the outputs to positive values, depth or inverse depth, that two engines are compared by.
        files: what the module follows from, beside the code of this package and its dependencies: checkpoint, its
            configuration; empty where that is not known.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module | Callable[[], nn.Module],
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        shapes: tuple[dict[int, str], ...],
        depth: Callable[[Inputs], Tensor] = _first,
        files: tuple[Path, ...] = (),
    ) -> None:
        """Args:
        module: float32, eval, no gradients, on the CPU; takes the inputs, gives one tensor or a tuple of them. It is
            the engine's once one is made of it: keep no other use for it. Or a function that reads and checks the
            files and gives the module: it is called when a module is needed, which at a warm start is never.

        The module stays on the CPU: engines of other devices and precisions hold copies.
        """
        self.name, self.inputs, self.outputs, self.shapes, self.depth = name, inputs, outputs, shapes, depth
        self.files = files
        self._module = module if isinstance(module, nn.Module) else None
        self._load = None if isinstance(module, nn.Module) else module

    @property
    def module(self) -> nn.Module:
        """The module.

        Raises:
            ModelError: it must be read, and its files are not what they should be.
        """
        if self._module is None:
            assert self._load is not None
            self._module = self._load()
        return self._module

    def copied(
        self, dtype: torch.dtype, device: torch.device, image_format: torch.memory_format = torch.preserve_format
    ) -> nn.Module:
        """A copy of the module: floating-point weights in another dtype, all of them on another device.

        Each tensor is converted before it is moved, so that no weight is in memory twice but on the way, and none is on
        the device in float32 that is wanted in half precision. What needs neither is shared with the module.

        Args:
            image_format: of the weights that have four axes.
        """
        module = self.module
        memo: dict[int, Any] = {}
        for value in (*module.parameters(), *module.buffers()):
            if id(value) not in memo:  # tied weights stay tied
                layout = image_format if value.ndim == 4 else torch.preserve_format
                wanted = value.detach().to(dtype if value.is_floating_point() else value.dtype, memory_format=layout)
                wanted = wanted.to(device)
                parameter = isinstance(value, nn.Parameter)
                memo[id(value)] = nn.Parameter(wanted, requires_grad=False) if parameter else wanted
        return copy.deepcopy(module, memo)

    def release(self) -> None:
        """Let the module go where it can be read again: an engine that does not run it has what it needs."""
        if self._load is not None:
            self._module = None


@dataclass(frozen=True, eq=False)
class GraphFile:
    """A network in an ONNX file, which torch cannot run; the reference of its engines is ONNX Runtime on the CPU.

    Attributes:
        name: for messages.
        path: the .onnx file, weights inside or beside it.
        inputs, outputs: their names in the file, in the order in which tensors are given and wanted.
        depth: as for `Network`.
        beside: the files that it needs: weights outside of it, its contract.
        axes: for each input the axes whose size may change, by their name in the file, "" where they have none.
        precision: of its weights.
        tolerance: the AbsRel that the self-check lets pass, where that is more than of its precision.
    """

    name: str
    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    depth: Callable[[Inputs], Tensor] = field(default=_first)
    beside: tuple[Path, ...] = ()
    axes: tuple[dict[int, str], ...] = ()
    precision: str = "fp32"
    tolerance: float = 0.0


@dataclass(frozen=True)
class EngineOptions:
    """Where and how a network is to run.

    Attributes:
        device: that the tensors live on. engine: a name of the table ENGINES, or auto. precision: one of PRECISIONS.
        input_size: (width, height) that images are read at, for a family that leaves the choice; None is its own.
        exact_camera: the calibrated camera is used as it is, where a family's authors take a rougher one.
        engine_path: a prebuilt engine of TensorRT, see `prebuilt`; or a network in int8, see `int8`.
    """

    device: torch.device
    engine: str = "auto"
    precision: str = "auto"
    input_size: tuple[int, int] | None = None
    engine_path: Path | None = None
    exact_camera: bool = False


class Engine(Protocol):
    """A loaded network. Float32 tensors on `device` go in and come out, whatever the precision inside."""

    @property
    def name(self) -> str:
        """Its name in the table ENGINES."""
        ...

    @property
    def precision(self) -> str:
        """One of PRECISIONS, without auto."""
        ...

    def __call__(self, *inputs: Tensor) -> Inputs: ...


def as_tuple(outputs: Any) -> Inputs:
    """The outputs of a module, which may be a single tensor, as a tuple."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def first_line(error: BaseException) -> str:
    """An error's first line, for a sentence of one line."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
