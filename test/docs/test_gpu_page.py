# SPDX-License-Identifier: Apache-2.0
"""docs/gpu.md quotes what the code says, and names what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import gpu, onnxruntime_providers, prebuilt, tensorrt_engine
from mono_depth_ros.models.runtime.device import pick_device

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/gpu.md").read_text(encoding="utf-8")


def said(monkeypatch: pytest.MonkeyPatch, name: str, cuda: str | None, count: int) -> str:
    """What `pick_device` answers on a machine with so many GPUs and this torch."""
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(ModelError) as error:
        pick_device(name)
    return str(error.value)


@pytest.mark.parametrize(("name", "cuda", "count"), [("cuda", None, 0), ("cuda", "12.6", 0), ("cuda:1", "12.6", 1)])
def test_sentences_are_those_of_the_code(
    monkeypatch: pytest.MonkeyPatch, name: str, cuda: str | None, count: int
) -> None:
    block = re.search(r"<!-- sentences of pick_device -->(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert block is not None
    quotes = re.findall(r"^- `([^`]+)`", block[1], re.MULTILINE)
    assert len(quotes) == 3
    sentence = said(monkeypatch, name, cuda, count)
    assert any(sentence.startswith(quote) for quote in quotes), sentence


def test_the_index_versions_and_suffixes_are_those_of_the_code() -> None:
    assert f"--index-url {gpu.JETSON_INDEX} torch onnxruntime-gpu" in PAGE
    assert f"ARG JETSON_INDEX={gpu.JETSON_INDEX}\n" in (ROOT / "docker/jetson.Dockerfile").read_text()
    oldest, bf16 = (".".join(map(str, v)) for v in (onnxruntime_providers.OLDEST, onnxruntime_providers.BF16_SINCE))
    assert f"ONNX Runtime, {oldest} or later (`precision:=bf16` needs {bf16}" in PAGE
    assert all(f"`{suffix}`" in PAGE or f"`model{suffix}`" in PAGE for suffix in prebuilt.PLANS)
    source = Path(tensorrt_engine.__file__).read_text(encoding="utf-8")
    assert "building the TensorRT engine for %s, this takes minutes" in source
    quoted = " ".join(PAGE.split())
    assert '"building the TensorRT engine for 686x518, this takes minutes"' in quoted
