# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import logging

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.device import pick_device, set_threads, versions


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch):
    """`gpus(n)`: this machine has n CUDA devices, as far as torch says."""

    def pretend(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Pretended GPU")

    return pretend


@pytest.mark.parametrize(("count", "expected"), [(0, "cpu"), (1, "cuda:0"), (3, "cuda:0")])
def test_auto_takes_cuda_where_there_is_one_and_says_so(gpus, caplog, count: int, expected: str) -> None:
    gpus(count)
    with caplog.at_level(logging.INFO):
        assert pick_device("auto") == torch.device(expected)
    assert f"device auto: {expected}" in caplog.text


def test_explicit_devices(gpus) -> None:
    gpus(2)
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("cuda") == torch.device("cuda:0")
    assert pick_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_cuda_that_is_not_there_is_refused_and_says_what_to_do(gpus, name: str) -> None:
    gpus(0)
    with pytest.raises(ModelError, match=rf"'{name}'.*(CUDA build of torch|nvidia-smi).*device:=cpu"):
        pick_device(name)


def test_cuda_index_out_of_range(gpus) -> None:
    gpus(1)
    with pytest.raises(ModelError, match="'cuda:1' but this machine has only cuda:0"):
        pick_device("cuda:1")
    gpus(2)
    with pytest.raises(ModelError, match="cuda:0 to cuda:1"):
        pick_device("cuda:2")


@pytest.mark.parametrize("name", ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "mps", " cpu"])
def test_other_names_are_refused(gpus, name: str) -> None:
    gpus(1)
    with pytest.raises(ModelError, match="expected auto, cpu, cuda or cuda:N"):
        pick_device(name)


def test_threads() -> None:
    before = torch.get_num_threads()
    try:
        set_threads(1)
        assert torch.get_num_threads() == 1
        set_threads(0)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    with pytest.raises(ModelError, match="threads is -1"):
        set_threads(-1)


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt-cu12", "onnxruntime-gpu"])
def test_versions_are_those_of_every_engine(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # What was proved right with one TensorRT says nothing of the next.
    monkeypatch.setattr(importlib.metadata, "version", lambda asked: {name: "10.3.0"}.get(asked, "1"))
    assert versions()[name] == "10.3.0"
