# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 small with weights that follow from the parameters' names, in both formats, written once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork
from mono_depth_ros.models.runtime.engine import EngineOptions

METRIC = {"depth_estimation_type": "metric", "max_depth": 20}


@pytest.fixture(scope="session")
def fp32() -> EngineOptions:
    return EngineOptions(torch.device("cpu"), "torch", "fp32")


@pytest.fixture(scope="session")
def small_weights(weight_by_name) -> dict[str, torch.Tensor]:
    """The state dict of the authors' small network, mask token included."""
    with torch.device("meta"):
        network = DepthAnythingNetwork(SIZES["small"], None)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    shapes["pretrained.mask_token"] = (1, 384)
    return {name: weight_by_name(name, shape) for name, shape in shapes.items()}


@pytest.fixture(scope="session")
def small_pth(small_weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authors' format."""
    path = tmp_path_factory.mktemp("pth") / "depth_anything_v2_vits.pth"
    torch.save(small_weights, path)
    return path


@pytest.fixture(scope="session")
def directories(checkpoint) -> dict[str, Path]:
    """Narrow networks in transformers' format, relative and metric; not to be changed."""
    return {"relative": checkpoint(), "metric": checkpoint(**METRIC)}


@pytest.fixture
def broken(directories, tmp_path: Path) -> Callable[..., Path]:
    """`broken(changes of config.json)`: a copy of the relative directory, to be broken."""

    def copy(**changes: object) -> Path:
        directory = tmp_path / "checkpoint"
        shutil.copytree(directories["relative"], directory)
        path = directory / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        return directory

    return copy


@pytest.fixture(scope="session")
def predict() -> Callable[[DepthModel, np.ndarray], np.ndarray]:
    """`predict(model, rgb (H, W, 3) uint8)` -> (H, W) float32."""

    def one(model: DepthModel, rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        (prediction,) = model.predict(torch.from_numpy(rgb)[None], [Camera.from_fov((width, height), 60)])
        assert prediction.values.shape == (height, width)
        assert prediction.kind is model.spec.kind
        return prediction.values.numpy()

    return one
