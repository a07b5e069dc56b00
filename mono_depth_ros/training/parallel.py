# SPDX-License-Identifier: Apache-2.0
"""Data-parallel training in single-threaded processes that average their gradients.

Processes meet once a step, threads inside one network meet at every layer: on cores shared with other work the former
loses far less time waiting (measured here: 25 images/s with two threads beside a busy process).
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterable
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
    threads, context = torch.get_num_threads(), multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{Path(folder) / 'store'}"
        others = [
            context.Process(target=_other, args=(work, number, count, store, arguments), daemon=True)
            for number in range(1, count)
        ]
        for process in others:
            process.start()
        try:
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


def _other(work: Callable[..., Any], number: int, count: int, store: str, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for rank 0, which ends the others
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=store, rank=number, world_size=count)
    work(*arguments)
    distributed.destroy_process_group()
