# SPDX-License-Identifier: Apache-2.0
"""Checkpoints in torch's zip format, and networks in ONNX files, through the loader of models and through commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml

from corruption_parts.kind import Kind, Read, Target, command
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.weights.pickles import read_pth

_CONTRACT = {
    "kind": "metric",
    "input": {"name": "image", "size": {"source": True}, "resample": "linear", "range": 255},
    "outputs": {"depth": "depth", "resize": "linear"},
}
_GRAPH = """<ir_version: 8, opset_import: ["" : 17]>
net (float[N, 3, H, W] image) => (float[N, 1, H, W] depth) <float[1, 3, 1, 1] gain = {0.5, 0.25, 0.25}> {
    scaled = Mul(image, gain)
    sum = ReduceMean<axes = [1], keepdims = 1>(scaled)
    depth = Relu(sum)
}"""


def _tensors(path: Path) -> int:
    found = read_pth(path, "a checkpoint of tensors")
    if not isinstance(found, dict):
        return 0
    # Values too: the tensors are mapped into memory, and a damaged file could have them beyond its end.
    return sum(bool(value.sum().isfinite()) for value in found.values() if isinstance(value, torch.Tensor))


def _verified(path: Path) -> None:
    command("models", "verify", path)


def _loaded() -> Read:
    """As the weights of a model, which the whole file is not either: its refusal is the first call's alone."""
    whole: list[Path] = []

    def read(path: Path) -> None:
        try:
            load_model(ModelConfig(model=str(path), device="cpu", engine="torch", precision="fp32", threads=1))
        except ModelError:
            if whole:
                raise
            whole.append(path)

    return read


def _pth(folder: Path) -> Sequence[Target]:
    generator = torch.Generator().manual_seed(1)
    tensors = {f"pretrained.blocks.{k}.weight": torch.rand(8, 4 + k, generator=generator) for k in range(6)}
    targets = {"tensors.pth": _tensors, "verified.pth": _verified, "depth_anything_v2_vits.pth": _loaded()}
    for name in targets:
        torch.save(tensors, folder / name)
    return [Target(folder / name, read) for name, read in targets.items()]


def _predicted(path: Path) -> None:
    model = load_model(ModelConfig(model=str(path), device="cpu", engine="onnxruntime", precision="fp32", threads=1))
    rgb = torch.from_numpy(np.full((1, 12, 16, 3), 100, np.uint8))
    try:
        values = model.predict(rgb, [Camera.from_fov((16, 12), 60.0)])[0].values
    except ModelError as error:  # of a network: whoever loads files says of which
        raise ModelError(f"{path}: {error}") from error
    assert values.shape == (12, 16)


def _onnx(folder: Path) -> Sequence[Target]:
    import onnx
    from onnx import parser

    paths = [folder / "network.onnx", folder / "verified.onnx"]
    for path in paths:
        onnx.save(parser.parse_model(_GRAPH), path)
        path.with_suffix(".yaml").write_text(yaml.safe_dump(_CONTRACT), encoding="utf-8")
    return [Target(paths[0], _predicted), Target(paths[1], _verified)]


KINDS = {"pth": Kind(_pth), "ONNX": Kind(_onnx)}
