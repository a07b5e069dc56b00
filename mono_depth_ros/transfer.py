# SPDX-License-Identifier: Apache-2.0
"""Between the host and a GPU: copies through pinned memory that is kept and used again, and one wait for many.

Only from pinned memory a GPU copies by itself, at the full rate of its bus and while the host goes on; taking such
memory is slow, so that it is kept. On the CPU nothing is copied.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

_KEPT_BYTES = 2**28
"""Of pinned memory that is free. What is kept beyond it, for images of a size that no longer comes, is let go."""


def upload(array: np.ndarray | Tensor, device: torch.device | str) -> Tensor:
    """An array on a device, without a wait for it; on the CPU its own memory, unless it is read-only."""
    device = torch.device(device)
    if isinstance(array, Tensor):
        if array.device.type != "cpu" or device.type == "cpu":
            return array.to(device)
        array = array.numpy()
    if device.type == "cpu":
        # torch takes no read-only arrays, which views of immutable bytes are.
        return torch.from_numpy(array if array.flags.writeable else array.copy())
    done = torch.cuda.Event()
    staged, pinned = _pool(str(device)).lend(array.shape, torch.from_numpy(np.empty(0, array.dtype)).dtype, done)
    np.copyto(pinned, array)
    there = staged.to(device, non_blocking=True)
    done.record(torch.cuda.current_stream(device))
    return there


def download(*tensors: Tensor) -> list[np.ndarray]:
    """Tensors of one device as arrays on the host, with one wait; those of the CPU share their memory."""
    return Download(tensors).arrays()


class Download:
    """Tensors of one device on their way to the host: all copies start at once, and one wait is for all."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        device = next((tensor.device for tensor in tensors), torch.device("cpu"))
        self._done: torch.cuda.Event | None = None
        if device.type == "cpu":
            self._arrays = [tensor.numpy() for tensor in tensors]
            return
        # Blocking: the host sleeps until then, and other threads have its core.
        self._done = done = torch.cuda.Event(blocking=True)
        pool = _pool(str(device))
        lent = [pool.lend(tuple(tensor.shape), tensor.dtype, done) for tensor in tensors]
        for (place, _), tensor in zip(lent, tensors, strict=True):
            place.copy_(tensor, non_blocking=True)
        done.record(torch.cuda.current_stream(device))
        self._arrays = [array for _, array in lent]

    def wait(self) -> None:
        """Until all has arrived."""
        if self._done is not None:
            self._done.synchronize()
            self._done = None

    def arrays(self) -> list[np.ndarray]:
        """What has arrived, in the order of the tensors. Memory is used again when no array of it is left."""
        self.wait()
        return self._arrays


class _Pool:
    """Pinned memory for the copies of one device.

    What is lent comes back by itself when nobody holds it any more, in whatever thread that is, and is lent again when
    the copies that used it are done.
    """

    def __init__(self) -> None:
        # Used by several threads, and by the collector of garbage in the midst of them: each step is one of deque's.
        self._free: deque[tuple[Tensor, torch.cuda.Event]] = deque()

    def lend(self, shape: tuple[int, ...], dtype: torch.dtype, done: torch.cuda.Event) -> tuple[Tensor, np.ndarray]:
        """Uninitialised memory, lent to whoever holds the array; `done` is recorded behind the copies that use it."""
        size = math.prod(shape) * dtype.itemsize
        buffer = self._taken(size)
        if buffer is None:
            self._let_go()
            buffer = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        tensor = buffer.view(dtype).view(shape)
        array = tensor.numpy()
        weakref.finalize(array, self._free.append, (buffer, done)).atexit = False
        return tensor, array

    def _taken(self, size: int) -> Tensor | None:
        for _ in range(len(self._free)):
            try:
                buffer, done = self._free.popleft()
            except IndexError:  # another thread took it
                return None
            if buffer.numel() == size and done.query():
                return buffer
            self._free.append((buffer, done))
        return None

    def _let_go(self) -> None:
        while sum(buffer.numel() for buffer, _ in list(self._free)) > _KEPT_BYTES:
            self._free.popleft()


@lru_cache
def _pool(device: str) -> _Pool:
    return _Pool()
