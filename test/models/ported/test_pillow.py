# SPDX-License-Identifier: Apache-2.0
"""Resampling is Pillow's, to the bit."""

from __future__ import annotations

import numpy as np
import PIL
import pytest
import torch
from PIL import Image
from ported_reference import pattern_image

from mono_depth_ros.models.ported.pillow import resize_pillow

KERNELS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


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
def test_resize_is_pillows(source: tuple[int, int], target: tuple[int, int], kernel: str) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (source[1], source[0], 3), dtype=np.uint8)
    for image in (pattern_image(*source), noise):
        expected = np.asarray(Image.fromarray(image).resize(target, KERNELS[kernel]))
        found = resize_pillow(torch.from_numpy(image)[None], target, kernel)[0].numpy()
        np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(int(PIL.__version__.partition(".")[0]) < 13, reason="Pillow went across first until 12")
@pytest.mark.parametrize("kernel", KERNELS)
def test_sizes_of_every_kind(kernel: str) -> None:
    random = np.random.default_rng(5)
    for width, height, *target in random.integers(3, 90, (60, 4)).tolist():
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = np.asarray(Image.fromarray(image).resize(target, KERNELS[kernel]))
        found = resize_pillow(torch.from_numpy(image)[None], tuple(target), kernel)[0].numpy()
        np.testing.assert_array_equal(found, expected, err_msg=f"{width}x{height} to {target}")


def test_a_batch_is_its_images() -> None:
    images = torch.from_numpy(np.stack([pattern_image(64, 48), 255 - pattern_image(64, 48)]))
    together = resize_pillow(images, (50, 70), "bicubic")
    for index, image in enumerate(images):
        assert torch.equal(together[index], resize_pillow(image[None], (50, 70), "bicubic")[0])


def test_same_size_is_the_same() -> None:
    image = torch.from_numpy(pattern_image(64, 48))[None]
    assert torch.equal(resize_pillow(image, (64, 48), "bilinear"), image)
