# SPDX-License-Identifier: Apache-2.0
"""From messages to RGB: the size first, one kind of error whatever a library raises, and what is said once."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mono_depth_ros.config import ImageConfig
from mono_depth_ros.errors import ImageError
from mono_depth_ros.streams import images
from mono_depth_ros.streams.images import ImageReader

RGB = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def raw(width=32, height=24, data=None):
    pixels = RGB.tobytes() if data is None else data
    return SimpleNamespace(encoding="rgb8", width=width, height=height, step=3 * width, is_bigendian=0, data=pixels)


def compressed(name="jpeg", suffix=".png", picture=RGB[..., ::-1]):
    return SimpleNamespace(format=name, data=cv2.imencode(suffix, picture)[1].tobytes())


def reader(told=None, **options):
    return ImageReader(lambda: ImageConfig(**options), (told if told is not None else []).append)


@pytest.mark.parametrize("message", [raw(), compressed()], ids=["raw", "compressed"])
def test_size_and_pixels(message):
    assert reader().size(message) == (32, 24)
    np.testing.assert_array_equal(reader().rgb(message), RGB)


@pytest.mark.parametrize("message", [raw(), compressed()], ids=["raw", "compressed"])
def test_more_pixels_than_allowed(message):
    assert reader(max_image_pixels=32 * 24).size(message) == (32, 24)
    for read in (reader(max_image_pixels=32 * 24 - 1).size, reader(max_image_pixels=32 * 24 - 1).rgb):
        with pytest.raises(ImageError, match=r"the image is 32x24, .* expected at most max_image_pixels") as caught:
            read(message)
        assert caught.value.reason == "image_too_large"


def test_claims_of_a_raw_image_are_held_against_its_bytes():
    with pytest.raises(ImageError, match="expected at most max_image_pixels"):
        reader().size(raw(2**32 - 1, 2**32 - 1))
    with pytest.raises(ImageError, match="has 2304 bytes of data, expected 192000000"):
        reader().rgb(raw(8000, 8000))


@pytest.mark.parametrize("error", [cv2.error("broken"), ValueError("no"), MemoryError(), TypeError("never")])
def test_what_a_library_raises_is_an_error_of_the_image(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(images, "decode_image", fail)
    with pytest.raises(ImageError, match=f"cannot be decoded: {type(error).__name__}"):
        reader().rgb(raw())


def test_a_doubtful_order_of_colours_is_said_once():
    told = []
    read = reader(told)
    for _ in range(3):
        np.testing.assert_array_equal(read.rgb(compressed("rgb8; png compressed rgb8")), RGB)
    assert len(told) == 1 and "set compressed_order to format" in told[0]
    told.clear()
    swapped = reader(told, compressed_order="format").rgb(compressed("rgb8; png compressed rgb8"))
    np.testing.assert_array_equal(swapped, RGB[..., ::-1])
    reader(told).rgb(compressed("rgb8; png compressed bgr8"))
    assert not told
