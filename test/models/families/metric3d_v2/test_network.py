# SPDX-License-Identifier: Apache-2.0
"""The network of Metric3D v2: its parameters, its parts, and what may not change what it computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.models.families.metric3d_v2 import merged, unused
from mono_depth_ros.models.networks.metric3d import (
    FARTHEST_M,
    UNIT_M,
    ConvGru,
    Metric3DNetwork,
    convex_upsample,
    unit_normals,
)
from mono_depth_ros.models.networks.metric3d_encoder import SIZES


def image_of(pattern, width: int, height: int) -> Tensor:
    return torch.from_numpy(pattern(width, height)).permute(2, 0, 1)[None].float() / 64 - 2


@pytest.mark.parametrize("size", SIZES)
def test_every_parameter_of_the_authors_is_used(authors_parameters, size: str) -> None:
    """None is missing, and what is not used is listed."""
    with torch.device("meta"):
        network = Metric3DNetwork(SIZES[size])
        official = {name: torch.empty(shape) for name, shape in authors_parameters(size).items()}
        ours = merged(official, SIZES[size])
    assert {name: value.shape for name, value in ours.items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }
    assert set(unused(SIZES[size])) <= set(official)
    doubled = sum(value.numel() for name, value in official.items() if ".norm3." in name)
    left_out = sum(official[name].numel() for name in unused(SIZES[size]))
    taken_twice = sum(
        value.numel() for name, value in official.items() if ".conv" in name and ".gru" in name and "bias" in name
    )
    total = sum(value.numel() for value in official.values())
    assert sum(value.numel() for value in ours.values()) == total - doubled - left_out - taken_twice


@pytest.mark.parametrize(("size", "millions"), [("small", 37.5), ("large", 411.9), ("giant", 1377.7)])
def test_number_of_parameters(authors_parameters, size: str, millions: float) -> None:
    shapes = authors_parameters(size)
    count = sum(np.prod(shape) for name, shape in shapes.items() if ".norm3." not in name)
    assert count / 1e6 == pytest.approx(millions, abs=0.05)


def test_a_gated_network_equals_the_authors_code(gated, pattern) -> None:
    """What only the giant has: SwiGLU, and features of four depths without a norm.

    `gated_state` in authors.npz holds every 4th pixel of what the authors' classes of this narrow size return
    (DinoVisionTransformer: embed_dim 48, depth 4, num_heads 3, ffn_layer "swiglu", multi_output; RAFTDepthNormalDPT5:
    feature_channels 16 24 48 48, decoder_channels 8 16 24 48 48, hidden_channels 12, iters 2).
    """
    network = gated().optimise()
    with torch.inference_mode():
        state = torch.cat(network(image_of(pattern, 140, 84)), dim=1)[0, :, ::4, ::4].numpy()
    expected = np.load(Path(__file__).parent / "authors.npz")["gated_state"]
    np.testing.assert_allclose(state, expected, rtol=1e-4, atol=1e-4)


def test_optimising_changes_nothing(narrow, pattern) -> None:
    network = narrow()
    image = image_of(pattern, 84, 56)
    with torch.inference_mode():
        expected = network(image)
        for found, right in zip(network.optimise()(image), expected, strict=True):
            torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-4)


def test_outputs(narrow, pattern) -> None:
    network = narrow().optimise()
    images = torch.cat((image_of(pattern, 84, 56), torch.zeros(1, 3, 56, 84)))
    with torch.inference_mode():
        depth, confidence, normals = network(images)
        (alone, _, _) = network(images[:1])
    assert (depth.shape, confidence.shape, normals.shape) == ((2, 1, 56, 84), (2, 1, 56, 84), (2, 4, 56, 84))
    assert depth.min() >= 0.1 and depth.max() <= 200
    torch.testing.assert_close(normals[:, :3].norm(dim=1), torch.ones(2, 56, 84))
    assert normals[:, 3].min() > 0
    torch.testing.assert_close(alone, depth[:1], rtol=1e-4, atol=1e-4)


def test_near_depth_survives_half_precision(narrow, pattern) -> None:
    """At 2 m the authors' (depth - 200) / 100 would be off by up to 0.4 m, which is 20 %."""
    network = narrow()
    bins = torch.linspace(np.log(0.1), np.log(200), 256)
    network.decoder.depth_regressor[2].bias.copy_(-20 * (bins - np.log(2)) ** 2)
    network.decoder.update_block.flow_head.conv2d.weight.mul_(0.01)
    network.decoder.update_block.flow_head.conv2d.bias.zero_()
    network.optimise()
    image = image_of(pattern, 84, 56)
    with torch.inference_mode():
        right, *_ = network(image)
        found, *others = network.bfloat16()(image.bfloat16())
    assert 1.5 < right.median() < 3
    assert found.dtype == torch.float32 and all(value.dtype == torch.float32 for value in others)
    assert ((found - right).abs() / right).max() < 0.03


def test_the_recurrent_unit_is_the_authors(weight) -> None:
    """Against its definition: three convolutions of everything, one after another."""
    names = {
        f"conv{gate}.{part}": (12, 24, 3, 3) if part == "weight" else (12,)
        for gate in "zrq"
        for part in ("weight", "bias")
    }
    official = {name: weight(name, shape) for name, shape in names.items()}
    hidden, inputs, context = (weight(name, (1, count, 9, 7)) for name, count in (("h", 12), ("x", 12), ("c", 36)))

    def gate(name: str, *values: Tensor) -> Tensor:
        return functional.conv2d(
            torch.cat(values, dim=1), official[f"conv{name}.weight"], official[f"conv{name}.bias"], padding=1
        )

    cz, cr, cq = context.chunk(3, dim=1)
    z, r = torch.sigmoid(gate("z", hidden, inputs) + cz), torch.sigmoid(gate("r", hidden, inputs) + cr)
    expected = (1 - z) * hidden + z * torch.tanh(gate("q", r * hidden, inputs) + cq)
    unit = ConvGru(12, (12,)).requires_grad_(False)
    weights = [official[f"conv{name}.weight"] for name in "zrq"]
    unit.hidden.weight.copy_(torch.cat([weights[0][:, :12], weights[1][:, :12]]))
    unit.candidate.weight.copy_(weights[2][:, :12])
    unit.inputs[0].weight.copy_(torch.cat(weights)[:, 12:])
    bias = torch.cat([official[f"conv{name}.bias"] for name in "zrq"])[None, :, None, None]
    torch.testing.assert_close(unit(hidden, unit.inputs[0](inputs) + context + bias), expected)


def test_convex_upsampling_picks_and_mixes() -> None:
    """A pixel that takes its left neighbour, one that takes the mean of all nine; outside depth is the farthest."""
    state = torch.arange(12.0).reshape(1, 1, 3, 4).repeat(1, 6, 1, 1)
    mask = torch.full((1, 9, 16, 3, 4), 0.0)
    mask[:, 3, 5] = 1e4  # of the sub-pixel in row 1, column 1: the left neighbour alone
    out = convex_upsample(state, mask.flatten(1, 2))
    assert out.shape == (1, 6, 12, 16)
    torch.testing.assert_close(out[0, 1, 1::4, 5::4], state[0, 1, :, :3])
    torch.testing.assert_close(out[0, 0, 1::4, 1], torch.full((3,), FARTHEST_M / UNIT_M))
    torch.testing.assert_close(out[0, 1, 1::4, 1], torch.zeros(3))
    torch.testing.assert_close(out[0, 2, 4, 4], torch.tensor(5.0))


def test_normals_become_unit_vectors() -> None:
    out = unit_normals(torch.tensor([3.0, 0.0, -4.0, -50.0]).reshape(1, 4, 1, 1))
    torch.testing.assert_close(out.flatten(), torch.tensor([0.6, 0.0, -0.8, 0.01]))
    assert torch.isfinite(unit_normals(torch.zeros(1, 4, 1, 1))).all()
