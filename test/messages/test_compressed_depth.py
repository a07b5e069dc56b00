# SPDX-License-Identifier: Apache-2.0
"""Read back by a reader written from compressed_depth_image_transport's decoder, with a PNG reader of its own."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.messages.compressed_depth import fill_compressed_depth

NAN, INF = np.nan, np.inf


def png16(data: bytes) -> np.ndarray:
    """A grey PNG of 16 bits, after the PNG specification."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, width, height = 8, b"", 0, 0
    while at < len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", data, at + 8 + length)[0]
        if kind == b"IHDR":
            width, height, bits, colour, *_, interlaced = struct.unpack(">IIBBBBB", body)
            assert (bits, colour, interlaced) == (16, 0, 0)
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    raw = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 2 * width)
    rows, above = [], np.zeros(2 * width, np.int64)
    for method, *line in raw.tolist():
        row = np.zeros(2 * width, np.int64)
        for i, value in enumerate(line):
            left, corner = (row[i - 2], above[i - 2]) if i >= 2 else (0, 0)
            guess = left + above[i] - corner
            nearest = min((left, above[i], corner), key=lambda other: abs(int(guess) - int(other)))
            row[i] = (value + (0, left, above[i], (left + above[i]) // 2, nearest)[method]) & 255
        rows.append(row)
        above = row
    return np.array(rows, np.uint8).reshape(height, width, 2).astype(np.uint16) @ np.array([256, 1], np.uint16)


def read(message) -> np.ndarray:
    """decodeCompressedDepthImage: metres of 32FC1, millimetres of 16UC1."""
    encoding, _, packing = message.format.partition(";")
    assert packing == " compressedDepth png"
    kind, a, b = struct.unpack_from("iff", bytes(message.data))
    assert kind == 0  # INV_DEPTH
    pixels = png16(bytes(message.data)[12:])
    if encoding == "16UC1":
        return pixels
    return np.where(pixels > 0, np.float32(a) / np.maximum(pixels.astype(np.float32) - np.float32(b), 1e-9), NAN)


def written(ros, depth, encoding):
    message = ros.compressed("", b"")
    fill_compressed_depth(message, depth.astype(np.float32), encoding)
    assert message.format.startswith(encoding)
    return read(message)


def test_millimetres_are_exact(ros) -> None:
    depth = np.random.default_rng(0).uniform(0.2, 60, (13, 17))
    depth[0, :4] = NAN, INF, 0.0, 70.0
    expected = np.rint(depth.astype(np.float32) * np.float32(1000))
    np.testing.assert_array_equal(
        written(ros, depth, "16UC1"), np.where(np.isfinite(depth) & (depth < 65), expected, 0)
    )


@pytest.mark.parametrize(("near", "far"), [(0.2, 9.0), (0.5, 300.0), (0.01, 300.0)])
def test_metres_are_within_half_a_step(ros, near, far) -> None:
    """No pixel is lost, the farthest included; what is nearer than 15 cm never wraps around."""
    depth = 1 / np.linspace(1 / near, 1 / far, 400).reshape(20, 20)
    depth[0, :3] = NAN, INF, -1.0
    depth[-1, -1] = far
    found = written(ros, depth, "32FC1")
    assert np.isnan(found[0, :3]).all() and np.isfinite(found.ravel()[3:]).all()
    known = np.maximum(depth.ravel()[3:], 1 / (1 / far + 65534 / 10100))
    off = np.abs(1 / found.ravel()[3:] - 1 / known)
    assert off.max() < 0.51 / 10100


@pytest.mark.parametrize("depth", [np.full((3, 4), NAN), np.full((3, 4), INF), np.full((3, 4), 2.5)], ids=str)
def test_images_of_one_depth_or_none(ros, depth) -> None:
    found = written(ros, depth, "32FC1")
    np.testing.assert_allclose(found, np.where(np.isfinite(depth), depth, NAN), rtol=1e-6)


def test_another_encoding_is_refused(ros) -> None:
    with pytest.raises(ConfigError, match="expected 32FC1 or 16UC1"):
        fill_compressed_depth(ros.compressed("", b""), np.ones((2, 2), np.float32), "64FC1")
