# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from mono_depth_ros.models.resample import (
    resize_area,
    resize_area_matrix,
    resize_images,
    resize_images_torch,
    resize_maps,
    resize_pillow,
)


@pytest.mark.parametrize("size", [(924, 518), (686, 518), (300, 200), (641, 479)])
def test_torch_cubic_equals_opencv(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((360, 640, 3))
    expected = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    tensor = torch.from_numpy(image.astype(np.float32))
    for resize in (resize_images_torch, resize_images):
        np.testing.assert_allclose(resize(tensor[None], size, "cubic")[0].numpy(), expected, rtol=0, atol=1e-4)
    maps = resize_maps(tensor.permute(2, 0, 1), size, "cubic")
    np.testing.assert_allclose(maps.permute(1, 2, 0).numpy(), expected, rtol=0, atol=1e-4)


def test_corners_stay_corners() -> None:
    values = torch.tensor([[[0.0, 2.0], [4.0, 6.0]]])
    expected = torch.tensor([[[0.0, 1.0, 2.0], [2.0, 3.0, 4.0], [4.0, 5.0, 6.0]]])
    assert torch.equal(resize_maps(values, (3, 3), "corners"), expected)


def test_linear_follows_the_half_pixel_rule() -> None:
    out = resize_maps(torch.tensor([[[0.0, 4.0]]]), (4, 1), "linear")
    assert torch.equal(out, torch.tensor([[[0.0, 1.0, 3.0, 4.0]]]))
    values = torch.rand(48, 64)
    torch_way = torch.nn.functional.interpolate(values[None, None], (111, 130), mode="bilinear")[0, 0]
    torch.testing.assert_close(resize_maps(values[None], (130, 111), "linear")[0], torch_way, rtol=0, atol=5e-5)


def test_area_is_the_mean() -> None:
    rgb = torch.tensor([[0, 10, 20, 30, 40, 50]], dtype=torch.uint8).reshape(1, 1, 6, 1).expand(1, 2, 6, 3)
    for resize in (resize_area, resize_area_matrix):
        assert resize(rgb, (2, 1))[0, 0, :, 0].tolist() == [10, 40]
        assert resize(rgb, (4, 1))[0, 0, :, 0].tolist() == [3, 17, 33, 47]  # 3.3, 16.7, 33.3, 46.7


@pytest.mark.parametrize("size", [(256, 192), (320, 160), (100, 50), (800, 640)])
def test_area_as_matrices_equals_opencv(size: tuple[int, int]) -> None:
    rgb = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, 480, 640, 3), dtype=np.uint8))
    difference = resize_area(rgb, size).int() - resize_area_matrix(rgb, size).int()
    assert difference.abs().max() <= 1


def test_area_with_one_side_growing_keeps_a_ramp() -> None:
    rgb = torch.arange(0, 240, 4, dtype=torch.uint8).reshape(1, 60, 1, 1).expand(1, 60, 10, 3)
    out = resize_area(rgb, (20, 30))  # rows halve, columns double
    assert out.shape == (1, 30, 20, 3)
    assert out[0, :, 0, 0].tolist() == list(range(2, 240, 8))


@pytest.mark.parametrize("size", [(256, 192), (100, 50), (800, 640)])
@pytest.mark.parametrize("how", ["linear", "cubic", "area"])
def test_resampling_is_the_same_on_every_device(size: tuple[int, int], how: str) -> None:
    image = torch.from_numpy(np.random.default_rng(2).random((2, 480, 640, 3)).astype(np.float32))
    if how != "area" or size < (640, 480):
        torch.testing.assert_close(
            resize_images(image, size, how), resize_images_torch(image, size, how), rtol=0, atol=1e-4
        )
    rounded = resize_images((image * 255).byte(), size, how)
    assert rounded.dtype == torch.uint8
    other = resize_images_torch(
        (image * 255).byte().float(), size, how if size < (640, 480) else how.replace("area", "cubic")
    )
    assert (rounded.float() - other.clamp(0, 255)).abs().max() <= 1.5  # OpenCV rounds its weights too


KERNELS = {"linear": Image.Resampling.BILINEAR, "cubic": Image.Resampling.BICUBIC}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((640, 480), (384, 384)),
        ((640, 480), (512, 384)),
        ((1242, 375), (1216, 352)),
        ((64, 48), (384, 384)),
        ((64, 48), (64, 32)),
        ((5, 7), (384, 384)),
        ((9, 1), (32, 32)),
    ],
)
def test_resize_is_pillows(source: tuple[int, int], target: tuple[int, int], kernel: str, pattern) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (source[1], source[0], 3), dtype=np.uint8)
    for image in (pattern(*source), noise):
        expected = np.asarray(Image.fromarray(image).resize(target, KERNELS[kernel]))
        found = resize_pillow(torch.from_numpy(image)[None], target, kernel)[0].numpy()
        np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(int(PIL.__version__.partition(".")[0]) < 13, reason="Pillow went across first until 12")
@pytest.mark.parametrize("kernel", KERNELS)
def test_pillow_with_sizes_of_every_kind(kernel: str) -> None:
    random = np.random.default_rng(5)
    for width, height, *target in random.integers(3, 90, (60, 4)).tolist():
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = np.asarray(Image.fromarray(image).resize(target, KERNELS[kernel]))
        found = resize_pillow(torch.from_numpy(image)[None], tuple(target), kernel)[0].numpy()
        np.testing.assert_array_equal(found, expected, err_msg=f"{width}x{height} to {target}")


def test_pillow_of_a_batch_is_its_images(pattern) -> None:
    images = torch.from_numpy(np.stack([pattern(64, 48), 255 - pattern(64, 48)]))
    together = resize_pillow(images, (50, 70), "cubic")
    for index, image in enumerate(images):
        assert torch.equal(together[index], resize_pillow(image[None], (50, 70), "cubic")[0])


def test_pillow_of_the_same_size_is_the_same(pattern) -> None:
    image = torch.from_numpy(pattern(64, 48))[None]
    assert torch.equal(resize_pillow(image, (64, 48), "linear"), image)
