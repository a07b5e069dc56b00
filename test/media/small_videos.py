# SPDX-License-Identifier: Apache-2.0
"""Small videos of every kind, made here: with OpenCV, and by changing their bytes."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from mono_depth_ros.media.containers import iso_boxes, iso_find
from mono_depth_ros.media.video_writer import VideoWriter

VARIABLE_MS = (0, 120, 170, 220, 253, 373, 393, 413, 446, 566)


def picture(k, width=64, height=48):
    """(H, W, 3) uint8 RGB: the brightness tells which, a red corner at the top left which way up."""
    rgb = np.full((height, width, 3), 40 + 20 * (k % 10), np.uint8)
    rgb[: height // 3, : width // 3] = 255, 0, 0
    return rgb


def which(rgb):
    """The number of a picture, from its lower right corner, and its red corner as (x, y) in 0..1."""
    red = (rgb[..., 0] > 150) & (rgb[..., 1] < 90)
    ys, xs = np.nonzero(red)
    return round((float(rgb[-4:, -4:].mean()) - 40) / 20), (xs.mean() / rgb.shape[1], ys.mean() / rgb.shape[0])


def make(path, times_ms=VARIABLE_MS, size=(64, 48), rate_hz=25.0):
    """A video with these times (an .avi: at the rate)."""
    writer = VideoWriter(path, rate_hz)
    try:
        for k, time_ms in enumerate(times_ms):
            writer.write(picture(k, *size), round(time_ms * 1e6))
    except Exception:
        pytest.skip(f"this OpenCV writes no {path.suffix}")
    writer.close()
    return path


def turn(path, degrees):
    """The file says that it is to be shown turned clockwise, as those of phones do (the matrix of tkhd)."""
    data = bytearray(path.read_bytes())
    (box,) = iso_find(bytes(data), "moov/trak/tkhd")
    one = 1 << 16
    rows = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    a, b, c, d = rows
    struct.pack_into(">9i", data, box.body + 40, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def index_first(path):
    """The index before the images, as files for the web have it."""
    data = bytearray(path.read_bytes())
    boxes = {box.kind: box for box in iso_boxes(bytes(data))}
    moov, mdat = boxes[b"moov"], boxes[b"mdat"]
    for table in iso_find(bytes(data), "moov/trak/mdia/minf/stbl/stco"):
        (count,) = struct.unpack_from(">I", data, table.body + 4)
        for k in range(count):
            (offset,) = struct.unpack_from(">I", data, table.body + 8 + 4 * k)
            struct.pack_into(">I", data, table.body + 8 + 4 * k, offset + moov.end - moov.start)
    path.write_bytes(data[: mdat.start] + data[moov.start : moov.end] + data[mdat.start : mdat.end])
    return path


def cut(path, fraction):
    """The first part of the file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path


def trim(path, seconds):
    """An edit list that hides the end, as a phone trims clips. Each of its images is then as long as a second."""
    data = path.read_bytes()
    (track,) = iso_find(data, "moov/trak")
    (movie,) = iso_find(data, "moov/mvhd")
    (scale,) = struct.unpack_from(">I", data, movie.body + 12)
    entry = struct.pack(">IIIiI", 0, 1, int(seconds * scale), 0, 1 << 16)
    edits = struct.pack(">I4sI4s", 16 + len(entry), b"edts", 8 + len(entry), b"elst") + entry
    (header,) = iso_find(data, "moov/trak/tkhd")
    (moov,) = iso_find(data, "moov")
    grown = bytearray(data[: header.end] + edits + data[header.end :])
    for box in (moov, track):
        struct.pack_into(">I", grown, box.start, box.end - box.start + len(edits))
    path.write_bytes(grown)
    return path


def times_ms(path):
    """Of its images, as OpenCV has them, and how many it says that there are."""
    capture = cv2.VideoCapture(str(path))
    found = []
    while capture.read()[0]:
        found.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    return found, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
