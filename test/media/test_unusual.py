# SPDX-License-Identifier: Apache-2.0
"""Pictures of unusual kinds: read as they look, or refused by name, never silently black."""

from __future__ import annotations

import io
import logging

import cv2
import numpy as np
import pytest
from PIL import Image

from mono_depth_ros.errors import ImageError
from mono_depth_ros.media.images import read_image
from mono_depth_ros.media.unusual import holds_several

RGB = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8), (64, 48))
PICTURE = Image.fromarray(RGB)
GREY = np.asarray(PICTURE.convert("L"))


def saved(tmp_path, suffix, picture=PICTURE, **options):
    path = tmp_path / f"a{suffix}"
    picture.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("mode", "suffix", "grey"),
    [
        *((mode, ".png", mode in ("L", "LA")) for mode in ("L", "LA", "RGBA", "P")),
        *((mode, ".tif", mode == "L") for mode in ("L", "P", "CMYK", "YCbCr", "RGBA")),
        *(("CMYK", ".jpg", False), ("L", ".jpg", True), ("P", ".gif", False), ("P", ".bmp", False)),
        *(("RGBA", ".webp", False), ("1", ".png", None), ("1", ".tif", None)),
    ],
)
def test_it_is_read_as_it_looks(tmp_path, mode, suffix, grey):
    picture = PICTURE.convert(mode) if mode != "P" else PICTURE.convert("P", palette=Image.Palette.ADAPTIVE)
    if mode == "RGBA":
        picture.putalpha(Image.fromarray(np.full(GREY.shape, 128, np.uint8)))  # half transparent, straight
    found = read_image(saved(tmp_path, suffix, picture)).astype(int)
    if grey is None:
        assert np.array_equal(found[..., 0], np.asarray(picture) * 255)
    else:
        assert np.abs(found - (GREY[..., None] if grey else RGB)).mean() < 7, "a palette of 256 colours is 6.3 off"


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bits(tmp_path, suffix, caplog):
    cv2.imwrite(str(tmp_path / f"a{suffix}"), GREY.astype(np.uint16) * 16)
    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - GREY[..., None]).max() <= 1
    assert "are read as 12 bits" in caplog.text
    cv2.imwrite(str(tmp_path / f"a{suffix}"), GREY.astype(np.uint16) * 257)
    assert np.array_equal(read_image(tmp_path / f"a{suffix}")[..., 0], GREY)


@pytest.mark.parametrize(
    ("suffix", "pixels", "words"),
    [
        (".tif", (GREY / 255).astype(np.float32), "floating-point numbers of 32 bits, .*is it a depth map"),
        (".tif", (RGB / 255).astype(np.float32), "floating-point numbers of 32 bits"),
        (".tif", (GREY / 255).astype(np.float64), "floating-point numbers of 64 bits"),
        (".tif", GREY.astype(np.int16), "signed whole numbers of 16 bits"),
        (".tif", GREY.astype(np.int32), "whole numbers of 32 bits"),
        (".pfm", (GREY / 255).astype(np.float32), "PFM, which holds floating-point numbers"),
    ],
)
def test_numbers_that_are_no_levels_are_refused_by_name(tmp_path, suffix, pixels, words):
    path = tmp_path / f"a{suffix}"
    assert cv2.imwrite(str(path), pixels)
    with pytest.raises(ImageError, match=words):
        read_image(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC, as phones write it.*convert it to JPEG"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (b"<svg xmlns='a'/>", "a text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\0\0\1\0\1\0", "an icon"),
    ],
)
def test_other_formats_are_named(tmp_path, data, words):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ImageError, match=words):
        read_image(tmp_path / "a.jpg")


def test_a_preview_in_a_raw_file_is_refused(tmp_path):
    path = saved(tmp_path, ".tif", tiffinfo={254: 1})
    with pytest.raises(ImageError, match="a preview, as raw files of cameras begin with"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_of_several_pictures_the_first_is_taken_and_it_is_said(tmp_path, suffix, caplog):
    other = [Image.fromarray(255 - RGB)]
    many = saved(
        tmp_path, suffix, save_all=True, append_images=other, **({"lossless": True} if suffix == ".webp" else {})
    )
    with caplog.at_level(logging.WARNING):
        found = read_image(many)
    assert np.abs(found.astype(int) - RGB).mean() < 7 and "holds several pictures: the first is taken" in caplog.text
    data = many.read_bytes()
    for length in range(0, len(data), 5):
        holds_several(data[:length])  # whatever is cut off, it ends
    caplog.clear()
    assert not holds_several(saved(tmp_path, suffix).read_bytes())


def test_a_gif_with_a_long_extension_is_one_picture():
    stream = io.BytesIO()
    PICTURE.convert("P").save(stream, "GIF", comment=b"x" * 1000)
    assert not holds_several(stream.getvalue())
