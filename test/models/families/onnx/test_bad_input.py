# SPDX-License-Identifier: Apache-2.0
"""Every file that cannot be used is refused with one sentence before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.families.onnx import load
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.runtime.engine import EngineOptions


def refusal(path: Path, engine: str = "onnxruntime") -> str:
    with pytest.raises(ModelError) as error:
        load(path, EngineOptions(torch.device("cpu"), engine, "fp32"))
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("engine", ["torch", "torch_compile"])
def test_torch_runs_no_onnx(write, engine: str) -> None:
    text = refusal(write(), engine)
    assert f"engine is '{engine}', which cannot run an ONNX file like model.onnx: expected auto, onnxruntime" in text


def test_no_contract(write) -> None:
    path = write()
    path.with_suffix(".yaml").unlink()
    assert f"needs a contract file beside it, {path.with_suffix('.yaml')}, that says" in (text := refusal(path))
    assert "docs/onnx_models.md" in text


def test_a_misspelt_key_names_the_file_and_the_nearest(write) -> None:
    text = refusal(write(input={"chanels": "bgr"}))
    assert "model.yaml: 'input': 'chanels' is not known, did you mean 'channels'?" in text


def lfs_pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 99\n")


def web_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html></html>")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def no_graph(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2])  # the IR version and nothing else


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(255, 0, -1)) * 9)


def newer(field: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        import onnx

        model = onnx.load(path)
        if field == "ir":
            model.ir_version = 999
        else:
            model.opset_import[0].version = 999
        path.write_bytes(model.SerializeToString())

    return change


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lfs_pointer, "is a Git LFS pointer, expected the weights: run `git lfs pull`"),
        (web_page, "is a web page saved under that name, expected an ONNX file"),
        (empty, "is empty, expected an ONNX file"),
        (cut_off, "cannot be read as ONNX, expected a whole file"),
        (no_graph, "holds no graph with inputs and outputs: cut off"),
        (noise, "cannot be read as ONNX, expected a whole file"),
        (newer("ir"), "has IR version 999, the installed onnx"),
        (newer("opset"), "has opset 999, the installed onnx"),
    ],
)
def test_damaged_files(write, damage: Callable[[Path], None], expected: str) -> None:
    path = write()
    damage(path)
    text = refusal(path)
    assert expected in text
    assert "model.onnx" in text


@pytest.mark.parametrize("what", ["missing", "pointer", "short", "outside"])
def test_weights_beside_the_file(write, tmp_path: Path, what: str) -> None:
    import onnx
    from onnx import numpy_helper

    path = write("s = Slice(image, first, second, axis) depth = Add(s, w)", weights="float[1] w = {1.0}")
    model = onnx.load(path)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "w"))
    onnx.save(model, path, save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    weights = tmp_path / "model.onnx_data"
    load(path, EngineOptions(torch.device("cpu"), "onnxruntime", "fp32"))  # whole, it runs
    if what == "missing":
        weights.unlink()
        expected = f"has its weights in model.onnx_data, which is not beside it: expected {weights}"
    elif what == "pointer":
        lfs_pointer(weights)
        expected = "model.onnx_data is a Git LFS pointer"
    elif what == "short":
        weights.write_bytes(weights.read_bytes()[:2])
        expected = "bytes of weights in model.onnx_data, expected at least"
    else:
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = "../secret"
        path.write_bytes(model.SerializeToString())
        expected = "has weights in '../secret', expected a file in its own folder"
    assert expected in refusal(path)


@pytest.mark.parametrize(
    ("graph", "changes", "expected"),
    [
        (
            {},
            {"input": {"name": "pixel_values"}},
            "lacks pixel_values and has also image: its inputs are image (Nx3xHxW, float32), its contract file names "
            "pixel_values",
        ),
        (
            {"reads": "float[N, 3, H, W] image, int64 tokens"},
            {},
            "has also tokens: its inputs are image (Nx3xHxW, float32), tokens (scalar, int64), its contract file names "
            "image ('constants' gives",
        ),
        (
            {},
            {"outputs": {"normals": "normal"}},
            "lacks normal: its outputs are depth (Nx1xHxW, float32), its contract file names depth, normal",
        ),
        (
            {
                "body": "depth = Slice(image, first, second, axis) b = Identity(depth)",
                "gives": "float[N, 1, H, W] depth, float[N, 1, H, W] b",
            },
            {},
            "has also b: its outputs are depth (Nx1xHxW, float32), b (Nx1xHxW, float32), its contract file names depth "
            "('ignored' names",
        ),
        (
            {},
            {"input": {"dtype": "float16"}},
            "has the input image (Nx3xHxW, float32), its contract file says dtype float16",
        ),
        ({}, {"input": {"layout": "nhwc"}}, "image (Nx3xHxW, float32) of fixed height 3, but its contract"),
        ({"reads": "float[N, 3, 6, 9] image"}, {"input": {"layout": "nhwc"}}, "expected nhwc with 3 channels"),
        ({}, {"input": {"layout": "n1chw"}}, "expected n1chw with 3 channels"),
        ({"reads": "float[N, 4, H, W] image"}, {}, "image (Nx4xHxW, float32), expected nchw with 3 channels"),
        ({"reads": "float[2, 3, H, W] image"}, {}, "expected a batch of 1 or of any number, not of 2"),
        (
            {"reads": "float[N, 3, 518, 518] image"},
            {"input": {"size": {"shorter_side": 518, "multiple": 14}}},
            "of fixed width 518, but its contract file has the size rule shorter_side: expected fixed or fit",
        ),
        (
            {"reads": "float[N, 3, 518, 686] image"},
            {"input": {"size": {"fixed": [518, 686]}}},
            "of fixed width 686, but its contract file has the size rule fixed: [518, 686]: expected",
        ),
        (
            {"reads": "float[N, 3, 518, W] image"},
            {"input": {"size": {"fit": [686, 504]}, "pad": {"where": "centre"}}},
            "of fixed height 518, but its contract file has the size rule fit: [686, 504]",
        ),
        (
            {"reads": "float[N, 3, H, W] image, float[N, 4] K"},
            {"intrinsics": {"name": "K", "form": "matrix"}},
            "has the input K (Nx4, float32), expected (N, 3, 3) or (3, 3) for intrinsics as matrix",
        ),
        (
            {"reads": "float[N, 3, H, W] image, float[N, 3, 3] K"},
            {"intrinsics": {"name": "K", "form": "focal_px"}},
            "has the input K (Nx3x3, float32), expected (N, 1), (N,) or one number for intrinsics as focal_px",
        ),
        (
            {"reads": "float[N, 3, H, W] image, float[3] c"},
            {"constants": {"c": 2}},
            "has the input c (3, float32), expected one number for the constant 'c'",
        ),
    ],
)
def test_graph_and_contract_that_do_not_fit(
    write, graph: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    assert expected in refusal(write(**graph, **changes))


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_packages_the_pip_line_is_named(write, monkeypatch, missing: str) -> None:
    path = write()
    monkeypatch.setitem(sys.modules, missing, None)
    assert "pip install onnx onnxscript onnxruntime" in refusal(path)


def test_by_its_path(write, caplog) -> None:
    """Through the function that tools and nodes load with."""
    path = write(licence="MIT")
    model = load_model(ModelConfig(model=str(path), device="cpu", engine="onnxruntime", threads=1))
    assert model.spec.name == str(path)
    path.with_suffix(".yaml").unlink()
    with pytest.raises(ModelError, match="needs a contract file"):
        load_model(ModelConfig(model=str(path), device="cpu", threads=1))
