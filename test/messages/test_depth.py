# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings

import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError, ImageError
from mono_depth_ros.messages.depth import decode_depth, encode_depth
from mono_depth_ros.messages.image import fill_image

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("padding", [0, 3])
def test_float_metres(ros, big: bool, padding: int) -> None:
    stored = np.array([[1.5, NAN, INF], [0.0, -1.0, -INF]], ">f4" if big else "<f4")
    rows = np.pad(stored.view(np.uint8), ((0, 0), (0, padding)), constant_values=7)
    depth = decode_depth(ros.image("32FC1", 3, 2, 12 + padding, rows.tobytes(), big))
    assert depth.dtype == np.float32 and depth.dtype.isnative and depth.flags.c_contiguous and depth.flags.writeable
    np.testing.assert_array_equal(depth, np.array([[1.5, NAN, INF], [NAN, NAN, NAN]], np.float32))


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("padding", [0, 3])
def test_millimetres(ros, big: bool, padding: int) -> None:
    stored = np.array([[0, 1, 1500], [65535, 256, 999]], ">u2" if big else "<u2")
    rows = np.pad(stored.view(np.uint8), ((0, 0), (0, padding)), constant_values=7)
    depth = decode_depth(ros.image("16UC1", 3, 2, 6 + padding, rows.tobytes(), big))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.array([[NAN, 0.001, 1.5], [65.535, 0.256, 0.999]], np.float32))


def test_millimetres_written_without_a_cast_of_nan() -> None:
    depth = np.array([NAN, INF, -INF, 0, -1, 0.0004, 0.0006, 1.2346, 65.535, 65.54, 1e9], np.float32)[None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy warns of a NaN that becomes an integer
        pixels = encode_depth(depth, "16UC1")
    assert pixels.dtype == np.uint16
    assert pixels.tolist() == [[0, 0, 0, 0, 0, 0, 1, 1235, 65535, 0, 0]]


def test_floats_are_written_as_they_are() -> None:
    depth = np.array([[1.5, NAN, INF]], np.float32)
    assert encode_depth(depth, "32FC1") is depth


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_round_trip(ros, encoding: str) -> None:
    depth = np.random.default_rng(0).uniform(0.2, 60, (5, 7)).astype(np.float32)
    depth[0, 0] = NAN
    message = ros.image("mono8", 1, 1, 1, b"\0")
    fill_image(message, encode_depth(depth, encoding), encoding)
    np.testing.assert_allclose(decode_depth(message), depth, atol=0 if encoding == "32FC1" else 0.000504, rtol=0)


def test_bad_depth(ros) -> None:
    with pytest.raises(ImageError, match="depth encoding is 'bgr8', expected 32FC1 or 16UC1") as caught:
        decode_depth(ros.image("bgr8", 1, 1, 3, bytes(3)))
    assert caught.value.reason == "image_encoding"
    with pytest.raises(ImageError) as caught:
        decode_depth(ros.image("32FC1", 2, 2, 8, bytes(15)))
    assert caught.value.reason == "image_truncated"
    with pytest.raises(ConfigError, match="'64FC1', expected 32FC1 or 16UC1"):
        encode_depth(np.ones((1, 1), np.float32), "64FC1")
