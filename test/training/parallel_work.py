# SPDX-License-Identifier: Apache-2.0
"""What the processes of test_parallel.py run: importable by name, as a fresh process needs it."""

from __future__ import annotations

import torch

from mono_depth_ros.training.parallel import average_gradients, processes, rank


def averaged() -> tuple[list[float], float]:
    """Gradients (rank + 1) * (1, 2, 3) and clocks 10 * (rank + 1), averaged over the processes."""
    weights = [torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)]
    for weight, values in zip(weights, ([1.0, 2.0], [3.0]), strict=True):
        weight.grad = torch.tensor(values) * (rank() + 1)
    seconds = average_gradients(weights, 10.0 * (rank() + 1))
    assert processes() == 2
    return [value for weight in weights if weight.grad is not None for value in weight.grad.tolist()], seconds


def fail_elsewhere() -> None:
    if rank() > 0:
        raise SystemExit(3)
