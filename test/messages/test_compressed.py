# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import struct
import zlib

import cv2
import numpy as np
import pytest
import zstandard

from mono_depth_ros.errors import ImageError
from mono_depth_ros.messages.compressed import compressed_size, decode_compressed, order_is_doubtful

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


def test_tiff_of_an_rgb_image_is_stored_swapped(rosbags_messages) -> None:
    message = rosbags_messages.compressed("rgb8; tiff compressed ", encoded(".tiff", RGB))
    np.testing.assert_array_equal(decode_compressed(message), RGB)


@pytest.mark.parametrize("name", ["rgb8; png compressed rgb8", "bgr8; png compressed rgb8"])
def test_compressed_rgb8_is_an_ordinary_picture_unless_the_format_is_to_be_followed(rosbags_messages, name) -> None:
    ordinary = rosbags_messages.compressed(name, encoded(".png", RGB[..., ::-1]))
    swapped = rosbags_messages.compressed(name, encoded(".png", RGB))
    assert order_is_doubtful(ordinary)
    np.testing.assert_array_equal(decode_compressed(ordinary), RGB)
    np.testing.assert_array_equal(decode_compressed(swapped, order="format"), RGB)


@pytest.mark.parametrize("name", ["jpeg", "rgb8; jpeg compressed bgr8", "rgb8; tiff compressed rgb8"])
def test_other_formats_leave_no_doubt_of_the_order(rosbags_messages, name) -> None:
    assert not order_is_doubtful(rosbags_messages.compressed(name, b""))


@pytest.mark.parametrize(
    "stored", ["png compressed ", "tiff compressed ", "jpeg compressed ", "jpeg compressed bayer_grbg8"]
)
def test_a_mosaic_that_is_stored_as_it_is(rosbags_messages, stored: str) -> None:
    """As image_transport of ROS 1 and Foxy does."""
    mosaic = np.full((16, 16), 100, np.uint8)
    mosaic[0::2, 1::2], mosaic[1::2, 0::2] = 200, 50  # grbg
    kind = stored.partition(" ")[0]
    payload = cv2.imencode(f".{kind}", mosaic, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    rgb = decode_compressed(rosbags_messages.compressed(f"bayer_grbg8; {stored}", payload))
    np.testing.assert_allclose(rgb.astype(int), np.broadcast_to([200, 100, 50], (16, 16, 3)), atol=3)


@pytest.mark.parametrize("stored", ["jpeg compressed mono8", "png compressed mono8"])
def test_a_mosaic_that_was_interpolated_to_grey_is_grey(rosbags_messages, stored: str) -> None:
    kind = stored.partition(" ")[0]
    grey = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    payload = cv2.imencode(f".{kind}", grey, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    rgb = decode_compressed(rosbags_messages.compressed(f"bayer_grbg8; {stored}", payload))
    assert (rgb == rgb[..., :1]).all()


def zstd(encoding: str, width: int, height: int, step: int, packed: bytes) -> bytes:
    name = encoding.encode()
    return struct.pack("<IIBII", height, width, 0, step, len(name)) + name + packed


@pytest.mark.parametrize("pack", [zstandard.compress, zlib.compress, gzip.compress])
def test_the_zstd_transport(ros, pack) -> None:
    padded = np.pad(RGB[..., ::-1].reshape(24, -1), ((0, 0), (0, 8)))
    message = ros.compressed("zstd", zstd("bgr8", 32, 24, 104, pack(padded.tobytes())))
    assert compressed_size(message) == (32, 24)
    np.testing.assert_array_equal(decode_compressed(message), RGB)


@pytest.mark.parametrize(
    "data, reason, sentence",
    [
        (b"", "image_truncated", "has 0 bytes, expected at least 17"),
        (struct.pack("<IIBII", 24, 32, 0, 96, 2**31), "image_truncated", "has 17 bytes"),
        (zstd("rgb8", 32, 24, 96, b"no zstd"), "image_payload", "cannot be unpacked"),
        (
            zstd("rgb8", 32, 24, 96, zstandard.compress(bytes(10**8))),
            "image_payload",
            "claims 100000000 bytes for 32x24",
        ),
        (zstd("rgb8", 32, 24, 96, zlib.compress(bytes(10**8))), "image_payload", "expected 2304"),
        (zstd("rgb8", 32, 24, 96, zstandard.compress(bytes(2303))), "image_truncated", "expected 2304"),
        (zstd("rgb8", 0, 24, 96, zstandard.compress(b"")), "image_zero_size", "0x24"),
    ],
)
def test_bad_zstd(ros, data: bytes, reason: str, sentence: str) -> None:
    message = ros.compressed("zstd", data)
    with pytest.raises(ImageError, match=sentence) as caught:
        compressed_size(message)
        decode_compressed(message)
    assert caught.value.reason == reason


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
