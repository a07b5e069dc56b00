# SPDX-License-Identifier: Apache-2.0
"""Copies between host and GPU: pinned memory is used again, never while somebody needs it, and one wait is for all."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from fake_cuda import Runtime
from mono_depth_ros.transfer import Download, download, upload

CUDA = torch.device("cuda", 0)


@pytest.mark.parametrize("read_only", [False, True])
def test_an_upload_does_not_wait_and_its_memory_is_used_again(gpu: Runtime, read_only: bool) -> None:
    for turn in range(3):
        picture = np.full((4, 6, 3), turn, np.uint8)
        picture.flags.writeable = not read_only
        with gpu.counted() as work:
            there = upload(picture, CUDA)
        assert there.device == CUDA and (there.cpu().numpy() == turn).all()
        assert (work.uploads, work.upload_bytes, work.waits) == (1, 72, 0), work.report()
        assert work.pinned == (turn == 0), work.report()
    assert upload(there, CUDA) is there and upload(torch.ones(2), CUDA).device == CUDA


def test_all_tensors_come_with_one_wait(gpu: Runtime) -> None:
    depth = torch.arange(12.0, device=CUDA).reshape(3, 4)
    for turn in range(3):
        with gpu.counted() as work:
            whole, part, grey = download(depth + turn, depth[:, ::2], depth.to(torch.uint8))
        assert (work.downloads, work.download_bytes, work.waits) == (3, 48 + 24 + 12, 1), work.report()
        assert work.pinned == (3 if turn == 0 else 0), work.report()
        assert (whole == np.arange(12).reshape(3, 4) + turn).all() and (part == whole[:, ::2] - turn).all()
        assert grey.dtype == np.uint8
        del whole, part, grey


def test_memory_that_somebody_looks_at_is_not_written_again(gpu: Runtime) -> None:
    (first,) = download(torch.zeros(5, device=CUDA))
    view = memoryview(first[1:].view(np.uint8))
    del first
    (second,) = download(torch.ones(5, device=CUDA))
    assert bytes(view) == bytes(16) and (second == 1).all()
    address = second.ctypes.data
    del view, second
    arrays = [download(torch.ones(5, device=CUDA))[0] for _ in range(2)]
    assert address in [array.ctypes.data for array in arrays], "now both are free"


def test_memory_is_not_lent_while_a_copy_is_on_its_way(gpu: Runtime) -> None:
    """A download that is given up is still written by the device; what an upload reads must stay what it is."""
    Download([torch.ones(5, device=CUDA)])
    with gpu.counted() as work:
        Download([torch.zeros(5, device=CUDA)])
        assert work.pinned == 1, "the first is not done"
        torch.cuda.synchronize()
        Download([torch.zeros(5, device=CUDA)])
    assert work.pinned == 1, work.report()


def test_memory_may_be_given_back_by_any_thread(gpu: Runtime) -> None:
    def work() -> None:
        for turn in range(100):
            (array,) = download(torch.full((50,), float(turn), device=CUDA))
            results.append(bool((array == turn).all()))

    results: list[bool] = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    with gpu.counted() as counted:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [True] * 400 and counted.pinned <= 8, counted.report()


def test_sizes_that_no_longer_come_are_let_go(gpu: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mono_depth_ros.transfer._KEPT_BYTES", 1000)
    for size in (100, 200, 300, 400, 500, 600):
        download(torch.zeros(size, dtype=torch.uint8, device=CUDA))
    with gpu.counted() as work:
        for size in (600, 100):
            download(torch.zeros(size, dtype=torch.uint8, device=CUDA))
    assert work.pinned == 1, "the newest is kept, the oldest is not"


def test_on_the_cpu_nothing_is_copied() -> None:
    picture = np.zeros((2, 3, 3), np.uint8)
    assert upload(picture, "cpu").data_ptr() == picture.ctypes.data
    depth = torch.ones(2, 3)
    assert download(depth)[0].ctypes.data == depth.data_ptr()
