# SPDX-License-Identifier: Apache-2.0
"""Where a model runs. CUDA that was asked for and is not there is an error, never a silent CPU."""

from __future__ import annotations

import logging
import re

import torch

from mono_depth_ros.errors import ModelError

LOGGER = logging.getLogger(__name__)


def pick_device(name: str = "auto") -> torch.device:
    """The torch device for `auto` (CUDA where there is one, logged), `cpu`, `cuda` or `cuda:N`.

    Raises:
        ModelError: another name, no usable CUDA device, or fewer than N + 1 of them.
    """
    found = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", name)
    if found is None:
        raise ModelError(f"device is '{name}', expected auto, cpu, cuda or cuda:N")
    if name == "auto":
        device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        LOGGER.info("device auto: %s", describe(device))
        return device
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ModelError(f"device is '{name}' but {_why_no_cuda()}; or choose device:=cpu or device:=auto")
    index, count = int(found[1] or 0), torch.cuda.device_count()
    if index >= count:
        there = "only cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise ModelError(f"device is '{name}' but this machine has {there}")
    return torch.device("cuda", index)


def describe(device: torch.device) -> str:
    """The device in words for a log line, such as `cuda:0 (NVIDIA Orin)`."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"


def set_threads(threads: int) -> None:
    """Let torch use `threads` CPU threads in this process; 0 leaves its own choice (one a core, or OMP_NUM_THREADS).

    Raises:
        ModelError: a negative number.
    """
    if threads < 0:
        raise ModelError(f"threads is {threads}, expected 0 (one a core) or more")
    if threads:
        torch.set_num_threads(threads)


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA: install a CUDA build of torch (https://pytorch.org)"
    return "torch finds no CUDA device: check that `nvidia-smi` lists one and that CUDA_VISIBLE_DEVICES is not empty"
