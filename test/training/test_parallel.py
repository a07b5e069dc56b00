# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from mono_depth_ros.errors import DataError
from mono_depth_ros.training.parallel import average_gradients, processes, rank, run_parallel

sys.path.insert(0, str(Path(__file__).parent))  # where the other processes find it too
from parallel_work import averaged, fail_elsewhere


def test_gradients_and_clock_are_averaged() -> None:
    gradients, seconds = run_parallel(averaged, 2)
    assert gradients == [1.5, 3.0, 4.5]
    assert seconds == 15.0
    assert (rank(), processes()) == (0, 1)


def test_alone_nothing_changes() -> None:
    weight = torch.zeros(2, requires_grad=True)
    weight.grad = torch.tensor([1.0, 2.0])
    assert average_gradients([weight], 7.0) == 7.0
    assert weight.grad.tolist() == [1.0, 2.0]
    assert run_parallel(rank, 1) == 0


def test_a_failed_process_is_an_error() -> None:
    with pytest.raises(DataError, match=r"found exit codes \[3\]"):
        run_parallel(fail_elsewhere, 2)


def test_a_process_that_cannot_start_is_an_error() -> None:
    class Unreadable:
        def __reduce__(self) -> tuple[object, tuple[int]]:
            return exec, (5,)  # pickles, but raises in the other process

    with pytest.raises(DataError, match="did not start"):
        run_parallel(print, 2, Unreadable())
