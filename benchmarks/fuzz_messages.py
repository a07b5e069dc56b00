# SPDX-License-Identifier: Apache-2.0
"""Messages that no driver should send, made from a seed: every layout and format, and damage where it hurts."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from types import SimpleNamespace as Message
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.messages.image import ENCODINGS

Fields = dict[str, Any]

_SIZES = (0, 1, 2, 3, 4, 7, 16, 33, 64)
_EXTREMES = (2**15, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, -1e30, float("nan"), float("inf"), float("-inf"))
_WORDS = (
    "",
    "jpeg",
    "32FC1",
    "16UC1",
    "yuv999",
    "bayer_rggb12",
    "\x1b[31mred",
    "line\nforged [ERROR]",
    "x" * 5000,
    "Ä" * 99,
)
_FORMATS = (
    "jpeg",
    "png",
    "tiff",
    "webp",
    "zstd",
    "rgb8; jpeg compressed bgr8",
    "rgb8; jpeg compressed rgb8",
    "rgb8; tiff compressed ",
    "bayer_rggb8; jpeg compressed ",
    "bayer_grbg16; png compressed ",
    "mono16; png compressed ",
    "16UC1; compressedDepth png",
    "16UC1; compressedDepth rvl",
    "h264",
)


class Fuzzer:
    """Fields of messages of a seed; the same seed gives the same messages.

    Args:
        seed: of everything. width, height: of the camera whose messages they claim to be.
    """

    def __init__(self, seed: int, width: int = 64, height: int = 48) -> None:
        self.random, self._size = random.Random(seed), (width, height)
        self._noise = np.random.default_rng(seed).integers(0, 256, 1 << 20, dtype=np.uint8)
        self._payloads = _payloads(np.random.default_rng(1), width, height)

    def message(self, kind: str) -> Message:
        """A message of a kind, one of `KINDS`."""
        make: Callable[[], Fields] = getattr(self, kind)
        return Message(**make())

    def image(self, encodings: tuple[str, ...] = ENCODINGS) -> Fields:
        """An Image; in half of them one thing or several contradict each other."""
        encoding = self._choice(encodings) if self._rarely(0.9) else self._choice(_WORDS)
        width, height = self._size if self._rarely(0.6) else (self._choice(_SIZES), self._choice(_SIZES))
        step = width * self._choice((1, 2, 3, 4, 6, 8)) + self._choice((0, 0, 0, 1, 5, 64))
        rows = height * 3 // 2 if encoding.startswith("nv") else height
        data = self._bytes(min(step * rows, 1 << 16))
        width, height, step = (self._extreme(n, 0.04) for n in (width, height, step))
        return {
            "width": width,
            "height": height,
            "encoding": encoding,
            "is_bigendian": self._choice((0, 0, 1, 255)),
            "step": step,
            "data": self._resized(data),
        }

    def depth(self) -> Fields:
        """An Image of depth with numbers of any kind."""
        fields = self.image(("32FC1", "16UC1"))
        width, height = self._size
        if self._rarely(0.5):
            values = np.array([self._float() for _ in range(width)], np.float32)
            fields |= {"width": width, "height": height, "encoding": "32FC1", "step": 4 * width, "is_bigendian": 0}
            fields["data"] = np.broadcast_to(values, (height, width)).tobytes()
        return fields

    def compressed(self, damage: float = 0.8) -> Fields:
        """A CompressedImage of a format, whole or with this probability damaged, under its name or another."""
        payload = self._choice(self._payloads)
        name = self._choice(_FORMATS) if self._rarely(0.9) else self._choice(_WORDS)
        if payload[:2] == (48).to_bytes(2, "little") and self._rarely(0.9):
            name = "zstd"
        return {"format": name, "data": self._damaged(payload) if self._rarely(damage) else payload}

    def cloud(self) -> Fields:
        """A PointCloud2 with fields of any name, place, type and count."""
        step, count = self._choice((0, 1, 4, 12, 16, 22, 32)), self._choice((0, 1, 2, 50, 200))
        height = self._choice((0, 1, 1, 2, 8))
        good = self._rarely(0.5)
        step, count = (16, 200) if good else (step, count)
        names = ["x", "y", "z", *self._some(("intensity", "rgb", "t", "ring", "x", "", "line\nforged"))]
        fields = [
            Message(
                name=name,
                offset=4 * (place % 4) if good else self._extreme(4 * place, 0.05),
                datatype=7 if good or self._rarely(0.8) else self.random.randrange(256),
                count=1 if good else self._choice((1, 1, 1, 0, 2, 2**32 - 1)),
            )
            for place, name in enumerate(names)
            if good or self._rarely(0.97)
        ]
        points = np.array([self._float() for _ in range(64)], "<f4").tobytes()
        data = (points * (step * count * height // len(points) + 1))[: step * count * height]
        return {
            "width": self._extreme(count, 0.05),
            "height": self._extreme(height, 0.05),
            "fields": fields,
            "is_bigendian": self._rarely(0.1),
            "point_step": self._extreme(step, 0.05),
            "row_step": self._extreme(step * count, 0.05),
            "data": self._resized(data),
            "is_dense": self._rarely(0.5),
        }

    def scan(self) -> Fields:
        """A LaserScan."""
        count = self._choice((0, 1, 2, 50, 700))
        good = self._rarely(0.5)
        return {
            "angle_min": -1.0 if good else self._float(),
            "angle_max": 1.0 if good else self._float(),
            "angle_increment": 2.0 / max(count, 1) if good else self._float(),
            "range_min": 0.1 if good else self._float(),
            "range_max": 30.0 if good else self._float(),
            "ranges": np.array([self._float() for _ in range(count)], np.float32),
        }

    def range(self) -> Fields:
        """A Range."""
        return {name: self._float() for name in ("range", "min_range", "max_range", "field_of_view")}

    def disparity(self) -> Fields:
        """A DisparityImage."""
        good = self._rarely(0.5)
        names = ("x_offset", "y_offset", "width", "height")
        window = {name: 0 if good else self._extreme(self._choice(_SIZES), 0.1) for name in names}
        return {
            "image": Message(**self.depth()),
            "f": 60.0 if good else self._float(),
            "t": 0.1 if good else self._float(),
            "min_disparity": 0.0 if good else self._float(),
            "max_disparity": 0.0 if good else self._float(),
            "valid_window": Message(**window),
        }

    def camera_info(self) -> Fields:
        """A CameraInfo; most are those of the camera."""
        width, height = self._size
        good = self._rarely(0.7)
        k = [60.0, 0.0, width / 2, 0.0, 60.0, height / 2, 0.0, 0.0, 1.0]
        small = (0, 0, 1, 2, 16, 2**32 - 1)
        roi = {name: 0 if good else self._choice(small) for name in ("x_offset", "y_offset", "width", "height")}
        return {
            "width": width if good else self._extreme(self._choice(_SIZES), 0.2),
            "height": height if good else self._extreme(self._choice(_SIZES), 0.2),
            "distortion_model": "plumb_bob" if good else self._choice((*_WORDS, "equidistant", "rational_polynomial")),
            "d": [0.0] * 5 if good else [self._float() for _ in range(self._choice((0, 1, 4, 5, 8, 12, 14, 99)))],
            "k": k if good else [self._float() if self._rarely(0.3) else value for value in k],
            "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0] if good else [self._float() for _ in range(9)],
            "p": [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0] if good else [self._float() for _ in range(12)],
            "binning_x": 0 if good else self._choice(small),
            "binning_y": 0 if good else self._choice(small),
            "roi": Message(**roi, do_rectify=False),
        }

    def words(self) -> str:
        """A text that some sender may have put anywhere."""
        return self._choice(_WORDS)

    def _choice(self, values: Any) -> Any:
        return values[self.random.randrange(len(values))]

    def _rarely(self, probability: float) -> bool:
        return self.random.random() < probability

    def _some(self, values: tuple[str, ...]) -> list[str]:
        return [value for value in values if self._rarely(0.2)]

    def _float(self) -> float:
        value = self.random.uniform(-2, 20)
        return float(np.float32(value)) if self._rarely(0.8) else self._choice(_FLOATS)

    def _extreme(self, number: int, probability: float) -> int:
        return self._choice(_EXTREMES) if self._rarely(probability) else number

    def _bytes(self, count: int) -> bytes:
        at = self.random.randrange(1 << 19)
        return self._noise[at : at + count].tobytes()

    def _resized(self, data: bytes) -> bytes:
        if self._rarely(0.8):
            return data
        return self._choice((b"", data[:-1], data[: len(data) // 2], data + b"\0", data * 2))

    def _damaged(self, payload: bytes) -> bytes:
        """Bits turned, cut off, put together from two, or numbers in the header made extreme."""
        data = bytearray(payload)
        for _ in range(self._choice((1, 1, 1, 2, 5, 30))):
            # Headers are where sizes and lengths are, so most of the damage is there.
            at = self.random.randrange(min(len(data), 64) if self._rarely(0.7) else len(data))
            act = self.random.randrange(6)
            if act == 0:
                data[at] ^= 1 << self.random.randrange(8)
            elif act == 1:
                data[at] = self._choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
            elif act == 2:
                number = self._choice((0, 1, 16000, 65535, 2**31 - 1, 2**32 - 1)).to_bytes(4, "big")
                data[at : at + 4] = self._choice((number, number[::-1], number[2:]))
            elif act == 3:
                data = data[: at + 1]
            elif act == 4:
                data[at:at] = self._bytes(self._choice((1, 2, 16, 300)))
            else:
                other = self._choice(self._payloads)
                data = data[:at] + bytearray(other[self.random.randrange(len(other)) :])
            if not data:
                break
        return bytes(data)


KINDS = ("image", "compressed", "depth", "cloud", "scan", "range", "disparity", "camera_info")
"""What `Fuzzer.message` makes."""


def _payloads(rng: np.random.Generator, width: int, height: int) -> list[bytes]:
    """Whole pictures in every format that this OpenCV writes, of the camera's size."""
    smooth = cv2.resize(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8), (width, height))
    found = []
    wanted: tuple[tuple[str, tuple[int, ...]], ...] = (
        (".jpg", ()),
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)),
        (".png", ()),
        (".tiff", ()),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 80)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),
        (".bmp", ()),
        (".ppm", ()),
        (".gif", ()),
        (".jp2", ()),
        (".avif", ()),
    )
    for suffix, options in wanted:
        for picture in (smooth, smooth[..., 0]):
            try:
                good, data = cv2.imencode(suffix, picture, options)
            except cv2.error:
                continue  # this OpenCV does not write it
            found += [data.tobytes()] if good else []
    found.append(cv2.imencode(".png", smooth.astype(np.uint16) * 257)[1].tobytes())
    layout = struct.pack("<IIBII", height, width, 0, 3 * width, 4) + b"bgr8"
    found.append(layout + zlib.compress(smooth.tobytes()))
    with io.BytesIO() as stream:
        np.save(stream, smooth)
        found.append(stream.getvalue())  # no picture at all
    return found
