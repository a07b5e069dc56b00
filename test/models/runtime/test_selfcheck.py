# SPDX-License-Identifier: Apache-2.0
"""Engines that are wrong on purpose are found out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime.engine import Engine, Inputs, Network
from mono_depth_ros.models.runtime.selfcheck import TOLERANCES, Reference, absrel, check
from mono_depth_ros.models.runtime.torch_engine import TorchEngine

Stub = Callable[..., Engine]


@pytest.fixture
def reference(network: Network, examples: Sequence[Inputs]) -> Reference:
    return Reference.of(TorchEngine(network, torch.device("cpu"), "fp32"), examples, network.depth)


def answers(reference: Reference, change: Callable[[torch.Tensor, int], torch.Tensor]) -> Callable[..., Inputs]:
    """A function that gives the right output, changed; `change` is told which of the examples it is."""

    def function(image: torch.Tensor) -> Inputs:
        index = next(i for i, inputs in enumerate(reference.examples) if inputs[0].shape == image.shape)
        return (change(reference.outputs[index][0].clone(), index),)

    return function


def test_the_reference_itself_passes(reference: Reference, stub: Stub) -> None:
    assert check(stub(answers(reference, lambda depth, _: depth)), reference) == 0


@pytest.mark.parametrize("precision", TOLERANCES)
def test_scaled_by_five_percent(reference: Reference, stub: Stub, precision: str) -> None:
    wrong = stub(answers(reference, lambda depth, _: depth * 1.05), "tensorrt", precision)
    message = (
        rf"engine 'tensorrt' in {precision} is wrong at 154x112: .* by AbsRel 0.05, expected {TOLERANCES[precision]:g} "
    )
    with pytest.raises(ModelError, match=message):
        check(wrong, reference)


def test_the_tolerance_is_that_of_the_precision(reference: Reference, stub: Stub) -> None:
    near = answers(reference, lambda depth, _: depth * 1.02)
    assert check(stub(near, "openvino", "bf16"), reference) == pytest.approx(0.02, rel=1e-3)
    with pytest.raises(ModelError, match=r"0\.02, expected 0\.01"):
        check(stub(near, "openvino", "fp16"), reference)


def test_wrong_at_one_of_two_sizes(reference: Reference, stub: Stub) -> None:
    with pytest.raises(ModelError, match="wrong at 140x140"):
        check(stub(answers(reference, lambda depth, index: depth * (1 + 0.05 * index))), reference)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_value_that_is_not_finite(reference: Reference, stub: Stub, value: float) -> None:
    def spoilt(depth: torch.Tensor, _: int) -> torch.Tensor:
        depth[0, 3, 4] = value
        return depth

    with pytest.raises(ModelError, match="not finite"):
        check(stub(answers(reference, spoilt)), reference)


@pytest.mark.parametrize("change", [lambda depth: depth[..., 1:], lambda depth: depth.mT, lambda depth: depth[0]])
def test_another_shape(reference: Reference, stub: Stub, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with pytest.raises(ModelError, match=r"found outputs of .*, expected .*\(1, 112, 154\)"):
        check(stub(answers(reference, lambda depth, _: change(depth))), reference)


def test_one_output_too_few(reference: Reference, stub: Stub) -> None:
    with pytest.raises(ModelError, match=r"found outputs of \[\], expected"):
        check(stub(lambda _: ()), reference)


def test_transposed_at_a_square_size(reference: Reference, stub: Stub) -> None:
    with pytest.raises(ModelError, match="wrong at 140x140: it differs"):
        check(stub(answers(reference, lambda depth, index: depth.mT if index else depth)), reference)


def test_shifted_by_half_a_pixel_of_the_features(reference: Reference, stub: Stub) -> None:
    with pytest.raises(ModelError, match="differs"):
        check(stub(answers(reference, lambda depth, _: depth.roll(7, -1))), reference)


def test_absrel() -> None:
    expected = torch.tensor([1.0, 2.0, 4.0])
    assert absrel(expected * 1.1, expected) == pytest.approx(0.1)
    assert absrel(torch.tensor([1.0, 2.0, 5.0]), expected) == pytest.approx(0.25 / 3)


def test_absrel_of_values_near_zero() -> None:
    # The mean is 1: values under .01 count as .01.
    expected = torch.tensor([0.0, 1e-9, 3.0 - 1e-9])
    assert absrel(expected + torch.tensor([1e-4, 0.0, 0.0]), expected) == pytest.approx(0.01 / 3, rel=1e-4)
    assert absrel(torch.zeros(4), torch.zeros(4)) == 0
    assert absrel(torch.ones(4), torch.zeros(4)) == math.inf


def test_absrel_with_nothing_to_compare_passes_nowhere() -> None:
    assert math.isnan(absrel(torch.ones(2), torch.tensor([math.nan, -1.0])))


def test_it_is_judged_by_the_depth_of_the_network(stub: Stub) -> None:
    # Log depth off by .05 is depth off by 5 %, whatever the logarithm's size.
    inputs = (torch.zeros(1, 1, 4, 4),)
    reference = Reference([inputs], [(torch.full((1, 4, 4), 100.0).double(),)], lambda outputs: outputs[0].exp())
    with pytest.raises(ModelError, match=r"AbsRel 0\.051"):
        check(stub(lambda _: (torch.full((1, 4, 4), 100.05).double(),)), reference)
