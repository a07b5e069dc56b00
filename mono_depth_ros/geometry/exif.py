# SPDX-License-Identifier: Apache-2.0
"""The focal length and orientation that a camera or phone wrote into its picture: Exif tags.

Exif 2.32 (CIPA DC-008), section 4.6; PNG 3, section 11.3.3.2 (eXIf). Only a handful of numbers is read.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from mono_depth_ros.errors import CameraError
from mono_depth_ros.paths import require_file

_ORIENTATION = 0x0112
_EXIF_IFD, _FOCAL_MM, _PIXELS_X = 0x8769, 0x920A, 0xA002
_PLANE_X, _PLANE_Y, _PLANE_UNIT, _FOCAL_35MM = 0xA20E, 0xA20F, 0xA210, 0xA405
_FORMATS = {1: "B", 3: "H", 4: "I", 5: "II", 9: "i", 10: "ii"}  # of a tag's type; two numbers are a fraction
_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}  # 4 and 5 are not in the standard, and written
_DIAGONAL_35MM = math.hypot(36.0, 24.0)


@dataclass(frozen=True)
class ExifFocal:
    """Size of a picture as it is stored, and the focal lengths in its pixels. `source` names the tags."""

    width: int
    height: int
    fx: float
    fy: float
    source: str


def read_exif_focal(path: str | os.PathLike[str]) -> ExifFocal:
    """The focal length by FocalLengthIn35mmFilm, which is of the diagonal, or by FocalLength and FocalPlaneResolution.

    Raises:
        CameraError: no such file, neither JPEG nor PNG, or no such tags: found and expected.
    """
    path = Path(path)
    try:
        require_file(path)
        data = path.read_bytes()
    except OSError as error:
        raise CameraError(f"{path} cannot be read: {error.strerror}") from error
    try:
        width, height, tiff = _jpeg(data) if data[:2] == b"\xff\xd8" else _png(data)
        tags = _tags(tiff) if tiff else {}
    except (struct.error, IndexError) as error:
        raise CameraError(f"{path}: its Exif data cannot be read, expected a whole JPEG or PNG file") from error
    if not (width and height):
        raise CameraError(f"{path} starts with {data[:4].hex(' ') or 'nothing'}, expected a JPEG or PNG picture")
    if tags.get(_FOCAL_35MM, 0) > 0:
        focal = tags[_FOCAL_35MM] * math.hypot(width, height) / _DIAGONAL_35MM
        return ExifFocal(width, height, focal, focal, "FocalLengthIn35mmFilm")
    mm = _MM_PER_UNIT.get(int(tags.get(_PLANE_UNIT, 2)), 0.0)
    if mm and tags.get(_FOCAL_MM, 0) > 0 and tags.get(_PLANE_X, 0) > 0:
        # The resolution is of the picture as it was taken: PixelXDimension wide.
        resized = width / tags[_PIXELS_X] if tags.get(_PIXELS_X, 0) > 0 else 1.0
        per_mm = [resized * tags.get(tag, tags[_PLANE_X]) / mm for tag in (_PLANE_X, _PLANE_Y)]
        fx, fy = (tags[_FOCAL_MM] * each for each in per_mm)
        return ExifFocal(width, height, fx, fy, "FocalLength and FocalPlaneXResolution")
    found = "FocalLength alone" if _FOCAL_MM in tags else "Exif data without a focal length" if tags else "no Exif data"
    raise CameraError(
        f"{path} has {found}, expected FocalLengthIn35mmFilm, or FocalLength and FocalPlaneXResolution",
        "camera_uncalibrated",
    )


def read_orientation(path: str | os.PathLike[str]) -> int:
    """The orientation, 1 to 8, of a JPEG, PNG, WebP or TIFF picture; 1, upright, where the file does not say it."""
    try:
        require_file(path)
        data = Path(path).read_bytes()
        if data[:2] == b"\xff\xd8":
            tiff = _jpeg(data)[2]
        elif data[:4] in (b"II*\0", b"MM\0*"):
            tiff = data
        else:
            tiff = _webp(data) if data[:4] == b"RIFF" else _png(data)[2]
        found = int(_tags(tiff).get(_ORIENTATION, 1)) if tiff else 1
    except (OSError, struct.error, IndexError):
        return 1
    return found if 1 <= found <= 8 else 1


def _jpeg(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and the TIFF block of a JPEG file, by its segments."""
    width, height, tiff, at = 0, 0, b"", 2
    while at + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == 0xFFE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            tiff = data[at + 10 : at + 2 + length]
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):  # start of frame
            height, width = struct.unpack_from(">HH", data, at + 5)
            break
        if not 0xFF00 < marker <= 0xFFFE or marker == 0xFFDA:  # the scan: nothing of ours follows
            break
        at += 2 + length
    return width, height, tiff


def _png(data: bytes) -> tuple[int, int, bytes]:
    """Likewise of a PNG file, by its chunks; zeros for anything else."""
    width, height, tiff, at = 0, 0, b"", 8
    while data[:8] == b"\x89PNG\r\n\x1a\n" and at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, at + 8)
        elif kind == b"eXIf":
            tiff = data[at + 8 : at + 8 + length]
        at += 12 + length
    return width, height, tiff


def _webp(data: bytes) -> bytes:
    """The TIFF block of a WebP file, RFC 9649."""
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            return data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0")
        at += 8 + length + length % 2
    return b""


def _tags(tiff: bytes) -> dict[int, float]:
    """The numbers of the first directory of a TIFF block and of its Exif directory, by tag."""
    order = "<" if tiff[:2] == b"II" else ">"
    tags: dict[int, float] = {}
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    for directory in (first, None):
        start = int(tags.get(_EXIF_IFD, 0)) if directory is None else directory
        if not start:
            break
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, length = struct.unpack_from(order + "HHI", tiff, entry)
            layout = _FORMATS.get(kind)
            if layout is None or length != 1:
                continue
            where = entry + 8
            if struct.calcsize("=" + layout) > 4:
                (where,) = struct.unpack_from(order + "I", tiff, where)
            value, *divisor = struct.unpack_from(order + layout, tiff, where)
            tags[tag] = float(value) / divisor[0] if divisor and divisor[0] else 0.0 if divisor else float(value)
    return tags
