# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.models.resample import (
    lower_bound_size,
    resample,
    resample_torch,
    resize_area,
    resize_area_matrix,
    resize_corners,
    resize_cubic,
    resize_cubic_torch,
    resize_linear,
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ((640, 480), (686, 518)),
        ((480, 640), (518, 686)),
        ((640, 360), (924, 518)),
        ((1280, 720), (924, 518)),
        ((1920, 1080), (924, 518)),
        ((1242, 375), (1722, 518)),
        ((518, 518), (518, 518)),
        ((37, 37), (518, 518)),
        ((1036, 532), (1008, 518)),  # 72.05 steps
        ((1001, 1000), (518, 518)),  # 518.518 is nearest to 518
        ((1036, 1022), (532, 518)),  # 37.507 steps: up
        ((1022, 1000), (532, 518)),  # 37.81 steps
    ],
)
def test_size_rule_of_the_authors(source: tuple[int, int], expected: tuple[int, int]) -> None:
    assert lower_bound_size(*source) == expected


def test_halves_round_to_even() -> None:
    assert lower_bound_size(3, 2, target=5, multiple=5) == (10, 5)  # 1.5 steps -> 2
    assert lower_bound_size(5, 2, target=5, multiple=5) == (10, 5)  # 2.5 steps -> 2


def test_below_the_target_rounds_up() -> None:
    assert lower_bound_size(100, 100, target=520, multiple=14) == (532, 532)  # 37.14 steps -> 37 is 518 < 520


@pytest.mark.parametrize("size", [(924, 518), (686, 518), (300, 200), (641, 479)])
def test_torch_cubic_equals_opencv(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((360, 640, 3))
    expected = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    tensor = torch.from_numpy(image.astype(np.float32))
    np.testing.assert_allclose(resize_cubic_torch(tensor, size).numpy(), expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(resize_cubic(tensor, size).numpy(), expected, rtol=0, atol=1e-4)


def test_corners_stay_corners() -> None:
    values = torch.tensor([[[0.0, 2.0], [4.0, 6.0]]])
    expected = torch.tensor([[[0.0, 1.0, 2.0], [2.0, 3.0, 4.0], [4.0, 5.0, 6.0]]])
    assert torch.equal(resize_corners(values, (3, 3)), expected)


def test_linear_follows_the_half_pixel_rule() -> None:
    out = resize_linear(torch.tensor([[0.0, 4.0]]), (4, 1))
    assert torch.equal(out, torch.tensor([[0.0, 1.0, 3.0, 4.0]]))
    values = torch.rand(48, 64)
    torch_way = torch.nn.functional.interpolate(values[None, None], (111, 130), mode="bilinear")[0, 0]
    torch.testing.assert_close(resize_linear(values, (130, 111)), torch_way, rtol=0, atol=5e-5)


def test_area_is_the_mean() -> None:
    rgb = torch.tensor([[0, 10, 20, 30, 40, 50]], dtype=torch.uint8).reshape(1, 6, 1).expand(2, 6, 3)
    for resize in (resize_area, resize_area_matrix):
        assert resize(rgb, (2, 1))[0, :, 0].tolist() == [10, 40]
        assert resize(rgb, (4, 1))[0, :, 0].tolist() == [3, 17, 33, 47]  # 3.3, 16.7, 33.3, 46.7


@pytest.mark.parametrize("size", [(256, 192), (320, 160), (100, 50), (800, 640)])
def test_area_as_matrices_equals_opencv(size: tuple[int, int]) -> None:
    rgb = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8))
    difference = resize_area(rgb, size).int() - resize_area_matrix(rgb, size).int()
    assert difference.abs().max() <= 1


def test_area_with_one_side_growing_keeps_a_ramp() -> None:
    rgb = torch.arange(0, 240, 4, dtype=torch.uint8).reshape(60, 1, 1).expand(60, 10, 3)
    out = resize_area(rgb, (20, 30))  # rows halve, columns double
    assert out.shape == (30, 20, 3)
    assert out[:, 0, 0].tolist() == list(range(2, 240, 8))


@pytest.mark.parametrize("size", [(256, 192), (100, 50), (800, 640)])
@pytest.mark.parametrize("how", ["linear", "cubic", "area"])
def test_resampling_is_the_same_on_every_device(size: tuple[int, int], how: str) -> None:
    image = torch.from_numpy(np.random.default_rng(2).random((480, 640, 3)).astype(np.float32))
    if how != "area" or size < (640, 480):
        torch.testing.assert_close(resample(image, size, how), resample_torch(image, size, how), rtol=0, atol=1e-4)
    rounded = resample((image * 255).byte(), size, how)
    assert rounded.dtype == torch.uint8
    other = resample_torch(
        (image * 255).byte().float(), size, how if size < (640, 480) else how.replace("area", "cubic")
    )
    assert (rounded.float() - other.clamp(0, 255)).abs().max() <= 1.5  # OpenCV rounds its weights too
