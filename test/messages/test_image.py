# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError, ImageError
from mono_depth_ros.messages import bridge, image
from mono_depth_ros.messages.image import ENCODINGS, decode_image, fill_image
from mono_depth_ros.messages.planes import SEMI_PLANAR

WIDTH, HEIGHT = 8, 6


def scaled(values: np.ndarray) -> np.ndarray:
    """v / 257 to the nearest integer; there are no ties, 257 being odd."""
    return ((values.astype(np.int64) + 128) // 257).astype(np.uint8)


def from_yuv(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """ITU-R BT.601, limited range."""
    luma = 1.164 * (y - 16)
    rgb = (luma + 1.596 * (v - 128), luma - 0.813 * (v - 128) - 0.391 * (u - 128), luma + 2.018 * (u - 128))
    return np.stack(rgb, -1).round().astype(np.uint8)


def pixels_of(encoding: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels in an encoding, and the RGB they stand for."""
    rng = np.random.default_rng(len(encoding))
    if encoding.startswith("bayer"):
        pattern, wide = encoding[6:10], encoding.endswith("16")
        color = {"r": 200, "g": 100, "b": 50}  # one colour all over: any right interpolation gives it back
        mosaic = np.empty((HEIGHT, WIDTH), np.uint16 if wide else np.uint8)
        for (row, column), name in zip(((0, 0), (0, 1), (1, 0), (1, 1)), pattern, strict=True):
            mosaic[row::2, column::2] = color[name] * (257 if wide else 1)
        return mosaic, np.broadcast_to(np.array([200, 100, 50], np.uint8), (HEIGHT, WIDTH, 3))
    if encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        y = rng.integers(60, 180, (HEIGHT, WIDTH))
        u, v = rng.integers(110, 146, (2, HEIGHT, WIDTH // 2)).repeat(2, axis=2)
        chroma = np.where(np.arange(WIDTH) % 2 == 0, u, v)
        order = (chroma, y) if encoding in ("yuv422", "uyvy") else (y, chroma)
        return np.stack(order, -1).astype(np.uint8), from_yuv(y, u, v)
    if encoding in SEMI_PLANAR:
        y = rng.integers(60, 180, (HEIGHT, WIDTH))
        parts = 1 if encoding == "nv24" else 2
        u, v = rng.integers(110, 146, (2, HEIGHT // parts, WIDTH // parts))
        chroma = np.stack((v, u) if encoding == "nv21" else (u, v), -1).reshape(-1, WIDTH)
        stored = np.concatenate([y, chroma]).astype(np.uint8)
        return stored, from_yuv(y, *(plane.repeat(parts, 0).repeat(parts, 1) for plane in (u, v)))
    channels = {"mono8": 1, "mono16": 1, "8UC1": 1}.get(encoding, 4 if "a" in encoding or "4" in encoding else 3)
    high, kind = (65536, np.uint16) if encoding.endswith("16") else (256, np.uint8)
    stored = rng.integers(0, high, (HEIGHT, WIDTH, channels), dtype=kind)
    order = [0, 0, 0] if channels == 1 else ([0, 1, 2] if encoding.startswith("rgb") else [2, 1, 0])
    rgb = stored[..., order]
    return stored.squeeze(-1) if channels == 1 else stored, scaled(rgb) if high > 256 else rgb


def padded(pixels: np.ndarray, padding: int, big: bool) -> tuple[int, bytes]:
    """The step and the bytes of rows with padding, in the given byte order."""
    pixels = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    rows = pixels.reshape(max(HEIGHT, len(pixels)), -1).view(np.uint8)
    filled = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xAB)
    return filled.shape[1], filled.tobytes()


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("padding", [0, 5, 24])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding(ros, encoding: str, padding: int, big: bool) -> None:
    pixels, expected = pixels_of(encoding)
    step, data = padded(pixels, 0 if encoding == "nv24" else padding, big)
    rgb = decode_image(ros.image(encoding, WIDTH, HEIGHT, step, data, big))
    assert rgb.dtype == np.uint8 and rgb.shape == (HEIGHT, WIDTH, 3) and rgb.flags.c_contiguous
    tolerance = 1 if "yu" in encoding or encoding in SEMI_PLANAR else 0  # OpenCV's YUV is in fixed point
    np.testing.assert_allclose(rgb.astype(int), expected.astype(int), rtol=0, atol=tolerance)


def yuv(encoding: str, width: int = 8, height: int = 6) -> np.ndarray:
    rows = 3 * height if encoding == "nv24" else height * 3 // 2
    return np.random.default_rng(5).integers(0, 256, (rows, width), dtype=np.uint8)


@pytest.mark.parametrize("encoding", SEMI_PLANAR)
@pytest.mark.parametrize("step", [8, 12, 24], ids=["luma", "mean", "all"])
def test_planes_are_converted_as_opencv_does_whatever_drivers_call_the_step(ros, encoding: str, step: int) -> None:
    stored = yuv(encoding)
    rgb = decode_image(ros.image(encoding, 8, 6, step, stored.tobytes()))
    if encoding == "nv24":  # each pixel four times over is an nv12 image
        chroma = stored[6:].reshape(6, 8, 2).reshape(6, 16)
        wide = np.concatenate([stored[:6].repeat(2, 0).repeat(2, 1), chroma])
        expected = cv2.cvtColor(wide, cv2.COLOR_YUV2RGB_NV12)[::2, ::2]
    else:
        code = cv2.COLOR_YUV2RGB_NV12 if encoding == "nv12" else cv2.COLOR_YUV2RGB_NV21
        expected = cv2.cvtColor(stored, code)
    np.testing.assert_array_equal(rgb, expected)


def test_rows_of_full_chroma_are_two_steps_long(ros) -> None:
    stored = yuv("nv24")
    luma, chroma = stored[:6], stored[6:].reshape(6, 16)
    data = np.pad(luma, ((0, 0), (0, 4))).tobytes() + np.pad(chroma, ((0, 0), (0, 8))).tobytes()
    found = decode_image(ros.image("nv24", 8, 6, 12, data))
    np.testing.assert_array_equal(found, decode_image(ros.image("nv24", 8, 6, 8, stored.tobytes())))


@pytest.mark.parametrize(
    "encoding, size, data, reason",
    [
        ("nv12", (8, 6), 71, "image_truncated"),
        ("nv21", (8, 6), 73, "image_payload"),
        ("nv24", (8, 6), 143, "image_truncated"),
        ("nv12", (7, 6), 63, "image_payload"),
        ("nv21", (8, 5), 60, "image_payload"),
        ("nv21", (0, 6), 0, "image_zero_size"),
        ("nv12", (2**32 - 2, 2**32 - 2), 10, "image_truncated"),
    ],
)
def test_bad_planes(ros, encoding: str, size: tuple[int, int], data: int, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_image(ros.image(encoding, *size, size[0], bytes(data)))
    assert caught.value.reason == reason


@pytest.mark.parametrize("encoding", ["16SC1", "8UC2", "64FC3"])
def test_encodings_without_colours_are_named(ros, encoding: str) -> None:
    with pytest.raises(
        ImageError, match=f"'{encoding}', which tells the type of numbers and no colours, expected one of"
    ):
        decode_image(ros.image(encoding, 2, 2, 2, bytes(4)))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, list])
def test_any_kind_of_data(kind: type) -> None:
    pixels, expected = pixels_of("bgr8")
    step, data = padded(pixels, 3, False)
    message = SimpleNamespace(
        encoding="bgr8", width=WIDTH, height=HEIGHT, step=step, is_bigendian=False, data=kind(data)
    )
    np.testing.assert_array_equal(decode_image(message, use_cv_bridge=False), expected)


def test_rgb8_without_padding_is_a_view(ros) -> None:
    pixels, _ = pixels_of("rgb8")
    message = ros.image("rgb8", WIDTH, HEIGHT, WIDTH * 3, pixels.tobytes())
    assert np.shares_memory(decode_image(message), np.frombuffer(message.data, np.uint8))


def test_sixteen_bits_scale_by_257_to_the_nearest() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(image.to_8bit(values), scaled(values))


def test_fill_then_decode(ros) -> None:
    pixels, expected = pixels_of("bgr8")
    message = ros.image("mono8", 1, 1, 1, b"\0")
    fill_image(message, pixels, "bgr8")
    assert (message.width, message.height, message.step, len(message.data)) == (WIDTH, HEIGHT, 24, 144)
    np.testing.assert_array_equal(decode_image(message), expected)


@pytest.mark.parametrize(
    ("change", "reason", "sentence"),
    [
        ({"width": 0}, "image_zero_size", "image size is 0x6, expected at least 1x1"),
        ({"height": 0, "data": b""}, "image_zero_size", "image size is 8x0"),
        ({"step": 23}, "image_step", "step is 23 bytes in a 8 pixel wide bgr8 image, expected at least 24"),
        ({"step": 0}, "image_step", "step is 0 bytes"),
        ({"data": bytes(143)}, "image_truncated", "has 143 bytes of data, expected 144"),
        ({"data": b""}, "image_truncated", "has 0 bytes of data, expected 144"),
        ({"data": bytes(150)}, "image_payload", "has 150 bytes of data, expected 144"),
        ({"encoding": "bgr99"}, "image_encoding", "image encoding is 'bgr99', expected one of: rgb8, bgr8"),
        ({"encoding": ""}, "image_encoding", "image encoding is ''"),
        ({"encoding": "32FC1"}, "image_encoding", "depth or raw data, expected a colour image"),
        ({"encoding": "yuyv", "width": 7}, "image_payload", "7 pixels wide, expected an even width"),
        ({"encoding": "bayer_rggb8", "height": 2, "data": bytes(48)}, "image_payload", "8x2, expected at least 3x3"),
    ],
)
def test_bad_images(ros, change: dict, reason: str, sentence: str) -> None:
    good = {"encoding": "bgr8", "width": WIDTH, "height": HEIGHT, "step": 24, "data": bytes(144)}
    with pytest.raises(ImageError) as caught:
        decode_image(ros.image(**(good | change)))
    assert caught.value.reason == reason
    assert sentence in str(caught.value)


class FakeBridge:
    """Stands for cv_bridge: says that it was called."""

    def imgmsg_to_cv2(self, message, encoding: str) -> np.ndarray:
        assert encoding == "rgb8"
        return np.full((message.height, message.width, 3), 42, np.uint8)


@pytest.mark.parametrize(
    ("encoding", "padding", "big", "taken"),
    [
        ("bgr8", 0, False, True),
        ("bgr8", 3, False, True),
        ("mono16", 2, False, True),
        ("yuv422", 0, False, True),
        ("rgb8", 0, False, False),  # would be copied in vain
        ("bgr8", 1, False, False),  # would be sheared
        ("bgr8", 0, True, False),  # raises under NumPy 2
        ("8UC3", 0, False, False),  # is refused
        ("uyvy", 0, False, False),  # is not known
    ],
)
def test_cv_bridge_is_taken_where_it_fits(monkeypatch, rosbags_messages, encoding, padding, big, taken) -> None:
    monkeypatch.setattr(image, "cv_bridge", FakeBridge)
    pixels, _ = pixels_of(encoding)
    step, data = padded(pixels, padding, big)
    message = rosbags_messages.image(encoding, WIDTH, HEIGHT, step, data, big)
    assert bool((decode_image(message) == 42).all()) is taken
    assert not (decode_image(message, use_cv_bridge=False) == 42).all()


def test_cv_bridge_asked_for_and_absent(monkeypatch, rosbags_messages) -> None:
    monkeypatch.setattr(image, "cv_bridge", lambda: None)
    with pytest.raises(ConfigError, match="not installed"):
        decode_image(rosbags_messages.image("mono8", 1, 1, 1, b"\0"), use_cv_bridge=True)


@pytest.mark.skipif(bridge.cv_bridge() is None, reason="cv_bridge is not installed, or does not work here")
@pytest.mark.parametrize("encoding", [e for e in ENCODINGS if e[0] != "8" and e not in ("uyvy", "yuyv")])
@pytest.mark.parametrize("padding", [0, 24])
def test_cv_bridge_gives_the_same(ros, encoding: str, padding: int) -> None:
    pixels, _ = pixels_of(encoding)
    if not encoding.startswith("bayer"):
        pixels = np.random.default_rng(1).integers(0, np.iinfo(pixels.dtype).max, pixels.shape).astype(pixels.dtype)
    step, data = padded(pixels, padding, False)
    message = ros.image(encoding, WIDTH, HEIGHT, step, data)
    ours, theirs = decode_image(message, use_cv_bridge=False), decode_image(message, use_cv_bridge=True)
    np.testing.assert_array_equal(ours, theirs)
