# SPDX-License-Identifier: Apache-2.0
"""CUDA without a GPU: tensors say that they are on cuda:N, compute on the CPU, and every copy and wait is counted.

    with fake_cuda() as gpu:
        pipeline = load_model("tiny", "cuda:0", "torch", "fp32")     # any code that uses torch.cuda
        pipeline.estimate(rgb, camera)                               # once, so that what is cached is there
        with gpu.counted() as work:
            pipeline.estimate(rgb, camera).depth.cpu()
        assert work.downloads == 1 and work.waits == 1, work.report()

What is emulated:

- Tensors have values, so results can be compared. Tensors of two devices do not go together; `numpy()` is refused.
- `work` counts kernels, uploads, downloads, their bytes, waits of the host and allocations of pinned memory, each with
  the line of the code that asked for it. A blocking copy is a wait; so are reading a value, a mask as index, `nonzero`.
- A download with `non_blocking=True` into pinned memory is no wait, and what it brings is there only after one: of its
  stream, of an event recorded behind it, or of the device. Before that the buffer is full of NaN (or 255, or -1).
- Streams, events and the current device are those of each thread. `torch.cuda.graph` is the real one over an emulated
  `CUDAGraph`, which records what is computed on the captured stream and computes it anew at `replay`. As with CUDA,
  outputs hold nothing before the first replay. A wait or an upload from pageable memory inside a capture breaks it, as
  does work of other threads in the mode "global". Replaying what reads memory that was freed since is an error.
- `gpu.captures` lists the captures, `gpu.fail_capture` makes the next ones fail, and `torch.cuda.memory_allocated` is
  right for tensors that Python holds.

What it cannot know: limits of kernels (cuDNN under capture, overflow in half precision), and times.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch

from fake_cuda import runtime, tensors
from fake_cuda.runtime import Capture, Runtime, Work
from fake_cuda.tensors import CudaTensor

__all__ = ["Capture", "CudaTensor", "Runtime", "Work", "fake_cuda"]


@contextmanager
def fake_cuda(devices: int = 1, memory: int = 2**34, name: str = "emulated GPU") -> Iterator[Runtime]:
    """Patch torch in the whole process, all threads included, so that it has CUDA devices. What others compile (ONNX
    Runtime, torch.compile) does not see them.

    What functions of the package keep (`lru_cache`) is dropped before and after: tensors of one emulation are none of
    the next.

    Args:
        devices: how many. memory: bytes that each says it has; taking more raises `torch.cuda.OutOfMemoryError`.
        name: of each device.
    """
    gpu = Runtime(devices, memory, name)
    _forget()
    stream = patch.object(torch.cuda.graph, "default_capture_stream", None)
    try:
        with runtime.installed(gpu), tensors.installed(gpu), stream:
            yield gpu
    finally:
        _forget()


def _forget() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("mono_depth_ros"):
            for value in vars(module).values():
                if hasattr(value, "cache_clear") and not isinstance(value, type):
                    value.cache_clear()
