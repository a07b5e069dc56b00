# SPDX-License-Identifier: Apache-2.0
"""What an error of a GPU means: memory ran out, or the device is lost to this process.

The libraries in use (torch, cuBLAS, cuDNN, ONNX Runtime, TensorRT) have no base class in common, and one cause has many
names: most are told by their text, which is that of `cudaGetErrorString`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import torch

from mono_depth_ros.errors import DeviceLostError

_OUT_OF_MEMORY = (
    "out of memory",
    "Failed to allocate memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    # Where a Jetson's allocation fails, torch asks NVML, which is not there, for the free memory: pytorch issue 112377.
    "NVML_SUCCESS == r",
    # Handles of cuBLAS and cuDNN are made with the first product or convolution, and take memory of their own.
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_INTERNAL_ERROR",
    # On the host: torch, C++.
    "can't allocate memory",
    "not enough memory: you tried to allocate",
    "std::bad_alloc",
)
_LOST = (
    # "This leaves the process in an inconsistent state and any further CUDA work will return the same error. To
    # continue using CUDA, the process must be terminated and relaunched", says the documentation of cudaError.
    "an illegal memory access was encountered",
    "an illegal instruction was encountered",
    "misaligned address",
    "operation not supported on global/shared address space",
    "invalid program counter",
    "hardware stack error",
    "device-side assert triggered",
    "unspecified launch failure",
    "the launch timed out and was terminated",
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "unknown error",
    # The GPU itself is gone: fallen off the bus, reset, unplugged, its driver unloaded.
    "no CUDA-capable device is detected",
    "devices are busy or unavailable",
    "GPU is lost",
    "context is destroyed",
    "driver shutting down",
)
_ANY = ("CUDA error", "CUDA failure", "CUDA driver", "Cuda Runtime", "[CUDA]", "CUDNN_STATUS_", "CUBLAS_STATUS_")
_IN_A_ROW = 5
"""Turns that fail by the device without one result between them, after which it is lost whatever the errors are."""

_AGAIN = "start the process again: a CUDA device cannot be recovered in the same one"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the device or of the host; also inside an error that was raised from another."""
    if is_lost(error):  # after which handles cannot be made either
        return False
    return any(
        isinstance(cause, (torch.cuda.OutOfMemoryError, MemoryError)) or _says(cause, _OUT_OF_MEMORY)
        for cause in causes(error)
    )


def is_lost(error: BaseException) -> bool:
    """Whether nothing more can be computed on the device in this process."""
    return any(_says(cause, _ANY) and _says(cause, _LOST) for cause in causes(error))


def is_device_error(error: BaseException) -> bool:
    """Whether CUDA or one of its libraries failed, and not for want of memory."""
    return any(_says(cause, _ANY) for cause in causes(error)) and not is_out_of_memory(error)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was raised from, or while they were handled."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def let_go(error: BaseException) -> None:
    """Empty the frames of a traceback that nobody will look into, lines and files stay.

    An error that is kept keeps what was computed where it was raised: after an out of memory that is what filled it.
    """
    for cause in causes(error):
        traceback.clear_frames(cause.__traceback__)


def detached(error: Exception) -> Exception:
    """An error to be kept as a value, without its traceback: that holds all calls up to the first, this one too."""
    for cause in causes(error):
        cause.__traceback__ = None
    return error


def _says(error: BaseException, signs: tuple[str, ...]) -> bool:
    text = f"{type(error).__name__}: {error}"
    return any(sign in text for sign in signs)


class DeviceWatch:
    """Says after which error a device is given up: one that it is lost by, or those of `_IN_A_ROW` turns without a
    result between them; the images of a turn fail together."""

    def __init__(self) -> None:
        self._in_a_row, self._counted = 0, False

    def turn(self) -> None:
        """Something is to be computed."""
        self._counted = False

    def worked(self) -> None:
        """Something was computed."""
        self._in_a_row = 0

    def failed(self, error: BaseException) -> DeviceLostError | None:
        """Count an error; why the device is to be given up, None where it may go on."""
        if is_lost(error):
            return DeviceLostError(f"the device is lost: {_line(error)}; {_AGAIN}")
        if is_device_error(error):
            self._in_a_row += not self._counted
            self._counted = True
            if self._in_a_row >= _IN_A_ROW:
                return DeviceLostError(f"the device failed {self._in_a_row} times in a row: {_line(error)}; {_AGAIN}")
        return None


def _line(error: BaseException) -> str:
    cause = next(cause for cause in causes(error) if _says(cause, _ANY))
    return str(cause).strip().partition("\n")[0]
