# SPDX-License-Identifier: Apache-2.0
"""Relative or metric, told by what a network answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.depth_anything.checkpoint import MEAN, STD, read
from mono_depth_ros.models.depth_anything.scene import answer, before_activation, corridor, judge
from mono_depth_ros.models.depth_anything.sizes import build
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork
from mono_depth_ros.prediction import DepthKind

NEARNESS = corridor()[1]
KINDS = {"relative": DepthKind.INVERSE_AFFINE, "metric": DepthKind.METRIC}


def normalised() -> torch.Tensor:
    image = (torch.from_numpy(corridor()[0]).float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    return image.permute(2, 0, 1)[None]


def target(kind: str) -> np.ndarray:
    """What a perfect network gives before its last activation: inverse depth, or the logit of depth / 20 m."""
    return 10 * NEARNESS if kind == "relative" else np.log(1 / (20 * NEARNESS - 1))


@pytest.fixture(scope="module")
def learned(small_weights):
    """`learned(kind)`: the weights with a last layer that has learned the corridor."""

    def fit(kind: str) -> dict[str, torch.Tensor]:
        network = build_small(small_weights)
        seen: list[torch.Tensor] = []
        hook = network.depth_head.scratch.output_conv2[2].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        with torch.inference_mode():
            network(normalised())
        hook.remove()
        features = seen[0][0].flatten(1).T.double().numpy()
        columns = np.concatenate([features, np.ones((len(features), 1))], axis=1)
        solution = np.linalg.lstsq(columns, target(kind).ravel(), rcond=None)[0].astype(np.float32)
        last = "depth_head.scratch.output_conv2.2"
        layer = {f"{last}.weight": torch.from_numpy(solution[:-1])[None, :, None, None].clone()}
        return {**small_weights, **layer, f"{last}.bias": torch.from_numpy(solution[-1:]).clone()}

    return fit


def build_small(weights: dict[str, torch.Tensor]) -> DepthAnythingNetwork:
    return build(SIZES["small"], None, weights, Path("weights")).eval().requires_grad_(False)


def test_the_corridor_is_one() -> None:
    rgb, nearness = corridor()
    assert rgb.shape == (252, 252, 3) and rgb.dtype == np.uint8 and rgb.std() > 30
    assert nearness.min() == pytest.approx(1 / 12)
    assert nearness[126, 126] == nearness.min() and nearness[251, 126] > 0.4 and nearness[126, 0] > 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_answer_is_clear(kind: str) -> None:
    found, correlation = judge(target(kind), NEARNESS)
    assert found is KINDS[kind] and abs(correlation) > 0.99
    noisy = target(kind) + np.random.RandomState(0).normal(0, 0.15, NEARNESS.shape)
    assert judge(noisy, NEARNESS)[0] is KINDS[kind]


@pytest.mark.parametrize(
    "values", [0.01 * NEARNESS, np.random.RandomState(0).normal(0, 50, NEARNESS.shape), np.zeros_like(NEARNESS)]
)
def test_faint_and_noisy_answers_are_not_clear(values: np.ndarray) -> None:
    with np.errstate(invalid="ignore"):
        assert judge(values, NEARNESS)[0] is None


def test_weights_of_noise_are_not_clear(small_weights) -> None:
    network = build_small(small_weights)
    assert answer(network, torch.tensor(MEAN), torch.tensor(STD))[0] is None
    loud = {name: value * (50 if "output_conv2.2" in name else 1) for name, value in small_weights.items()}
    assert answer(build_small(loud), torch.tensor(MEAN), torch.tensor(STD))[0] is None


def test_what_is_read_is_before_the_activation(small_weights) -> None:
    low = {**small_weights, "depth_head.scratch.output_conv2.2.bias": torch.tensor([-100.0])}
    network = build_small(low)
    assert before_activation(network, normalised()).max() < -90
    assert network(normalised()).max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_learned_weights_are_told_whatever_the_file_is_called(learned, kind: str, tmp_path) -> None:
    other = "metric" if kind == "relative" else "relative"
    names = {"relative": "depth_anything_v2_vits.pth", "metric": "depth_anything_v2_metric_vkitti_vits.pth"}
    for name in names.values():
        torch.save(learned(kind), tmp_path / name)
    assert read(tmp_path / names[kind]).network().max_depth_m == (80 if kind == "metric" else None)
    with pytest.raises(ModelError, match=rf"{names[other]} is {kind}, expected {other}.*corridor.*rank correlation"):
        read(tmp_path / names[other]).network()
