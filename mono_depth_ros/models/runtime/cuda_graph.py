# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: a network's kernels are recorded once for each shape of its inputs, then launched all at once."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from mono_depth_ros.models.runtime.device_errors import is_lost, is_out_of_memory
from mono_depth_ros.models.runtime.engine import Inputs

LOGGER = logging.getLogger(__name__)
MIN_KEPT, MAX_KEPT = 4, 32
"""Recordings of an engine: so many stay at least, whatever memory they hold, and at most."""
_MEMORY_FRACTION = 1 / 16
"""Of the device's memory that inputs and outputs of recordings may hold, beyond MIN_KEPT of them."""
_WARM_UPS = 3
"""Runs before the recording, as torch asks for: libraries choose their kernels and take their workspaces in them."""
_REPLAY_TOLERANCE = 0.05
"""Mean difference of a replay to the run before, over the mean: a library may choose another kernel while recording."""

CAPTURING = threading.RLock()
"""Held while kernels are recorded: torch can record one graph at a time in a process. Who cannot bear a recording while
it works on the GPU may hold it too; torch's own operations can, since recordings concern their own thread alone."""

Function = Callable[..., Inputs]
Shape = tuple[Any, ...]


def batch_size(count: int) -> int:
    """The size that a batch is padded to: 1, 2, 4 or a multiple of 8, so that there are few shapes to record."""
    return next((size for size in (1, 2, 4) if size >= count), -(-count // 8) * 8)


class Recording:
    """One recorded call: inputs are copied to where it reads them, outputs copied from where it leaves them.

    Inputs whose first axis is shorter than what was recorded fill the first places; outputs have as many.

    Attributes:
        nbytes: of the memory that inputs and outputs hold.
    """

    def __init__(self, function: Function, inputs: Inputs, stream: torch.cuda.Stream, pool: Any) -> None:
        """Record on a stream of the device of the inputs. The thread's own stream is its own again at the end, whatever
        happens; `torch.cuda.graph` leaves it on the other where it fails.

        Raises:
            RuntimeError: something cannot be recorded, such as a wait for the host, or gives something else when it
                is replayed.
        """
        self._inputs, self._size = inputs, len(inputs[0])
        self._outputs: Inputs = ()
        self._graph = torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream(stream.device))
        with CAPTURING, torch.cuda.device(stream.device), torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                expected = function(*inputs)
            with torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                self._outputs = function(*inputs)
        torch.cuda.current_stream(stream.device).wait_stream(stream)
        self.nbytes = sum(value.nbytes for value in (*self._inputs, *self._outputs))
        self._check(expected)

    def __call__(self, *inputs: Tensor) -> Inputs:
        count = len(inputs[0])
        for place, value in zip(self._inputs, inputs, strict=True):
            (place if count == self._size else place[:count]).copy_(value)
        self._graph.replay()
        return tuple((value if count == self._size else value[:count]).clone() for value in self._outputs)

    def _check(self, expected: Inputs) -> None:
        """An empty graph, as is recorded where kernels go to another device or stream, leaves what was there."""
        given = tuple(value.clone() for value in self._inputs)
        for value in self._outputs:
            value.fill_(torch.nan if value.is_floating_point() else -1)
        for found, right in zip(self(*given), expected, strict=True):
            error = (found.float() - right.float()).abs()
            known = error.isfinite()  # not where both are infinite
            limit = _REPLAY_TOLERANCE * right.float().abs().where(known, 0.0).sum()
            other = (found.isfinite() != right.isfinite()).any()
            if bool(other | (error.where(known, 0.0).sum() > limit)):
                raise RuntimeError("its replay gives something else than what was recorded")


class GraphCache:
    """A function of CUDA tensors, recorded for each of the latest shapes of its inputs; a network has no state, so it
    may be.

    Where all inputs have a batch, it is padded to `batch_size`, and outputs are cut back: they must have it as their
    first axis. Where recording fails the function runs as it is from then on, and a warning says so: slower, not
    different. A shape for whose recording the memory does not suffice runs as it is, the others go on.
    """

    def __init__(
        self,
        function: Function,
        name: str,
        device: torch.device,
        shapes: Sequence[Mapping[int, str]] = (),
        record: Callable[[Function, Inputs, Any, Any], Any] = Recording,
    ) -> None:
        """Args:
        name: for messages. device: of the inputs. shapes: see `Network.shapes`.
        record: makes a `Recording`, or what can be called like one.
        """
        self._function, self._name, self._device, self._record = function, name, device, record
        self._batched = bool(shapes) and all(axes.get(0) == "batch" for axes in shapes)
        self._recordings: OrderedDict[Shape, Any] = OrderedDict()
        self._too_large: set[Shape] = set()
        self._works = True
        self._stream: Any = None
        self._pool: Any = None
        self._last: Any = None
        self._lock = threading.Lock()

    def __call__(self, *inputs: Tensor) -> Inputs:
        with self._lock:  # all calls share the places of inputs and outputs, whatever thread and stream they come from
            stream = torch.cuda.current_stream(self._device)
            if self._last is not None and self._last != stream:
                stream.wait_stream(self._last)
            self._last = stream
            return self._call(inputs)

    def _call(self, inputs: Inputs) -> Inputs:
        key = self._key(inputs)
        if not self._works or key in self._too_large:
            return self._as_it_is(inputs)
        if key not in self._recordings:
            recording = self._recorded(key, inputs)
            if recording is None:
                return self._as_it_is(inputs)
            self._recordings[key] = recording
            self._forget()
        self._recordings.move_to_end(key)
        return self._recordings[key](*inputs)

    def _key(self, inputs: Inputs) -> Shape:
        """What a recording is made for: shapes, the batch padded, and the order in memory."""
        return tuple((self._size(value), tuple(value.shape[1:]), _layout(value)) for value in inputs)

    def _size(self, value: Tensor) -> int:
        return batch_size(len(value)) if self._batched else len(value)

    def _recorded(self, key: Shape, inputs: Inputs) -> Any:
        """A recording, or None where there can be none."""
        try:
            if self._stream is None:
                # One for all: recordings that share a pool of memory are to be made on the same stream.
                self._stream = torch.cuda.Stream(self._device)
            if not self._recordings:
                # One for all: they never run at the same time, and what they leave is copied at once. A pool that no
                # recording holds any more cannot be used again.
                self._pool = torch.cuda.graph_pool_handle()
            return self._record(self._function, tuple(map(self._places, inputs)), self._stream, self._pool)
        except RuntimeError as error:
            if is_lost(error):
                raise
            self._clear_up()
            if is_out_of_memory(error):
                LOGGER.warning("%s: the memory of %s does not suffice to record %s", self._name, self._device, key)
                self._too_large.add(key)
            else:
                LOGGER.warning("%s cannot be recorded as a CUDA graph and runs without: %s", self._name, error)
                self._stop()
            return None

    def _places(self, value: Tensor) -> Tensor:
        """Where a recording reads an input; the last of the batch stands for those that are not there."""
        shape = (self._size(value), *value.shape[1:])
        places = torch.empty(shape, dtype=value.dtype, device=value.device, memory_format=_layout(value))
        places[: len(value)].copy_(value)
        places[len(value) :].copy_(value[-1:].expand(shape[0] - len(value), *shape[1:]))
        return places

    def _as_it_is(self, inputs: Inputs) -> Inputs:
        try:
            return self._function(*inputs)
        except RuntimeError as error:
            if not self._recordings or not is_out_of_memory(error):
                raise
            LOGGER.warning("%s: memory is short on %s, it runs without CUDA graphs now", self._name, self._device)
        self._stop()
        self._clear_up()
        return self._function(*inputs)

    def _stop(self) -> None:
        self._works = False
        self._recordings.clear()

    def _clear_up(self) -> None:
        """After a recording that failed. Before 2.12 torch takes it for going on, and fails at giving memory back."""
        for name in ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool"):  # of newer and older torch
            with suppress(AttributeError, RuntimeError):
                getattr(torch._C, name)(self._device.index, self._pool)
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()

    def _forget(self) -> None:
        """Let go what was not used for longest, where there is too much."""
        most = torch.cuda.mem_get_info(self._device)[1] * _MEMORY_FRACTION
        while len(self._recordings) > MIN_KEPT and (
            len(self._recordings) > MAX_KEPT or sum(item.nbytes for item in self._recordings.values()) > most
        ):
            self._recordings.popitem(last=False)


def _layout(value: Tensor) -> torch.memory_format:
    """Channels last or contiguous: recordings read no other."""
    last = value.ndim == 4 and not value.is_contiguous() and value.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
