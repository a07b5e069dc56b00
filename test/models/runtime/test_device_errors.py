# SPDX-License-Identifier: Apache-2.0
"""Errors as torch, cuBLAS, cuDNN, ONNX Runtime and TensorRT word them: which mean what."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from mono_depth_ros.errors import DeviceLostError, ModelError
from mono_depth_ros.models.runtime.device import memory_explained
from mono_depth_ros.models.runtime.device_errors import (
    DeviceWatch,
    is_device_error,
    is_lost,
    is_out_of_memory,
    let_go,
)


class AcceleratorError(RuntimeError):
    """As torch has it from 2.8 on."""


OUT_OF_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of"),
    AcceleratorError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'"),
    RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "/opt/pytorch/c10/cuda/CUDACachingAllocator.cpp":1154'),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 1048576000"),
    RuntimeError("CUDA failure 2: out of memory ; GPU=0 ; hostname=orin"),
    RuntimeError("[defaultAllocator.cpp::allocateAsync::48] Error Code 1: Cuda Runtime (out of memory)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    MemoryError(),
]
LOST = [
    AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be"),
    RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: unspecified launch failure"),
    RuntimeError("CUDA error: misaligned address"),
    RuntimeError("CUDA error: the launch timed out and was terminated"),
    RuntimeError("CUDA error: uncorrectable ECC error encountered"),
    RuntimeError("CUDA error: unknown error"),
    RuntimeError("CUDA error: no CUDA-capable device is detected"),
    RuntimeError("CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=orin"),
    RuntimeError("Error Code 1: Cuda Runtime (an illegal memory access was encountered)"),
    RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"),
]
OTHERS = [
    RuntimeError("CUDA error: operation not permitted when stream is capturing"),
    RuntimeError("CUDA error: no kernel image is available for execution on the device"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
]
NOT_OF_THE_DEVICE = [
    RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
    ValueError("unknown error"),
    ModelError("the graph gives depth of shape (2,)"),
    OSError(5, "uncorrectable ECC error"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_out_of_memory(error: Exception) -> None:
    assert is_out_of_memory(error) and not is_lost(error) and not is_device_error(error)
    sentence = r"^tiny does not fit into the memory of cpu:.*expected more memory$"
    with pytest.raises(ModelError, match=sentence), memory_explained("tiny", torch.device("cpu")):
        raise error


@pytest.mark.parametrize("error", LOST, ids=str)
def test_the_device_is_lost(error: Exception) -> None:
    assert is_lost(error) and is_device_error(error) and not is_out_of_memory(error)
    assert str(DeviceWatch().failed(error)).startswith("the device is lost: ")


@pytest.mark.parametrize("error", [*OTHERS, *NOT_OF_THE_DEVICE], ids=str)
def test_neither(error: Exception) -> None:
    assert not is_lost(error) and not is_out_of_memory(error)
    assert is_device_error(error) == (error in OTHERS)


def test_handles_that_cannot_be_made_after_the_device_is_lost_are_no_want_of_memory() -> None:
    try:
        try:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        except RuntimeError:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate`")  # noqa: B904
    except RuntimeError as error:
        assert is_lost(error) and not is_out_of_memory(error)


def test_what_an_error_was_raised_from_counts() -> None:
    for inner, test in ((OUT_OF_MEMORY[0], is_out_of_memory), (LOST[0], is_lost)):
        wrapped = ModelError("engine 'onnxruntime' cannot run inputs of (1, 3)")
        wrapped.__cause__ = inner
        assert test(wrapped)


def test_other_errors_of_the_device_end_it_when_nothing_comes_between_them() -> None:
    watch, error = DeviceWatch(), OTHERS[2]

    def failed(error: Exception) -> DeviceLostError | None:
        watch.turn()
        for _ in range(6):  # as many images, which fail together
            lost = watch.failed(error)
        return lost

    for _ in range(3):
        assert [failed(error) for _ in range(4)] == [None] * 4
        watch.worked()
    for _ in range(9):
        assert failed(NOT_OF_THE_DEVICE[0]) is failed(OUT_OF_MEMORY[0]) is None
    assert [failed(error) for _ in range(4)] == [None] * 4
    assert str(failed(error)) == (
        "the device failed 5 times in a row: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`; "
        "start the process again: a CUDA device cannot be recovered in the same one"
    )


class Held:
    """What lies on the device."""


def failing(held: Held) -> None:
    raise RuntimeError("CUDA out of memory.")


def test_an_error_that_is_kept_keeps_nothing_of_where_it_was_raised() -> None:
    gc.disable()
    try:
        kept, gone = _kept()
        assert gone() is not None
        let_go(kept)
        assert gone() is None and kept.__traceback__ is not None
    finally:
        gc.enable()


def _kept() -> tuple[Exception, weakref.ref[Held]]:
    try:
        held = Held()
        gone = weakref.ref(held)
        failing(held)
    except RuntimeError as error:
        return error, gone
    raise AssertionError


def test_an_out_of_memory_that_is_explained_keeps_nothing_either() -> None:
    gc.disable()
    try:
        held = Held()
        gone = weakref.ref(held)
        try:
            with memory_explained("tiny", torch.device("cpu")):
                failing(held)
        except ModelError as error:
            del held
            assert gone() is None, error
    finally:
        gc.enable()
