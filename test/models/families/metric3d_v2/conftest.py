# SPDX-License-Identifier: Apache-2.0
"""Metric3D checkpoints whose weights follow from the authors' parameter names alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mono_depth_ros.models.networks.metric3d import Metric3DNetwork
from mono_depth_ros.models.networks.metric3d_encoder import NetworkSize
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.parity.metric3d import network_of_noise
from mono_depth_ros.models.parity.metric3d import weight as authors_weight
from mono_depth_ros.models.runtime.engine import EngineOptions

NARROW = NetworkSize(VitSize(48, 4, 3, (3,) * 4), False, (16, 24, 48), (48, 24, 16), 12, 2)
GATED = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), True, (16, 24, 48), (48, 24, 16), 12, 2)
NAMES = Path(__file__).parent / "authors_parameters.txt"


def parameters(size: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the authors' network, from `authors_parameters.txt`."""
    column, depth = {"small": (0, 12), "large": (1, 24), "giant": (2, 40)}[size]
    shapes = {}
    for line in NAMES.read_text().splitlines():
        name, *columns = line.split()
        if name != "#" and columns[column] != "-":
            shape = tuple(int(side) for side in columns[column].split("x"))
            for block in range(depth) if "*" in name else (0,):
                shapes[name.replace("*", str(block))] = shape
    return shapes


@pytest.fixture(scope="session")
def authors_parameters() -> Callable[[str], dict[str, tuple[int, ...]]]:
    """`parameters`, for tests."""
    return parameters


@pytest.fixture(scope="session")
def authors_weights() -> Callable[[str], dict[str, torch.Tensor]]:
    """`authors_weights(size)`: a fresh state dict, without `depth_model.`."""
    return lambda size: {name: authors_weight(name, shape) for name, shape in parameters(size).items()}


@pytest.fixture(scope="session")
def small_pth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the authors publish it, which has no mask token; not to be changed."""
    path = tmp_path_factory.mktemp("metric3d") / "metric_depth_vit_small_800k.pth"
    shapes = {name: shape for name, shape in parameters("small").items() if name != "encoder.mask_token"}
    state = {f"depth_model.{name}": authors_weight(name, shape) for name, shape in shapes.items()}
    torch.save({"model_state_dict": state}, path)
    return path


@pytest.fixture(scope="session")
def fp32() -> EngineOptions:
    """The reference: torch in float32 on the CPU."""
    return EngineOptions(torch.device("cpu"), "torch", "fp32")


@pytest.fixture(scope="session")
def weight() -> Callable[[str, tuple[int, ...]], torch.Tensor]:
    """`authors_weight`, for tests."""
    return authors_weight


@pytest.fixture(scope="session")
def narrow() -> Callable[[], Metric3DNetwork]:
    """A fresh narrow and shallow network."""
    return lambda: network_of_noise(NARROW)


@pytest.fixture(scope="session")
def gated() -> Callable[[], Metric3DNetwork]:
    """The same with what only the giant has."""
    return lambda: network_of_noise(GATED)
