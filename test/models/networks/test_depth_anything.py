# SPDX-License-Identifier: Apache-2.0
"""The parameters of the three sizes are the authors', name by name and shape by shape."""

from __future__ import annotations

import hashlib
import math

import pytest
import torch

from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork

# Of `DepthAnythingV2(encoder).state_dict()` of the authors' code (commit a561b84), the same for the relative and the
# metric one: SHA-256 of the sorted lines "name 1x2x3", the count of tensors, the count of numbers.
AUTHORS = {
    "small": ("00f9fe108594413b9e130ba99427eafc57ab5295f2b76d9b0b0ace6d20296ff3", 239, 24_785_089),
    "base": ("cd77f385be8c7af3a3cda9ae3c28dc459fa8d5090888e96f45d29b86082da39b", 239, 97_470_785),
    "large": ("b2559ef8a28b2375173101ac962a9496227c77c70735df63a82c391c1be20d36", 407, 335_315_649),
}


@pytest.mark.parametrize("max_depth_m", [None, 20.0])
@pytest.mark.parametrize("size", SIZES)
def test_names_and_shapes_are_the_authors(size: str, max_depth_m: float | None) -> None:
    with torch.device("meta"):
        network = DepthAnythingNetwork(SIZES[size], max_depth_m)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    shapes["pretrained.mask_token"] = (1, SIZES[size].vit.embed_dim)  # of the encoder's pre-training
    lines = "\n".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in sorted(shapes.items()))
    found = hashlib.sha256(lines.encode()).hexdigest(), len(shapes), sum(map(math.prod, shapes.values()))
    assert found == AUTHORS[size]


@pytest.mark.parametrize("size", SIZES)
def test_the_catalogue_knows_how_large_they_are(size: str) -> None:
    entries = [entry for entry in CATALOGUE.values() if entry.family == "depth_anything_v2" and entry.size == size]
    assert len(entries) == 3
    assert all(entry.parameters_m == pytest.approx(AUTHORS[size][2] / 1e6, abs=0.05) for entry in entries)
