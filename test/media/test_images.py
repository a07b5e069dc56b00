# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import DataError, ImageError
from mono_depth_ros.media.images import find_images, read_image


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_folder_file_and_pattern(folder):
    a, b, c = folder / "a.JPG", folder / "b.png", folder / "sub" / "c.png"
    assert find_images([str(folder)]) == [a, b]
    assert find_images([str(c), str(folder)]) == [c, a, b]
    assert find_images([str(folder / "*.png")]) == [b]
    assert find_images([str(folder / "**" / "*.png")]) == [b, c]


def test_nothing_comes_twice(folder):
    assert find_images([str(folder / "b.png"), str(folder), str(folder / "b*")]) == [folder / "b.png", folder / "a.JPG"]


def test_depth_files_beside_colour_files_are_no_pictures(tmp_path):
    for name in ("frame-1.color.jpg", "frame-1.depth.png", "frame-0.color.jpg", "frame-0.depth.png"):
        (tmp_path / name).touch()
    assert [path.name for path in find_images([str(tmp_path)])] == ["frame-0.color.jpg", "frame-1.color.jpg"]


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path):
    (tmp_path / "a[1].png").touch()
    assert find_images([str(tmp_path / "a[1].png")]) == [tmp_path / "a[1].png"]


@pytest.mark.parametrize(
    "text, words", [("none.png", "no such file"), ("*.bmp", "no file matches"), ("sub2", "no image")]
)
def test_what_is_not_there(folder, text, words):
    (folder / "sub2").mkdir()
    with pytest.raises(DataError, match=words):
        find_images([str(folder / text)])


def write(path, pixels):
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def test_kinds_of_pixels_become_rgb(tmp_path):
    bgr = np.array([[[10, 20, 30], [200, 100, 0]]], dtype=np.uint8)
    rgb = bgr[..., ::-1]
    alpha = np.dstack([bgr, np.full((1, 2), 7, np.uint8)])
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.png", bgr)), rgb)
    np.testing.assert_array_equal(read_image(write(tmp_path / "alpha.png", alpha)), rgb)
    np.testing.assert_array_equal(read_image(write(tmp_path / "deep.png", bgr.astype(np.uint16) * 257)), rgb)
    grey = read_image(write(tmp_path / "grey.png", bgr[..., 0]))
    np.testing.assert_array_equal(grey, np.repeat(bgr[..., :1], 3, axis=-1))


def test_orientation_tags_are_ignored(tmp_path):
    picture = np.zeros((16, 32, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    # An EXIF segment with orientation 6: turn by 90 degrees.
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    segment = b"Exif\0\0" + tiff
    tagged = jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]
    path = tmp_path / "turned.jpg"
    path.write_bytes(tagged)
    assert cv2.imread(str(path)).shape == (32, 16, 3), "the tag is not one that a reader would follow"
    assert read_image(path).shape == (16, 32, 3)


def test_broken_files(tmp_path):
    whole = cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tobytes()
    for name, data in {"cut.png": whole[:-20], "empty.jpg": b"", "text.png": b"hello world"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError):
            read_image(tmp_path / name)
    with pytest.raises(DataError, match="cannot read"):
        read_image(tmp_path / "missing.png")
