# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import ImageError
from mono_depth_ros.messages.compressed import decode_compressed

RGB = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def encoded(extension: str, picture: np.ndarray) -> bytes:
    return cv2.imencode(extension, picture)[1].tobytes()


@pytest.mark.parametrize("name", ["png", "bgr8; png compressed bgr8", "rgb8; png compressed bgr8", ""])
def test_png_is_exact(ros, name: str) -> None:
    rgb = decode_compressed(ros.compressed(name, encoded(".png", RGB[..., ::-1])))
    assert rgb.flags.c_contiguous and rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, RGB)


@pytest.mark.parametrize("name", ["jpeg", "jpg", "rgb8; jpeg compressed bgr8"])
def test_jpeg_is_close(ros, name: str) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    rgb = decode_compressed(ros.compressed(name, encoded(".jpg", flat[..., ::-1])))
    np.testing.assert_allclose(rgb.astype(int), flat, atol=3)


def test_grey_and_alpha(rosbags_messages) -> None:
    grey = decode_compressed(rosbags_messages.compressed("mono8; png compressed ", encoded(".png", RGB[..., 0])))
    np.testing.assert_array_equal(grey, RGB[..., [0, 0, 0]])
    bgra = np.dstack([RGB[..., ::-1], RGB[..., 0]])
    np.testing.assert_array_equal(decode_compressed(rosbags_messages.compressed("png", encoded(".png", bgra))), RGB)


def test_sixteen_bits_scale_as_raw_images(rosbags_messages) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    rgb = decode_compressed(rosbags_messages.compressed("mono16; png compressed ", encoded(".png", values)))
    np.testing.assert_array_equal(rgb[..., 0], (values.astype(int) + 128) // 257)


@pytest.mark.parametrize("name", ["bgr8; png compressed rgb8", "rgb8; tiff compressed "])
def test_channels_stored_swapped(rosbags_messages, name: str) -> None:
    extension = ".tiff" if "tiff" in name else ".png"
    message = rosbags_messages.compressed(name, encoded(extension, RGB))
    np.testing.assert_array_equal(decode_compressed(message), RGB)


def test_mosaic_in_a_png(rosbags_messages) -> None:
    mosaic = np.full((6, 8), 100, np.uint8)
    mosaic[0::2, 1::2], mosaic[1::2, 0::2] = 200, 50  # grbg
    message = rosbags_messages.compressed("bayer_grbg8; png compressed ", encoded(".png", mosaic))
    np.testing.assert_array_equal(decode_compressed(message), np.broadcast_to([200, 100, 50], (6, 8, 3)))


def test_orientation_tags_are_ignored(rosbags_messages) -> None:
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)  # orientation 6: turn by 90 degrees
    exif = b"Exif\0\0" + tiff
    jpeg = encoded(".jpg", RGB)
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (32, 24, 3)
    assert decode_compressed(rosbags_messages.compressed("jpeg", turned)).shape == (24, 32, 3)


JPEG, PNG = encoded(".jpg", RGB), encoded(".png", RGB)


@pytest.mark.parametrize(
    ("name", "data", "reason", "sentence"),
    [
        ("jpeg", b"", "image_zero_size", "'jpeg' payload is empty"),
        ("jpeg", JPEG[: len(JPEG) // 2], "image_truncated", "is cut off, expected the end marker of a JPEG"),
        ("png", PNG[:-8], "image_truncated", "is cut off, expected the end marker of a PNG"),
        ("jpeg", b"not a picture", "image_payload", "starting with 6e 6f 74 20 cannot be decoded"),
        ("jpeg", JPEG[:20] + bytes(300) + b"\xff\xd9", "image_payload", "cannot be decoded"),
        ("32FC1; compressedDepth png", PNG, "image_encoding", "which is depth, expected a colour image"),
        ("h264", b"\0\0\0\1", "image_encoding", "which is video, expected jpeg or png"),
    ],
)
def test_bad_payloads(ros, name: str, data: bytes, reason: str, sentence: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_compressed(ros.compressed(name, data))
    assert caught.value.reason == reason
    assert sentence in str(caught.value)


def test_float_pictures_are_refused(rosbags_messages) -> None:
    message = rosbags_messages.compressed("tiff", encoded(".tiff", np.ones((4, 4, 3), np.float32)))
    with pytest.raises(ImageError, match="float32 pixels, expected 8 or 16 bits"):
        decode_compressed(message)
