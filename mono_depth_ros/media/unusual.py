# SPDX-License-Identifier: Apache-2.0
"""What is unusual in a picture file, by its bytes: another format, several pictures, numbers that are no levels."""

from __future__ import annotations

import re
import struct

_NAMES = (
    (rb".{4}ftyp(hei|hev|mif1|msf1)", "HEIC, as phones write it", "convert it to JPEG, with heif-convert"),
    (rb".{4}ftypavi[fs]", "AVIF", "convert it to PNG or JPEG"),
    (rb".{4}ftyp", "a video (MP4, MOV)", "give it a suffix such as .mp4"),
    (rb"\x76\x2f\x31\x01", "OpenEXR, which holds floating-point numbers", "is it a depth map, for --reference?"),
    (rb"#\?(RADIANCE|RGBE)", "Radiance HDR, which holds floating-point numbers", "convert it to PNG or JPEG"),
    (rb"P[fF]\s", "PFM, which holds floating-point numbers", "is it a depth map, for --reference?"),
    (rb"\x93NUMPY", "an array of numpy", "is it a depth map, for --reference?"),
    (rb"\s*<(\?xml|svg)", "a text (SVG or XML)", "give a picture of pixels"),
    (rb"%PDF", "a PDF", "give a picture of pixels"),
    (rb"\x00\x00\x01\x00", "an icon", "convert it to PNG"),
    (rb"8BPS", "a Photoshop file", "export it as PNG"),
    (rb"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself with `git lfs pull`"),
)
_TIFF_KINDS = {1: "B", 3: "H", 4: "I"}  # BYTE, SHORT, LONG
_SUBFILE, _BITS, _ORIENTATION, _EXTRA, _FORMAT = 254, 258, 274, 338, 339


def name_of(data: bytes) -> tuple[str, str] | None:
    """A known format that is no picture for us, and what to do, by the first bytes; None for any other."""
    return next(((what, advice) for start, what, advice in _NAMES if re.match(start, data, re.DOTALL)), None)


def odd_numbers(data: bytes) -> str:
    """What the numbers of a TIFF are where they are no levels of 8 or 16 bits, in words; "" for others."""
    try:
        tags, _ = _directory(data)
    except (struct.error, IndexError):
        return ""
    kind, bits = tags.get(_FORMAT, 1), tags.get(_BITS, 1)
    if tags.get(_SUBFILE, 0) & 1:
        return "a preview, as raw files of cameras begin with"
    if kind == 3:
        return f"floating-point numbers of {bits} bits"
    if kind == 2 or bits > 16:
        return f"{'signed ' if kind == 2 else ''}whole numbers of {bits} bits"
    return ""


def straight_alpha(data: bytes) -> bool:
    """Whether it is a TIFF whose colours are not multiplied by their alpha (ExtraSamples 2), which libtiff does."""
    try:
        return _directory(data)[0].get(_EXTRA) == 2
    except (struct.error, IndexError):
        return False


def as_stored(data: bytes) -> bytes:
    """The file without the orientation of a TIFF, by which OpenCV turns some pictures, and fails for others."""
    try:
        tags, _ = _directory(data)
        at = struct.unpack_from("<I" if data[:1] == b"I" else ">I", data, 4)[0] + 2 if _ORIENTATION in tags else 0
        while at:
            order = "<" if data[:1] == b"I" else ">"
            if struct.unpack_from(order + "HH", data, at) == (_ORIENTATION, 3):
                return data[: at + 8] + struct.pack(order + "HH", 1, 0) + data[at + 12 :]
            at += 12
    except (struct.error, IndexError):
        pass
    return data


def holds_several(data: bytes) -> bool:
    """Whether there is more than one picture in a TIFF, GIF, WebP or PNG: pages, or an animation."""
    try:
        if data[:4] in (b"II*\0", b"MM\0*"):
            following = _directory(data)[1]
            return bool(following) and not _directory(data, following)[0].get(_SUBFILE, 0) & 1  # but for a preview
        if data[:4] == b"GIF8":
            return _gif_pictures(data) > 1
        if data[:4] == b"RIFF" and data[12:16] == b"VP8X":
            return bool(data[20] & 2)
        return data[:4] == b"\x89PNG" and b"acTL" in data[: max(data.find(b"IDAT"), 0)]
    except (struct.error, IndexError):
        return False


def _directory(data: bytes, at: int = 0) -> tuple[dict[int, int], int]:
    """The numbers, of several the first, in an image file directory of TIFF 6.0, and where the next directory is."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return {}, 0
    order = "<" if data[:1] == b"I" else ">"
    at = at or struct.unpack_from(order + "I", data, 4)[0]
    (count,) = struct.unpack_from(order + "H", data, at)
    tags = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", data, entry)
        layout, where = _TIFF_KINDS.get(kind), entry + 8
        if layout is not None and number:
            if struct.calcsize(layout) * number > 4:
                (where,) = struct.unpack_from(order + "I", data, where)
            (tags[tag],) = struct.unpack_from(order + layout, data, where)
    return tags, struct.unpack_from(order + "I", data, at + 2 + 12 * count)[0]


def _gif_pictures(data: bytes) -> int:
    """How many, up to two: blocks and sub-blocks of GIF89a are stepped over."""
    at, found = 13 + _table(data[10]), 0
    while found < 2 and data[at] != 0x3B:
        if data[at] == 0x2C:
            found, at = found + 1, at + 11 + _table(data[at + 9])
        else:
            at += 2
        while length := data[at]:
            at += 1 + length
        at += 1
    return found


def _table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
