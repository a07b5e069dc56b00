# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: a network's kernels are recorded once for each shape of its inputs, then launched as one."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.models.runtime.engine import Inputs

LOGGER = logging.getLogger(__name__)
SHAPES_KEPT = 4
_WARM_UPS = 3
"""Runs before the recording, as torch asks for: libraries choose their kernels and take their workspaces in them."""

Function = Callable[..., Inputs]


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
    """A function of CUDA tensors, recorded for the latest SHAPES_KEPT shapes; a network has no state, so it may be.

    Where recording fails the function runs as it is from then on, and a warning says so: slower, not different. Running
    out of memory is no such case; it goes up to the caller.
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
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:
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
