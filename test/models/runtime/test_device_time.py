# SPDX-License-Identifier: Apache-2.0
"""Times of a device, with events whose time is planted: they are read when they are there, and nothing waits."""

from __future__ import annotations

import math
import time

import pytest
import torch

from fake_cuda import fake_cuda
from mono_depth_ros.models.runtime.device_time import DeviceTime

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


class Gpu:
    """Its events: whether they are done is told by `done`."""

    def __init__(self) -> None:
        self.done, self.lost, self.streams = False, False, []

    def event(self, enable_timing: bool) -> Gpu:
        assert enable_timing
        return self

    def record(self, stream: str) -> None:
        self.streams.append(stream)

    def query(self) -> bool:
        if self.lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return self.done

    def elapsed_time(self, _end: Gpu) -> float:
        return 250.0


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    made = Gpu()
    monkeypatch.setattr(torch.cuda, "Event", made.event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    return made


def test_on_the_cpu_it_is_the_hosts() -> None:
    before_s = time.perf_counter()
    with DeviceTime(CPU) as taken:
        time.sleep(0.02)
    assert 0.02 <= taken.seconds < 1 and before_s + 0.02 <= taken.end_s <= time.perf_counter()
    assert taken.blamed(RuntimeError("CUDA error: an illegal memory access was encountered")) is None


def test_on_a_gpu_it_is_the_devices_when_it_is_done(gpu: Gpu) -> None:
    before_s = time.perf_counter()
    with DeviceTime(CUDA) as taken:
        pass
    assert math.isnan(taken.seconds) and math.isnan(taken.end_s)
    gpu.done = True
    assert taken.seconds == 0.25 and 0.25 <= taken.end_s - before_s < 0.35
    assert gpu.streams == ["stream of cuda:0"] * 2


def test_what_fails_before_the_device_is_known_to_be_done_is_blamed_on_it(gpu: Gpu) -> None:
    error = RuntimeError("CUDA error: an illegal memory access was encountered\nfurther lines")
    with DeviceTime(CUDA) as taken:
        pass
    assert str(taken.blamed(error)) == (
        "the GPU failed at the network or at what is made of its depth, and says so where a result is copied: CUDA "
        "error: an illegal memory access was encountered; CUDA_LAUNCH_BLOCKING=1 in the environment tells where"
    )
    assert taken.blamed(ValueError("no error of a device")) is None
    gpu.lost = True
    assert math.isnan(taken.seconds) and taken.blamed(error) is not None
    gpu.lost, gpu.done = False, True
    with DeviceTime(CUDA) as taken:
        pass
    assert taken.seconds == 0.25 and taken.blamed(error) is None, "the network was done before"


def test_it_waits_for_nothing() -> None:
    with fake_cuda() as gpu, gpu.counted() as work:
        with DeviceTime(CUDA) as taken:
            result = torch.ones(3, device=CUDA) + 1
        assert math.isnan(taken.seconds) and work.waits == 0
        result.cpu()
        assert taken.seconds >= 0 and work.waits == 1
