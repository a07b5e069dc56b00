# SPDX-License-Identifier: Apache-2.0
"""Quantising with pictures: which do, what is kept, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.quantize import Difference, Picture, split

CAMERA = Camera.from_fov((64, 48), 60)


@pytest.fixture
def pictures(still: Callable[[int], tuple[np.ndarray, Camera]]) -> Callable[[int], list[Picture]]:
    return lambda count: [partial(still, number) for number in range(count)]


def test_a_quarter_is_held_back_in_runs(pictures: Callable[[int], list[Picture]]) -> None:
    given = pictures(32)
    calibration, held_back = split(given)
    assert [given.index(picture) for picture in held_back] == [6, 7, 14, 15, 22, 23, 30, 31]
    assert sorted(map(given.index, calibration + held_back)) == list(range(32))
    calibration, held_back = split(pictures(1000))
    assert (len(calibration), len(held_back)) == (60, 20)


def test_pictures_that_do_not_do(
    pictures: Callable[[int], list[Picture]], still: Callable[[int], tuple[np.ndarray, Camera]]
) -> None:
    with pytest.raises(ModelError, match=r"^found 19 pictures, expected 20 at least"):
        split(pictures(19))
    with pytest.raises(ModelError, match=r"^of 40 pictures 1 differs from the others, expected 10 at least"):
        split([lambda index=index: (still(0)[0] // 2 + index, CAMERA) for index in range(40)])  # it grows brighter
    noise = [np.random.default_rng(index).integers(0, 9, (48, 64, 3), np.uint8) for index in range(40)]
    noisy = [lambda some=some: (still(0)[0] // 2 + some, CAMERA) for some in noise]
    with pytest.raises(ModelError, match=r"pictures all alike say nothing of others"):
        split(noisy)


def test_the_judgement() -> None:
    assert Difference(0.029, 0.099, 0.009).passes
    for values in ((0.031, 0.05, 0.0), (0.02, 0.11, 0.0), (0.02, 0.05, 0.02), (float("nan"), 0.05, 0.0)):
        assert not Difference(*values).passes
    assert str(Difference(0.02, 0.05, 0.0)) == "mean 2.00%, 95th percentile 5.00%"
