# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import logging
import re

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import gpu
from mono_depth_ros.models.runtime.device import pick_device, set_threads, versions
from mono_depth_ros.models.runtime.torch_engine import cannot_run


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch):
    """`gpus(n)`: this machine has n CUDA devices, as far as torch says."""

    def pretend(count: int, capabilities: tuple[tuple[int, int], ...] = ((8, 6),) * 3) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Pretended GPU")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "sm_90a", "compute_90"])
        monkeypatch.setattr(
            torch.cuda, "get_device_capability", lambda device: capabilities[getattr(device, "index", device)]
        )

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


LACKS = "has no kernels for cuda:0 (Pretended GPU, compute capability 6.1), only for sm_80, sm_90a, compute_90: install"


def test_a_gpu_that_torch_has_no_kernels_for_is_said_and_another_is_taken(gpus, caplog, monkeypatch) -> None:
    gpus(2, ((6, 1), (8, 9)))
    with pytest.raises(ModelError, match=re.escape(LACKS)):
        pick_device("cuda:0")
    assert pick_device("auto") == torch.device("cuda:1")
    gpus(1, ((6, 1),))
    monkeypatch.setattr(gpu, "is_here", lambda: True)
    assert pick_device("auto") == torch.device("cpu")
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.message.startswith("device auto: cpu (") and LACKS in record.message


@pytest.mark.parametrize(
    ("capability", "jetson", "runs"),
    [((8, 0), False, True), ((8, 6), False, True), ((8, 7), True, False), ((7, 5), False, False),
     ((9, 0), False, True), ((10, 0), False, True), ((8, 0), True, True)],
)  # fmt: skip
def test_which_kernels_run_where(capability: tuple[int, int], jetson: bool, runs: bool) -> None:
    """Machine code of a generation on its later members, PTX on all later ones; none of a desktop's on a Jetson."""
    assert any(gpu._runs(name, capability, jetson) for name in ("sm_80", "sm_90a", "compute_90")) == runs
    assert gpu._runs("gfx90a", capability, jetson), "other makers' names say nothing"


def test_a_jetson_is_told_where_its_wheels_are(gpus, monkeypatch, tmp_path) -> None:
    gpus(0)
    (tmp_path / "nv_tegra_release").touch()
    monkeypatch.setattr(gpu, "_JETSON", tmp_path / "nv_tegra_release")
    for cuda in (None, "12.6"):
        monkeypatch.setattr(torch.version, "cuda", cuda)
        with pytest.raises(ModelError, match=rf"for this Jetson \(pip install --index-url {gpu.JETSON_INDEX} torch\)"):
            pick_device("cuda")


def test_auto_without_a_gpu_is_no_warning_and_with_an_unused_one_is(gpus, monkeypatch, caplog) -> None:
    gpus(0)
    for here, level in ((False, logging.INFO), (True, logging.WARNING)):
        monkeypatch.setattr(gpu, "is_here", lambda here=here: here)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            assert pick_device("auto") == torch.device("cpu")
        assert [record.levelno for record in caplog.records] == [level]
    assert "the NVIDIA GPU is not used: torch" in caplog.text


def test_bf16_is_asked_of_the_device_and_emulation_does_not_count(gpus) -> None:
    gpus(2, ((7, 5), (8, 0)))
    reasons = [cannot_run(torch.device("cuda", index), "bf16") for index in (0, 1)]
    assert reasons == ["cuda:0 has no bf16, expected fp16 or fp32", None]
