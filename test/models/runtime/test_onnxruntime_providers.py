# SPDX-License-Identifier: Apache-2.0
"""Providers of ONNX Runtime: options that the version knows, errors that name the library and the package."""

from __future__ import annotations

import ctypes
import importlib.metadata
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import onnxruntime_providers as providers
from mono_depth_ros.models.runtime import tensorrt_engine
from mono_depth_ros.models.runtime.engine import Network
from mono_depth_ros.models.runtime.graph import graph_of
from mono_depth_ros.models.runtime.onnxruntime_providers import library_hint, load_runtime, open_session

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
Fake = Callable[..., Any]
GPU = torch.device("cuda", 1)
NVINFER = (
    "[ONNXRuntimeError] : 1 : FAIL : Failed to load library libonnxruntime_providers_tensorrt.so with error: "
    "libnvinfer.so.10: cannot open shared object file: No such file or directory"
)


@pytest.fixture
def path(add_one: Callable[[], Network], quick_export: None) -> Path:
    return graph_of(add_one(), [(torch.zeros(1, 1, 4, 6),)] * 2).path


def chain_of(fake_runtime: Fake, path: Path, engine: str, **settings: str) -> dict[str, dict]:
    runtime = fake_runtime(**settings)
    open_session(engine, path, GPU, 77, {"trt_fp16_enable": True} if engine == "tensorrt" else None)
    return dict(runtime.chains[-1])


@pytest.mark.parametrize("version", ["1.18.1", "1.20.0", "1.23.0", "1.31.1"])
def test_options_are_known_to_every_version(fake_runtime: Fake, path: Path, version: str) -> None:
    chain = chain_of(fake_runtime, path, "tensorrt", version=version)
    assert list(chain) == [TENSORRT, CUDA]
    assert "trt_bf16_enable" not in chain[TENSORRT]
    assert chain[TENSORRT]["device_id"] == chain[CUDA]["device_id"] == 1
    assert chain[TENSORRT]["user_compute_stream"] == chain[CUDA]["user_compute_stream"] == "77"


def test_cuda_neither_searches_for_seconds_nor_doubles_its_memory(fake_runtime: Fake, path: Path) -> None:
    (options,) = chain_of(fake_runtime, path, "onnxruntime").values()
    assert options["cudnn_conv_algo_search"] == "HEURISTIC"
    assert options["arena_extend_strategy"] == "kSameAsRequested"
    assert options["use_tf32"] == 0


@pytest.mark.parametrize(("version", "tensorrt", "reason"), [
    ("1.22.1", "10.9.0", r"has no bf16: found onnxruntime 1\.22\.1, expected 1\.23 or later, or fp16 or fp32$"),
    ("1.23.0", "11.3.0", r"has no bf16: TensorRT 11\.3\.0 takes the precision from the graph, expected fp16 or fp32$"),
    ("1.23.0", "10.9.0", None),
])  # fmt: skip
def test_bf16(fake_runtime: Fake, version: str, tensorrt: str, reason: str | None) -> None:
    fake_runtime(version=version, tensorrt=tensorrt)
    found = tensorrt_engine.cannot_run(GPU, "bf16")
    assert found is None if reason is None else re.search(reason, str(found))
    assert tensorrt_engine.cannot_run(GPU, "fp16") is None


@pytest.mark.parametrize("heeds", [True, False])
def test_the_real_error_is_raised_and_names_the_package(
    monkeypatch: pytest.MonkeyPatch, fake_runtime: Fake, path: Path, capsys: pytest.CaptureFixture[str], heeds: bool
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    runtime = fake_runtime()
    runtime.fails[TENSORRT], runtime.heeds = NVINFER, heeds
    with pytest.raises(ModelError, match=r"libnvinfer\.so\.10: .*pip install 'tensorrt-cu12==10\.\*'") as error:
        open_session("tensorrt", path, GPU)
    assert "\n" not in str(error.value) and "when using" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_tensorrt_is_imported_before_the_session(
    monkeypatch: pytest.MonkeyPatch, fake_runtime: Fake, path: Path
) -> None:
    runtime = fake_runtime()
    imported: list[int] = []
    monkeypatch.setattr(providers, "tensorrt_version", lambda: imported.append(len(runtime.chains)) or "10.3.0")
    open_session("onnxruntime", path, GPU)
    assert imported == []
    open_session("tensorrt", path, GPU)
    assert imported == [1]


def test_a_provider_that_is_silently_absent_is_asked_of_the_loader(
    monkeypatch: pytest.MonkeyPatch, fake_runtime: Fake, path: Path, tmp_path: Path
) -> None:
    # CUDA's comes up or does not, and InferenceSession raises nothing.
    runtime = fake_runtime()
    runtime.fails[CUDA], runtime.__file__ = "", str(tmp_path / "__init__.py")
    library = tmp_path / "capi" / "libonnxruntime_providers_cuda.so"
    library.parent.mkdir()
    library.touch()

    def cannot_open(name: str) -> None:
        assert name == str(library)
        raise OSError("libcudnn.so.9: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(ctypes, "CDLL", cannot_open)
    message = (
        rf"came up with {CPU}, expected {CUDA}: libcudnn\.so\.9: .*: cuDNN 9 is missing: pip install 'nvidia-cudnn"
    )
    with pytest.raises(ModelError, match=message):
        open_session("onnxruntime", path, GPU)


@pytest.mark.parametrize(("torch_cuda", "library", "hint"), [
    ("12.8", "libcudart.so.13", "is for CUDA 13, torch here for CUDA 12.8: pip install 'onnxruntime-gpu<1.26'"),
    ("13.0", "libcublasLt.so.12", "is for CUDA 12, torch here for CUDA 13.0: pip install -U onnxruntime-gpu"),
    ("13.0", "libcufft.so.11", "is for CUDA 12, torch here for CUDA 13.0"),
    ("12.8", "libcufft.so.11", "CUDA 12 is not where the loader looks"),
    ("12.8", "libcublas.so.12", "CUDA 12 is not where the loader looks"),
    (None, "libcublas.so.12", "CUDA 12 is not where the loader looks"),
    ("12.8", "libcurand.so.10", "a library of CUDA is missing: install torch with CUDA, or CUDA itself"),
    ("12.6", "libcudnn.so.9", "cuDNN 9 is missing: pip install 'nvidia-cudnn-cu12==9.*'"),
    ("13.0", "libnvinfer.so.10", "TensorRT 10 is missing: pip install 'tensorrt-cu13==10.*'"),
    ("12.6", "libnvonnxparser.so.10", "TensorRT 10 is missing"),
])  # fmt: skip
def test_libraries_and_what_brings_them(
    monkeypatch: pytest.MonkeyPatch, torch_cuda: str | None, library: str, hint: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", torch_cuda)
    text = f"{library}: cannot open shared object file: No such file or directory"
    assert hint in library_hint(text)
    assert library_hint(text.replace(library, "libfoo.so.3")) == ""
    assert library_hint("Invalid TensorRT EP option: trt_foo") == ""


def test_a_wheel_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # onnxruntime-gpu 1.27 is linked with CUDA 13: its issue 29500.
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    package = tmp_path / "onnxruntime"
    package.mkdir()
    text = "libcudart.so.13: cannot open shared object file: No such file or directory"
    (package / "__init__.py").write_text(f"raise ImportError({text!r})")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "onnxruntime")
    with pytest.raises(ModelError, match=r"libcudart\.so\.13.*pip install 'onnxruntime-gpu<1\.26'"):
        load_runtime("engine 'onnxruntime'", GPU)


@pytest.mark.parametrize(("machine", "line"), [
    ("x86_64", r"pip install onnx onnxscript onnxruntime-gpu$"),
    ("aarch64", r"pip install --index-url https://pypi\.jetson-ai-lab\.io/jp6/cu126 onnxruntime-gpu$"),
])  # fmt: skip
def test_not_installed_on_a_gpu(monkeypatch: pytest.MonkeyPatch, machine: str, line: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=line):
        load_runtime("engine 'onnxruntime'", GPU)


def test_an_old_one(fake_runtime: Fake) -> None:
    fake_runtime(version="1.17.3")
    with pytest.raises(ModelError, match=r"needs onnxruntime 1\.18 or later, found 1\.17\.3$"):
        load_runtime("engine 'tensorrt'", GPU)


@pytest.mark.parametrize("both", [False, True])
def test_the_wheel_of_the_cpu_goes_first(monkeypatch: pytest.MonkeyPatch, fake_runtime: Fake, both: bool) -> None:
    # Both write into one folder, and the one that came last counts: its issue 26996.
    fake_runtime(providers=(CPU,))
    here = {"onnxruntime", "onnxruntime-gpu"} if both else {"onnxruntime"}

    def version(name: str) -> str:
        if name not in here:
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.23.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    reason = providers.provider_missing("onnxruntime", GPU)
    assert reason is not None and "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install onnxruntime" in reason
