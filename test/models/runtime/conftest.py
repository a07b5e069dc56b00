# SPDX-License-Identifier: Apache-2.0
"""A narrow Depth Anything network with everything of the small one, and a cache of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from mono_depth_ros.models.networks.depth_anything import DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.runtime import graph
from mono_depth_ros.models.runtime.engine import Engine, Inputs, Network

NARROW = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 48), 32)
CPU = torch.device("cpu")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache folder of this session's tests: empty at first, so that the narrow network is exported once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("MONO_DEPTH_CACHE", str(folder))
        yield folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for one test."""
    monkeypatch.setenv("MONO_DEPTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def narrow_module(seed: int = 0, max_depth_m: float | None = 20.0) -> DepthAnythingNetwork:
    """Seeded weights whose depth is around the middle of the range and far from flat."""
    torch.manual_seed(seed)
    module = DepthAnythingNetwork(NARROW, max_depth_m)
    with torch.no_grad():
        module.pretrained.pos_embed.normal_(std=0.5)
        module.pretrained.cls_token.normal_(std=0.5)
        module.depth_head.scratch.output_conv2[2].weight.mul_(8)
    return module.optimise()


@pytest.fixture
def make_network() -> Callable[..., Network]:
    """`make_network(seed=0, max_depth_m=20)` -> a fresh narrow network."""

    def make(seed: int = 0, max_depth_m: float | None = 20.0) -> Network:
        shapes = ({0: "batch", 2: "14*rows", 3: "14*columns"},)
        return Network("narrow", narrow_module(seed, max_depth_m), ("image",), ("depth",), shapes)

    return make


@pytest.fixture
def network(make_network: Callable[..., Network]) -> Network:
    return make_network()


@pytest.fixture(scope="session")
def examples() -> tuple[Inputs, ...]:
    """Two inputs of different sizes, none of them the trained one."""
    generator = torch.Generator().manual_seed(0)
    return tuple((torch.randn(1, 3, *size, generator=generator),) for size in ((112, 154), (140, 140)))


class AddOne(torch.nn.Module):
    """The smallest network there is: it exports in a second."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1), requires_grad=False)
        self.bias = 1.0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * self.gain + self.bias


@pytest.fixture
def add_one() -> Callable[[], Network]:
    """`add_one()` -> a fresh network that adds one."""
    return lambda: Network("add_one", AddOne().eval(), ("image",), ("depth",), ({0: "batch", 2: "rows", 3: "columns"},))


@pytest.fixture
def quick_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs of networks that multiply by their `gain` are written here, since torch's exporter takes a second."""
    onnx = pytest.importorskip("onnx")

    def write(network: Network, _examples: object, path: Path) -> None:
        gain = float(network.module.gain)
        head = '<ir_version: 8, opset_import: ["" : 18]> gain (float[N, C, H, W] image) => (float[N, C, H, W] depth)'
        body = f"{{ gain = Constant<value_float={gain}>() depth = Mul(image, gain) }}"
        onnx.save(onnx.parser.parse_model(head + body), str(path))

    monkeypatch.setattr(graph, "write_graph", write)


class Stub:
    """An engine that is a function."""

    def __init__(self, function: Callable[..., Inputs], name: str = "openvino", precision: str = "fp32") -> None:
        self.name, self.precision, self.function = name, precision, function

    def __call__(self, *inputs: torch.Tensor) -> Inputs:
        return self.function(*inputs)


@pytest.fixture
def stub() -> Callable[..., Engine]:
    """`stub(function, name, precision)` -> an `Engine`."""
    return Stub
