# SPDX-License-Identifier: Apache-2.0
"""The size of a picture, from the header of its file: nothing is decoded whose size is not known and wanted.

A JPEG of 4 kB may say that it has 64000x15000 pixels, for which a decoder takes gigabytes and a minute.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

import numpy as np

from mono_depth_ros.errors import ImageError
from mono_depth_ros.media.unusual import name_of

Size = tuple[int, int]
"""Width and height in pixels."""

_START = 1 << 16  # bytes in which the header of every format but JPEG, TIFF and JPEG 2000 ends
_MARKER = re.compile(rb"\xff+([^\xff\0])", re.DOTALL)  # of a JPEG, after fill bytes
_PNM = re.compile(rb"P[1-6]%(gap)s(\d{1,10})%(gap)s(\d{1,10})[\s#]" % {b"gap": rb"(?:\s|#[^\r\n]*[\r\n])+"})
_MAX_SEGMENTS = 4096  # of a JPEG or JPEG 2000 before its size, and entries of a TIFF; cameras write tens
_MAX_CHUNKS = 1 << 17  # of a PNG: encoders write one for every 8 kB or more
_TILE_PIXELS = 1 << 20  # of a TIFF: tiles may be larger than the picture, and a decoder makes room for one of them


def picture_size(name: str, data: np.ndarray) -> Size:
    """Width and height that the header of an encoded picture states.

    Args:
        name: of the format, for the sentences. data: (N,) uint8, not empty.

    Raises:
        ImageError: reason `image_payload`: it is none of JPEG, PNG, TIFF, WebP, BMP, PNM, GIF and JPEG 2000, or its
            header is broken or cut off.
    """
    head = data[:_START].tobytes()
    read = next((read for start, read in _READERS if re.match(start, head, re.DOTALL)), None)
    if read is None:
        if (known := name_of(head)) is not None:
            raise ImageError(
                f"'{name}' payload is {known[0]}, expected a JPEG, PNG, TIFF or WebP picture: {known[1]}",
                "image_payload",
            )
        found = f"'{name}' payload of {data.size} bytes starting with {head[:4].hex(' ')} cannot be decoded"
        raise ImageError(f"{found}, expected a JPEG, PNG, TIFF or WebP picture", "image_payload")
    try:
        width, height = read(data.data)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        found = f"'{name}' payload of {data.size} bytes cannot be decoded: its header tells no size"
        raise ImageError(f"{found} ({error})", "image_payload") from None
    if width < 1 or height < 1:
        raise ImageError(f"'{name}' payload says {width}x{height} pixels, expected at least 1x1", "image_zero_size")
    return width, height


def _jpeg(data: memoryview) -> Size:
    """The frame header, ITU-T T.81 B.2.2; segments before it are stepped over, with the thumbnails that are in them."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, at)  # decoders look for the next marker in whatever is between
        if found is None:
            raise ValueError("no frame header")
        marker, at = found[1][0], found.end()
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 3)
            return width, height
        if marker in (0xD8, 0xD9, 0xDA):
            raise ValueError("no frame header before the scan")
        if not (marker == 0x01 or 0xD0 <= marker <= 0xD7):  # these have no length
            (length,) = struct.unpack_from(">H", data, at)
            at += max(length, 2)
    raise ValueError(f"more than {_MAX_SEGMENTS} segments")


def _png(data: memoryview) -> Size:
    if bytes(data[12:16]) != b"IHDR":
        raise ValueError("no IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def check_chunks(name: str, data: np.ndarray) -> None:
    """Refuse a PNG with a chunk that is longer than the rest of it: OpenCV allocates what a chunk claims, up to 4 GB.

    Raises:
        ImageError: reason `image_payload`.
    """
    at = 8
    for _ in range(_MAX_CHUNKS):
        if at + 12 > data.size:
            break
        length, kind = struct.unpack_from(">I4s", data.data, at)
        at += 12 + length
        if kind == b"IEND" and at <= data.size:
            return
    found = f"'{name}' payload of {data.size} bytes has a chunk that ends at byte {at}"
    raise ImageError(f"{found}, expected an IEND in its place", "image_payload")


def _tiff(data: memoryview) -> Size:
    """The first image file directory, TIFF 6.0 section 2, or that of a BigTIFF."""
    order = "<" if data[0] == ord("I") else ">"
    if data[2 if order == "<" else 3] == 43:
        (at,) = struct.unpack_from(order + "Q", data, 8)
        (count,), at, entry = struct.unpack_from(order + "Q", data, at), at + 8, "HHQ8s"
    else:
        (at,) = struct.unpack_from(order + "I", data, 4)
        (count,), at, entry = struct.unpack_from(order + "H", data, at), at + 2, "HHI4s"
    if count > _MAX_SEGMENTS:
        raise ValueError(f"a directory of {count} entries")
    step, values = struct.calcsize(order + entry), dict[int, int]()
    for index in range(count):
        tag, kind, number, raw = struct.unpack_from(order + entry, data, at + index * step)
        if tag in (256, 257, 322, 323):  # ImageWidth, ImageLength, TileWidth, TileLength
            if tag in values or number != 1 or kind not in _TIFF_KINDS:
                raise ValueError(f"tag {tag} is no single number")
            (values[tag],) = struct.unpack_from(order + _TIFF_KINDS[kind], raw)
    if not {256, 257} <= values.keys():
        raise ValueError("no ImageWidth and ImageLength")
    width, height = values[256], values[257]
    tile = values.get(322, 1) * values.get(323, 1)
    if tile > max(4 * width * height, _TILE_PIXELS):
        raise ValueError(f"tiles of {values.get(322)}x{values.get(323)} in a picture of {width}x{height}")
    return width, height


_TIFF_KINDS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # BYTE, SHORT, LONG, LONG8


def _webp(data: memoryview) -> Size:
    """The first chunk, RFC 9649: lossy (VP8), lossless (VP8L) or extended (VP8X), whose size is the canvas."""
    kind = bytes(data[12:16])
    if kind == b"VP8X":
        numbers = int.from_bytes(data[24:27], "little"), int.from_bytes(data[27:30], "little")
        return numbers[0] + 1, numbers[1] + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind != b"VP8 ":
        raise ValueError(f"first chunk {kind!r}")
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _bmp(data: memoryview) -> Size:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return width, abs(height)  # a negative one means rows from the top


def _pnm(data: memoryview) -> Size:
    found = _PNM.match(data[:_START])
    if found is None:
        raise ValueError("no numbers")
    return int(found[1]), int(found[2])


def _gif(data: memoryview) -> Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _jp2(data: memoryview) -> Size:
    """The codestream in the boxes of ISO/IEC 15444-1 annex I."""
    at = 0
    for _ in range(_MAX_SEGMENTS):
        length, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", data, at + 8), 16
        if kind == b"jp2c":
            return _j2k(data[at + head :])
        if length < head:
            break
        at += length
    raise ValueError("no codestream")


def _j2k(data: memoryview) -> Size:
    """SIZ, which must come first."""
    if bytes(data[2:4]) != b"\xff\x51":
        raise ValueError("no SIZ")
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    return right - left, bottom - top


_READERS: tuple[tuple[bytes, Callable[[memoryview], Size]], ...] = (
    (rb"\xff\xd8\xff", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]", _tiff),
    (rb"RIFF.{4}WEBP", _webp),
    (rb"BM", _bmp),
    (rb"P[1-6]\s", _pnm),
    (rb"GIF8[79]a", _gif),
    (rb"\0\0\0\x0cjP  \r\n\x87\n", _jp2),
    (rb"\xff\x4f\xff\x51", _j2k),
)
