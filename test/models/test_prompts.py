# SPDX-License-Identifier: Apache-2.0
"""Known depths on the grid of a network, and prompts that say nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import ModelError, SamplesError
from mono_depth_ros.models.processing import Processing, PromptInput, SizeRule
from mono_depth_ros.models.prompts import KnownDepths, PromptTensor, prompt_grid, prompt_tensor

SIZE = (6, 8)
FORM = PromptInput("prompt", SizeRule(longer_side=8))


def known(pixels: dict[tuple[int, int], float], size: tuple[int, int] = SIZE) -> KnownDepths:
    places = np.array(list(pixels), dtype=np.int64).reshape(-1, 2)
    return KnownDepths(places[:, 0], places[:, 1], np.array(list(pixels.values()), dtype=np.float32), size)


def tensor(*prompts: KnownDepths, form: PromptInput = FORM, rank: int = 4) -> PromptTensor:
    return prompt_tensor(prompts, SIZE, form, rank, torch.device("cpu"))


def test_a_dense_prompt_is_its_own_grid() -> None:
    depth = np.arange(1, 49, dtype=np.float32).reshape(SIZE)
    rows, columns = (of.ravel() for of in np.mgrid[:6, :8])
    given = KnownDepths(rows, columns, depth.ravel(), SIZE)
    assert np.array_equal(prompt_grid(given, SIZE), depth)
    found = tensor(given)
    assert torch.equal(found.values[0, 0], (torch.from_numpy(depth) - 1) / 47)
    assert torch.equal(found.metres(found.values[:, 0]), torch.from_numpy(depth)[None])


def test_holes_are_the_mean_of_the_four_nearest() -> None:
    given = known({(0, 0): 1, (0, 1): 2, (1, 0): 3, (1, 1): 4, (5, 7): 100})
    grid = prompt_grid(given, SIZE)
    assert grid[0, :2].tolist() == [1, 2] and grid[5, 7] == 100
    assert grid[2, 2] == pytest.approx((1 + 2 + 3 + 4) / 4)  # (5, 7) is farther than any of the four
    assert grid[5, 6] == pytest.approx((100 + 4 + 2 + 3) / 4)
    two = prompt_grid(known({(0, 0): 1, (5, 7): 3}), SIZE)
    assert two[3, 3] == 2 and two[0, 0] == 1


def test_of_several_in_a_cell_the_one_nearest_to_its_centre() -> None:
    given = known({(0, 0): 9, (1, 1): 5, (0, 2): 7, (10, 14): 1}, (12, 16))
    grid = prompt_grid(given, (4, 4))  # cells of 3 x 4 pixels
    assert grid[0, 0] == 5 and grid[3, 3] == 1


def test_a_hole_of_its_own() -> None:
    form = PromptInput("p", SizeRule(fixed=(8, 6)), "metres", 1000.0, hole=0.0)
    found = tensor(known({(0, 0): 1.5, (5, 7): 3}), form=form)
    assert found.values[0, 0, 0, 0] == 1500 and found.values.sum() == 4500 and not found.ends
    assert found.metres(torch.ones(1, 2, 2)).eq(1).all()


@pytest.mark.parametrize(("rank", "shape"), [(4, (2, 1, 6, 8)), (3, (2, 6, 8)), (2, (6, 8))])
def test_ranks(rank: int, shape: tuple[int, ...]) -> None:
    one, two = known({(0, 0): 1, (5, 7): 3}), known({(0, 0): 2, (5, 7): 6})
    found = tensor(*(one, two)[: 1 if rank == 2 else 2], rank=rank)
    assert found.values.shape == shape
    if rank == 4:
        assert found.metres(torch.ones(2, 1, 1)).flatten().tolist() == [3, 6]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (known({}), "the prompt holds no known depth, expected several"),
        (known({(2, 2): 4}), "the only known depth of the prompt is 4 m, and the network's depth cannot leave"),
        (known({(2, 2): 4, (3, 3): 4, (4, 4): 4.001}), "the 3 known depths of the prompt are 4 m"),
        (known({(0, 0): 1, (1, 1): 2}, (10, 10)), "is of a 10x10 image, that of the network 8x6: expected one of its"),
        (known({(0, 0): 1, (6, 0): 2}), "1 of 2 depths of the prompt lie outside of 8x6"),
        (known({(0, -1): 1, (1, 0): 2}), "1 of 2 depths of the prompt lie outside of 8x6"),
        (known({(0, 0): 1, (1, 0): float("nan"), (2, 0): 0}), "2 of 3 depths of the prompt are no positive number"),
        (known({(0, 0): 1, (1, 0): float("inf")}), "1 of 2 depths of the prompt are no positive number"),
    ],
)
def test_prompts_that_say_nothing(prompt: KnownDepths, said: str) -> None:
    with pytest.raises(SamplesError, match=said) as error:
        tensor(prompt)
    assert error.value.reason == "prompt"


def test_a_prompt_of_another_size_but_the_same_shape() -> None:
    rows, columns = (of.ravel() for of in np.mgrid[:12, :16])
    large = KnownDepths(rows, columns, (1 + rows // 2 * 8 + columns // 2).astype(np.float32), (12, 16))
    assert np.array_equal(prompt_grid(large, SIZE), np.arange(1, 49).reshape(SIZE))
    assert tensor(large).values.shape == (1, 1, 6, 8)


@pytest.mark.parametrize(
    ("prompt", "more", "said"),
    [
        ({"size": {"source": True}}, {}, "m.yaml, prompt, size gives source, expected fixed or longer_side"),
        ({"size": {}}, {}, "m.yaml, prompt, size gives no size, expected one of"),
        ({"factor": 2.0}, {}, "m.yaml, prompt: factor goes with range metres, found range own"),
        ({}, {"kind": "inverse_affine"}, "m.yaml gives a prompt with kind inverse_affine, expected kind metric"),
        ({"rnage": "own"}, {}, "'rnage' is not known, did you mean 'range'"),
        ({"name": "x"}, {}, "names an input twice"),
    ],
)
def test_contracts(prompt: dict, more: dict, said: str) -> None:
    content = {
        "kind": "metric",
        "input": {"name": "x", "size": {"fixed": [8, 6]}, "resample": "linear", "range": 1},
        "prompt": {"name": "p", "size": {"fixed": [8, 6]}, **prompt},
        "outputs": {"depth": "y", "resize": "linear"},
        **more,
    }
    with pytest.raises(ModelError, match=said):
        Processing.parse(content, "m.yaml")
