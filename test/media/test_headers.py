# SPDX-License-Identifier: Apache-2.0
"""The size of a picture without decoding it, as the decoder then has it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import ImageError
from mono_depth_ros.media import images
from mono_depth_ros.media.headers import picture_size
from mono_depth_ros.media.images import decode_picture, read_image

RGB = np.random.default_rng(3).integers(0, 256, (37, 53, 3), dtype=np.uint8)
BOMB = 16000


def encoded(suffix: str, picture: np.ndarray = RGB, *options: int) -> bytes:
    return cv2.imencode(suffix, picture, options)[1].tobytes()


def with_thumbnail(jpeg: bytes) -> bytes:
    """A JPEG with another one in its EXIF segment, and fill bytes and stray bytes between segments."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + encoded(".jpg", RGB[:8, :8])
    return jpeg[:2] + b"\xff\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + b"\0\x12" + jpeg[2:]


def sof(marker: int) -> bytes:
    """A JPEG that is called another process; no decoder takes lossless and arithmetic ones, but all say their size."""
    return encoded(".jpg").replace(b"\xff\xc0", bytes((0xFF, marker)), 1)


def tiff(order: str, big: bool, width: int = 53, height: int = 37, kind: int = 3, tile: int = 0) -> bytes:
    """Grey, 8 bits, one strip; by hand, since OpenCV writes little endian only."""
    long = "Q" if big else "I"
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head = start + (struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8))
    pixels = RGB[..., 0].tobytes()
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: height, 279: len(pixels)}
    if tile:
        tags = {**tags, 322: tile, 323: tile}
    count = "Q" if big else "H"
    size = len(head) + struct.calcsize(order + count) + len(tags) * (20 if big else 12) + struct.calcsize(order + long)
    entries = b""
    for tag, value in sorted({**tags, 273: size}.items()):
        form = kind if tag in (256, 257) else (16 if big else 4)
        raw = struct.pack(order + {3: "H", 4: "I", 16: "Q"}[form], value)
        entries += struct.pack(order + "HH" + long, tag, form, 1) + raw.ljust(8 if big else 4, b"\0")
    return head + struct.pack(order + count, len(tags)) + entries + struct.pack(order + long, 0) + pixels


PICTURES = {
    "jpeg": encoded(".jpg"),
    "progressive": encoded(".jpg", RGB, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "grey": encoded(".jpg", RGB[..., 0]),
    "thumbnail": with_thumbnail(encoded(".jpg")),
    "restarts": encoded(".jpg", RGB, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "png": encoded(".png"),
    "png16": encoded(".png", RGB.astype(np.uint16) * 257),
    "tiff": encoded(".tiff"),
    "tiff-II": tiff("<", False),
    "tiff-MM": tiff(">", False),
    "tiff-MM-long": tiff(">", False, kind=4),
    "bigtiff-II": tiff("<", True),
    "bigtiff-MM": tiff(">", True, kind=16),
    "webp": encoded(".webp", RGB, cv2.IMWRITE_WEBP_QUALITY, 80),
    "webp-lossless": encoded(".webp", RGB, cv2.IMWRITE_WEBP_QUALITY, 101),
    "bmp": encoded(".bmp"),
    "ppm": encoded(".ppm"),
    "pgm-ascii": b"P2 # a comment\n# another\n53\t37 255\n" + b"7 " * 53 * 37,
    "gif": encoded(".gif"),
    "jp2": encoded(".jp2"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_the_header_tells_the_size_that_the_decoder_finds(kind: str) -> None:
    data = np.frombuffer(PICTURES[kind], np.uint8)
    assert picture_size(kind, data) == (53, 37)
    assert decode_picture(kind, data).shape[:2] == (37, 53)


def extended_webp(width: int, height: int) -> bytes:
    lossy = PICTURES["webp"][12:]
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas + lossy
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def test_extended_webp() -> None:
    assert picture_size("webp", np.frombuffer(extended_webp(53, 37), np.uint8)) == (53, 37)
    assert picture_size("webp", np.frombuffer(extended_webp(16384, 9000), np.uint8)) == (16384, 9000)


@pytest.mark.parametrize("marker", [*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)])
def test_every_kind_of_jpeg_says_its_size(marker: int) -> None:
    assert picture_size("jpeg", np.frombuffer(sof(marker), np.uint8)) == (53, 37)


def bomb_png(side: int) -> bytes:
    """side x side pixels of one bit, all zero: whole and valid."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + bytes((side + 7) // 8)) * side, 9)
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bomb_jpeg(side: int) -> bytes:
    jpeg = bytearray(encoded(".jpg"))
    at = jpeg.find(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = side.to_bytes(2, "big") * 2
    return bytes(jpeg)


BOMBS = {
    "jpg": bomb_jpeg(BOMB),
    "png": bomb_png(BOMB),
    "tiff": tiff("<", False, BOMB, BOMB),
    "webp": extended_webp(BOMB, BOMB),
    "bmp": PICTURES["bmp"][:18] + struct.pack("<ii", BOMB, -BOMB) + PICTURES["bmp"][26:],
    "pgm": b"P5 16000 16000 255 " + bytes(100),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_larger_picture_than_allowed_is_not_decoded(tmp_path: Path, monkeypatch, kind: str) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was decoded")

    path = tmp_path / f"bomb.{kind}"
    path.write_bytes(BOMBS[kind])
    monkeypatch.setattr(images.cv2, "imdecode", never)
    with pytest.raises(ImageError, match="16000x16000, 256 megapixels, expected at most max_image_pixels") as caught:
        read_image(path, 64_000_000)
    assert caught.value.reason == "image_too_large"


@pytest.mark.parametrize("suffix", [".avif", ".hdr", ".pam", ".pfm", ".ras"])
def test_no_decoder_runs_on_a_format_whose_size_is_not_known(monkeypatch, suffix: str) -> None:
    try:
        data = encoded(suffix, RGB.astype(np.float32) if suffix in (".hdr", ".pfm") else RGB)
    except cv2.error:
        pytest.skip(f"this OpenCV does not write {suffix}")
    monkeypatch.setattr(images.cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ImageError, match="expected a JPEG, PNG, TIFF or WebP") as caught:
        decode_picture(suffix, np.frombuffer(data, np.uint8))
    assert caught.value.reason == "image_payload"


HOSTILE = {
    "markers": b"\xff\xd8" + b"\xff\xd0" * 2_000_000,
    "no marker": b"\xff\xd8\xff\xe0\0\x10" + bytes(5_000_000),
    "boxes": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x08free" * 500_000,
    "endless box": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\0free",
    "tags": b"II*\0\x08\0\0\0\xff\xff" + bytes(800_000),
    "far directory": b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(40),
    "comment": b"P5 #" + bytes(1_000_000),
    "blanks": b"P5" + b" " * 1_000_000,
    "scan first": b"\xff\xd8\xff\xda\0\x08" + bytes(20),
    "large tiles": tiff("<", False, tile=60000),
    "twice": tiff("<", False).replace(struct.pack("<HH", 258, 4), struct.pack("<HH", 256, 4)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_header_is_refused_at_once(kind: str) -> None:
    with pytest.raises(ImageError, match="its header tells no size") as caught:
        picture_size(kind, np.frombuffer(HOSTILE[kind], np.uint8))
    assert caught.value.reason == "image_payload"


@pytest.mark.parametrize("kind", PICTURES)
def test_a_header_that_is_cut_anywhere_is_refused_or_right(kind: str) -> None:
    data = PICTURES[kind]
    for end in range(1, min(len(data), 700)):
        try:
            assert picture_size(kind, np.frombuffer(data[:end], np.uint8)) == (53, 37)
        except ImageError as error:
            assert error.reason == "image_payload"


@pytest.mark.parametrize("length", [2000, 2**30, 2**32 - 1])
def test_a_chunk_of_a_png_that_claims_more_than_there_is(monkeypatch, length: int) -> None:
    """OpenCV makes room for it: 4 GB for a message of 5 kB."""
    png = bytearray(PICTURES["png"])
    at = png.find(b"IDAT") - 4
    png[at : at + 4] = (length + len(png) * (length < 2**31)).to_bytes(4, "big")
    monkeypatch.setattr(images.cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ImageError, match="has a chunk that ends at byte"):
        decode_picture("png", np.frombuffer(bytes(png), np.uint8))


def test_thousands_of_scans_are_refused() -> None:
    """Each costs the decoder a pass over the picture: 1 MB of them is minutes."""
    jpeg = PICTURES["progressive"]
    at = jpeg.rfind(b"\xff\xda")
    with pytest.raises(ImageError, match="scans, expected at most 200"):
        decode_picture("jpeg", np.frombuffer(jpeg[:at] + jpeg[at:-2] * 1000 + jpeg[-2:], np.uint8))
