# SPDX-License-Identifier: Apache-2.0
"""Data-parallel training in single-threaded processes that average their gradients.

Processes meet once a step, threads inside one network meet at every layer: on cores shared with other work the former
loses far less time waiting.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor

from mono_depth_ros.errors import DataError


def rank() -> int:
    """Number of this process, 0 where training is not parallel."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def processes() -> int:
    """How many processes train together, 1 where training is not parallel."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def average_gradients(parameters: Iterable[Tensor], seconds: float) -> float:
    """Average the gradients of all processes in place, and `seconds`, which is returned.

    The clock goes along so that every process sees the same one, and so anneals and ends at the same step.
    """
    if not distributed.is_initialized():
        return seconds
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients] + [torch.tensor([seconds])])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()
    return float(flat[-1])


def run_parallel(work: Callable[..., Any], count: int, *arguments: Any) -> Any:
    """Call `work(*arguments)` in `count` processes, this one among them as rank 0; returns what it returned here.

    Raises DataError where another process failed. The others end with this one, whatever ends it.
    """
    if count == 1:
        return work(*arguments)
    threads, context = torch.get_num_threads(), multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{Path(folder) / 'store'}"
        pipes = [context.Pipe(duplex=False) for _ in range(1, count)]
        others = [
            context.Process(target=_other, args=(work, number, count, store, arguments, told), daemon=True)
            for number, (_, told) in enumerate(pipes, start=1)
        ]
        for process in others:
            process.start()
        try:
            for process, (ready, _) in zip(others, pipes, strict=True):
                wait([ready, process.sentinel])  # a process that cannot start must not leave this one waiting for it
                if not ready.poll():
                    raise DataError(f"a training process did not start: found exit code {process.exitcode}, expected 0")
            torch.set_num_threads(1)
            distributed.init_process_group("gloo", init_method=store, rank=0, world_size=count)
            found = work(*arguments)
            for process in others:
                process.join()
        finally:
            if distributed.is_initialized():
                distributed.destroy_process_group()
            for process in others:
                process.terminate()
            torch.set_num_threads(threads)
    failed = [process.exitcode for process in others if process.exitcode]
    if failed:
        raise DataError(f"a training process failed: found exit codes {failed}, expected 0")
    return found


def _other(
    work: Callable[..., Any], number: int, count: int, store: str, arguments: tuple[Any, ...], told: Connection
) -> None:
    told.send(True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for rank 0, which ends the others
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=store, rank=number, world_size=count)
    work(*arguments)
    distributed.destroy_process_group()
