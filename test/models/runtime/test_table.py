# SPDX-License-Identifier: Apache-2.0
"""The table of engines is the one place that knows them."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.models.runtime.engine import DTYPES, PRECISIONS, EngineOptions, GraphFile, Network
from mono_depth_ros.models.runtime.engines import ENGINES, candidates_of
from mono_depth_ros.models.runtime.selfcheck import TOLERANCES

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def choices(name: str) -> tuple[str, ...]:
    return next(item for item in fields(ModelConfig) if item.name == name).metadata["choices"]


def test_the_parameters_offer_what_there_is() -> None:
    assert choices("engine")[0] == "auto" and set(choices("engine")[1:]) == set(ENGINES)
    assert choices("precision") == PRECISIONS


@pytest.mark.parametrize("name", ENGINES)
def test_a_row_is_whole(name: str) -> None:
    row = ENGINES[name]
    assert set(row.auto) <= set(row.precisions) <= {"cpu", "cuda"}
    for kind, precisions in row.precisions.items():
        assert precisions[-1] == "fp32" and set(precisions) <= set(TOLERANCES) == {*DTYPES, "int8"}
        assert set(row.auto.get(kind, ())) <= set(precisions)


def test_what_auto_tries_in_which_order(network: Network) -> None:
    on = {device: candidates_of(network, EngineOptions(device)) for device in (CPU, CUDA)}
    assert on[CPU] == [
        ("openvino", "bf16"),
        ("torch", "bf16"),
        ("openvino", "fp32"),
        ("torch", "fp32"),
        ("onnxruntime", "fp32"),
    ]
    assert on[CUDA] == [
        ("torch", "fp16"),
        ("onnxruntime", "fp16"),
        ("torch", "bf16"),
        ("torch", "fp32"),
        ("onnxruntime", "fp32"),
    ]


def test_torch_never_runs_a_file(tmp_path) -> None:
    file = GraphFile("net", tmp_path / "net.onnx", ("image",), ("depth",))
    assert {name for name, _ in candidates_of(file, EngineOptions(CPU))} == {"openvino", "onnxruntime"}
