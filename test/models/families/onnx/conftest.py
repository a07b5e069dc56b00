# SPDX-License-Identifier: Apache-2.0
"""Small graphs with known answers, in the text format of ONNX, and their contracts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.families.onnx import OnnxModel, load
from mono_depth_ros.models.runtime.engine import EngineOptions

READS, GIVES = "float[N, 3, H, W] image", "float[N, 1, H, W] depth"
RED = "depth = Slice(image, first, second, axis)"
CONTRACT = {
    "kind": "metric",
    "input": {"name": "image", "size": {"source": True}, "resample": "linear", "range": 255},
    "outputs": {"depth": "depth", "resize": "linear"},
}

Write = Callable[..., Path]


def merged(contract: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`contract` with `changes` in it, mappings inside merged too; None takes a key away."""
    result = dict(contract)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict) and key != "size":
            result[key] = merged(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(body, gives=..., reads=..., **changes of the contract)`: model.onnx with model.yaml beside it.

    The body is ONNX text; `first`, `second` and `axis` in it are the constants [0], [1] and [1], `weights` are tensors.
    """
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import parser

    def make(body: str = RED, gives: str = GIVES, reads: str = READS, weights: str = "", **changes: Any) -> Path:
        numbers = {"first": 0, "second": 1, "axis": 1}
        constants = "".join(f"{name} = Constant<value_ints=[{value}]>()\n" for name, value in numbers.items())
        head = '<ir_version: 8, opset_import: ["" : 17]>'
        text = f"{head} net ({reads}) => ({gives}) <{weights}> {{ {constants} {body} }}"
        path = tmp_path / "model.onnx"
        onnx.save(parser.parse_model(text), path)
        contract = merged(CONTRACT, changes)
        path.with_suffix(".yaml").write_text(yaml.safe_dump(contract), encoding="utf-8")
        return path

    return make


@pytest.fixture
def model(write: Write) -> Callable[..., OnnxModel]:
    """As `write`, loaded on the CPU with ONNX Runtime."""

    def make(*args: Any, **changes: Any) -> OnnxModel:
        return load(write(*args, **changes), EngineOptions(torch.device("cpu"), "onnxruntime", "fp32"))

    return make


@pytest.fixture
def camera() -> Callable[..., Camera]:
    """`camera(width, height, fx=, fy=)`: a pinhole, centred."""

    def make(width: int, height: int, fx: float = 100.0, fy: float | None = None) -> Camera:
        return Camera(width, height, fx, fx if fy is None else fy, (width - 1) / 2, (height - 1) / 2)

    return make
