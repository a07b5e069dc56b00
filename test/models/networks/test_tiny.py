# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from mono_depth_ros.models.families.tiny import TINY_WEIGHTS, load_tiny, save_tiny
from mono_depth_ros.models.networks.tiny import TinyDepthNet, ray_features


def random_input(n: int = 1, height: int = 64, width: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand(n, 3, height, width, generator=generator)
    return rgb, torch.rand(n, 2, height, width, generator=generator) - 0.5


def test_shipped_weights_are_small_and_load() -> None:
    assert TINY_WEIGHTS.stat().st_size <= 4e6
    network = load_tiny()
    assert sum(parameter.numel() for parameter in network.parameters()) <= 1_500_000
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert not network.training
    with torch.no_grad():
        first, again = network(*random_input()), network(*random_input())
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert first[0].shape == first[1].shape == (1, 1, 64, 96)
    assert torch.isfinite(first[0]).all()


def test_it_uses_the_rays() -> None:
    # the same picture through a longer lens shows the same object farther away
    network, (rgb, rays) = load_tiny(), random_input(height=192, width=256)
    with torch.no_grad():
        wide, narrow = network(rgb, rays)[0], network(rgb, rays * 0.5)[0]
    assert float((narrow - wide).mean()) > 0.1


def test_floor_depth_is_linear_in_the_ray_features() -> None:
    y = torch.linspace(0.05, 0.9, 16).view(1, 1, 16, 1)
    features = ray_features(torch.cat([torch.zeros_like(y), y], dim=1))
    log_depth = torch.log(0.6 / y)
    assert torch.allclose(log_depth, torch.log(torch.tensor(0.6)) + 2.0 - 2.0 * features[:, 2:3], atol=1e-5)


def test_folded_network_equals_the_trained_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = TinyDepthNet().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
    save_tiny(network, tmp_path / "weights.safetensors")
    folded = load_tiny(tmp_path / "weights.safetensors")
    with torch.no_grad():
        for exact, stored in zip(network(*random_input(2)), folded(*random_input(2)), strict=True):
            assert float((exact - stored).abs().max()) < 5e-3
