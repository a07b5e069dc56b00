# SPDX-License-Identifier: Apache-2.0
"""Video files written with OpenCV, in which each image keeps its own time."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from mono_depth_ros.errors import ConfigError, MonoDepthError
from mono_depth_ros.media.containers import Box, iso_boxes, iso_find

SUFFIXES = (".mp4", ".avi")

_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
_MAX_SIDE = 8190  # pixels, of MPEG-4
_LOOK_IMAGES = 32  # between two looks at the disk
_LEAST_FREE = 2**20  # bytes, for the index of the file
_TICKS = 90_000  # a second, of an MP4 file
_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_VERSIONED = ("mvhd", "trak/tkhd", "trak/mdia/mdhd")


def writable(path: Path) -> Path:
    """`path`, or with the suffix .avi where this OpenCV writes no MPEG-4.

    Raises:
        ConfigError: it writes no video at all.
    """
    for suffix in dict.fromkeys((path.suffix.lower(), ".avi")):
        with tempfile.TemporaryDirectory() as folder:
            writer = _open(Path(folder) / f"probe{suffix}", 30.0, 64, 64)
            works = writer.isOpened()
            writer.release()
        if works:
            return path if suffix == path.suffix.lower() else path.with_suffix(suffix)
    raise ConfigError(f"this OpenCV writes no video: expected a folder or a .mcap file for --out, found {path}")


class VideoWriter:
    """Writes one video file.

    Args:
        path: with one of `SUFFIXES`. rate_hz: nominal; an MP4 file gets the time of each image instead.

    Attributes:
        count: of the images that were written. shrunk: 1, or n for pictures that were written with every n-th of their
            pixels, as no codec takes larger ones.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self.count, self.shrunk = 0, 1
        self._path, self._rate_hz = path, rate_hz
        self._writer: cv2.VideoWriter | None = None
        self._steps: list[tuple[int, int]] = []  # ticks to the next image, and how often in a row
        self._last = 0

    def write(self, rgb: np.ndarray, time_ns: int) -> None:
        """Append a (H, W, 3) uint8 picture, at a time that is not before that of the one before.

        Raises:
            MonoDepthError: OpenCV cannot write pictures of this size.
        """
        height, width = rgb.shape[:2]
        self.shrunk = -(-max(height, width) // _MAX_SIDE)
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        if self.shrunk > 1:
            bgr = cv2.resize(bgr, (width // self.shrunk, height // self.shrunk), interpolation=cv2.INTER_AREA)
        # Codecs halve the resolution of colour: of an odd side they would cut off a row.
        bgr = cv2.copyMakeBorder(bgr, 0, bgr.shape[0] % 2, 0, bgr.shape[1] % 2, cv2.BORDER_REPLICATE)
        if self._writer is None:
            self._writer = _open(self._path, self._rate_hz, bgr.shape[1], bgr.shape[0])
            if not self._writer.isOpened():
                raise MonoDepthError(f"this OpenCV writes no video of {bgr.shape[1]}x{bgr.shape[0]}")
        if self.count % _LOOK_IMAGES == 0:
            self._check_disk()
        with _silent():
            self._writer.write(bgr)
        tick = max(round(time_ns * _TICKS / 1e9), self._last + 1) if self.count else 0
        if self.count:
            self._step(tick - self._last)
        self._last = tick
        self.count += 1

    def close(self) -> None:
        """Finish the file.

        Raises:
            MonoDepthError: it does not hold all that was written, as on a full disk: OpenCV itself says nothing.
        """
        if self._writer is None:
            return
        with _silent():
            self._writer.release()
        self._writer = None
        self._check_disk()
        capture = cv2.VideoCapture(str(self._path))
        found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if found != self.count:
            why = "not all of it could be written"
            raise MonoDepthError(f"cannot write the video: {why}; {found} of its {self.count} images are there")
        if self._path.suffix.lower() == ".mp4":
            self._step(self._steps[-1][0] if self._steps else round(_TICKS / self._rate_hz))
            retime(self._path, self._steps)

    def _check_disk(self) -> None:
        """Raise MonoDepthError for a full disk, of which OpenCV says nothing."""
        free = os.statvfs(self._path.parent)
        if free.f_bavail * free.f_frsize < _LEAST_FREE:
            raise MonoDepthError("cannot write the video: the disk is full")

    def _step(self, ticks: int) -> None:
        if self._steps and self._steps[-1][0] == ticks:
            ticks, times = self._steps.pop()
            self._steps.append((ticks, times + 1))
        else:
            self._steps.append((ticks, 1))


def retime(path: Path, steps: Sequence[tuple[int, int]]) -> bool:
    """Give the images of an MP4 file their times, in its index; whether that was possible.

    That is: its index is the last box, version 0 throughout, of one track without reordered images, as OpenCV's are.
    The box stts is replaced, durations follow (ISO/IEC 14496-12, 8.6.1.2), and an edit list, which the new times would
    not fit, is left out.

    Args:
        steps: durations in 1/90000 s, each with the number of images in a row that have it.
    """
    start = 0
    with path.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        while start + 8 <= size:
            stream.seek(start)
            length, kind = struct.unpack(">I4s", stream.read(8))
            if kind == b"moov" and start + length == size:
                stream.seek(start)
                index = _retimed(stream.read(), steps)
                if index:
                    stream.seek(start)
                    stream.write(index)
                    stream.truncate()
                return bool(index)
            step = length if length != 1 else struct.unpack(">Q", stream.read(8).ljust(8, b"\0"))[0]
            if step < 8:
                return False  # a box without a length: of a file that was not finished, as on a full disk
            start += step
    return False


def _retimed(moov: bytes, steps: Sequence[tuple[int, int]]) -> bytes:
    """The moov box with other times; nothing where it is of another form."""
    (top,) = iso_boxes(moov)
    tracks = list(iso_find(moov, "trak", top.body, top.end))
    versions = [moov[box.body] for path in _VERSIONED for box in iso_find(moov, path, top.body, top.end)]
    reordered = list(iso_find(moov, "trak/mdia/minf/stbl/ctts", top.body, top.end))
    ticks = sum(duration * times for duration, times in steps)
    if len(tracks) != 1 or any(versions) or reordered or ticks >= 2**32:
        return b""
    header = next(iso_find(moov, "mvhd", top.body, top.end))
    duration = ticks * int(struct.unpack_from(">I", moov, header.body + 12)[0]) // _TICKS  # in the scale of the movie

    def rebuilt(box: Box) -> bytes:
        content = bytearray(moov[box.body : box.end])
        if box.kind in _PARENTS:
            content = bytearray().join(rebuilt(child) for child in iso_boxes(moov, box.body, box.end))
        elif box.kind == b"stts":
            content = bytearray(struct.pack(">II", 0, len(steps)))
            content += b"".join(struct.pack(">II", times, step) for step, times in steps)
        elif box.kind == b"mdhd":
            struct.pack_into(">II", content, 12, _TICKS, ticks)
        elif box.kind == b"mvhd":
            struct.pack_into(">I", content, 16, duration)
        elif box.kind == b"tkhd":
            struct.pack_into(">I", content, 20, duration)
        elif box.kind == b"edts":
            return b""
        return struct.pack(">I4s", 8 + len(content), box.kind) + content

    return rebuilt(top)


def _open(path: Path, rate_hz: float, width: int, height: int) -> cv2.VideoWriter:
    with _silent():
        codec = cv2.VideoWriter.fourcc(*_CODECS[path.suffix.lower()])
        return cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate_hz, (width, height))


@contextmanager
def _silent() -> Iterator[None]:
    """Within, OpenCV says nothing of a codec that is absent or a disk that is full: we do."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
