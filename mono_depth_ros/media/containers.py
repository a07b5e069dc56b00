# SPDX-License-Identifier: Apache-2.0
"""What the bytes of a video file say of themselves: whether the file is whole, and how many images it has.

Decoders conceal both: they give what they find and stop. Sources: ISO/IEC 14496-12 (MP4, MOV), Microsoft's RIFF (AVI),
RFC 8794 (EBML: Matroska, WebM).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mono_depth_ros.paths import require_file

_ISO = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof")
_EBML, _SEGMENT, _UNKNOWN = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", -1
_MOOV_LIMIT = 2**28  # bytes; that of an hour of video is one megabyte


@dataclass(frozen=True)
class Container:
    """Attributes:
    fault: what is missing, as the end of a sentence such as "it is cut off at ..."; "" for a whole file, or one that
        does not tell.
    count: of the images of its video, None where it is not told, or where an edit list hides some of them.
    """

    fault: str = ""
    count: int | None = None


@dataclass(frozen=True)
class Box:
    """One box of an ISO file: `start` of its header, `body` of its content and `end`, as offsets."""

    kind: bytes
    start: int
    body: int
    end: int


def read_container(path: Path) -> Container:
    """What the file says of itself; of an unknown format that is nothing.

    Raises:
        OSError: it cannot be read.
    """
    require_file(path)
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(12)
        if head[4:8] in _ISO:
            return _iso(stream, size)
        if head[:4] == b"RIFF":
            return Container(_cut(_riff_end(stream, size), size))
        if head[:4] == _EBML:
            return Container(_cut(_ebml_end(stream), size))
    return Container()


def iso_boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between two offsets of an ISO file, or of a part of one, without those inside them."""
    end = len(data) if end is None else min(end, len(data))
    while start + 8 <= end:
        box = _box(data[start : start + 16], start, end)
        yield box
        start = max(box.end, start + 8)


def iso_find(data: bytes, path: str, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """All boxes at a path such as "trak/mdia/mdhd" below the given part of a file."""
    kind, _, rest = path.partition("/")
    for box in iso_boxes(data, start, end):
        if box.kind == kind.encode():
            yield from iso_find(data, rest, box.body, box.end) if rest else (box,)


def _box(head: bytes, start: int, end: int) -> Box:
    size, kind = struct.unpack(">I4s", head[:8])
    if size == 1 and len(head) == 16:
        return Box(kind, start, start + 16, start + int(struct.unpack(">Q", head[8:])[0]))
    return Box(kind, start, start + 8, start + size if size else end)


def _iso(stream: BinaryIO, size: int) -> Container:
    start, moov = 0, b""
    while start + 8 <= size:
        stream.seek(start)
        box = _box(stream.read(16), start, size)
        if box.kind == b"moov" and box.end <= size and box.end - box.body < _MOOV_LIMIT:
            stream.seek(box.body)
            moov = stream.read(box.end - box.body)
        if box.end > size:
            without = "" if moov else ", before its index (moov): it was not closed when it was recorded"
            return Container(_cut(box.end, size) + without, _iso_count(moov))
        start = max(box.end, start + 8)
    return Container("" if moov else "it has no index (moov): it was not closed when it was recorded", _iso_count(moov))


def _iso_count(moov: bytes) -> int | None:
    """Images of the video track, as its table of sizes has them (stsz); None of a fragmented file or a broken index."""
    with suppress(struct.error, IndexError):
        return _stated_count(moov)
    return None


def _stated_count(moov: bytes) -> int | None:
    for track in iso_find(moov, "trak"):
        handlers = list(iso_find(moov, "mdia/hdlr", track.body, track.end))
        if not handlers or moov[handlers[0].body + 8 : handlers[0].body + 12] != b"vide":
            continue
        for item in iso_find(moov, "mdia/minf/stbl/stsz", track.body, track.end):
            count = int(struct.unpack_from(">I", moov, item.body + 8)[0])
            edits = iso_find(moov, "edts/elst", track.body, track.end)
            return count if count and not any(_hides(moov, track, edit, count) for edit in edits) else None
    return None


def _hides(moov: bytes, track: Box, edits: Box, images: int) -> bool:
    """Whether an edit list leaves out images of its track, as one of a clip that was trimmed on a phone does."""
    scale, media_scale = (
        _scale(moov, iso_find(moov, "mvhd")),
        _scale(moov, iso_find(moov, "mdia/mdhd", track.body, track.end)),
    )
    tables = iso_find(moov, "mdia/minf/stbl/stts", track.body, track.end)
    media = sum(times * ticks for table in tables for times, ticks in _entries(moov, table, ">II"))
    rows = _entries(moov, edits, ">QqI" if moov[edits.body] else ">IiI")
    shown = sum(duration for duration, start, _ in rows if start >= 0)
    return media / media_scale - shown / scale > 0.8 * media / media_scale / images


def _entries(moov: bytes, table: Box, form: str) -> Iterator[tuple[int, ...]]:
    """The rows of a table that begins with its version and the number of its rows."""
    count, step = struct.unpack_from(">I", moov, table.body + 4)[0], struct.calcsize(form)
    for index in range(min(count, (table.end - table.body - 8) // step)):
        yield struct.unpack_from(form, moov, table.body + 8 + index * step)


def _scale(moov: bytes, headers: Iterator[Box]) -> int:
    """Ticks a second, of an mvhd or mdhd box."""
    scales = [struct.unpack_from(">I", moov, box.body + (20 if moov[box.body] else 12))[0] for box in headers]
    return int(scales[0]) or 1


def _riff_end(stream: BinaryIO, size: int) -> int:
    """Where the last RIFF chunk ends; large AVI files have several."""
    start = 0
    while start + 8 <= size:
        stream.seek(start)
        kind, length = struct.unpack("<4sI", stream.read(8))
        if kind != b"RIFF":
            break
        start += 8 + length + length % 2
    return start


def _ebml_end(stream: BinaryIO) -> int:
    """Where the segment ends; 0 where it does not say, as that of a live stream."""
    stream.seek(4)
    stream.seek(max(_vint(stream), 0), 1)
    if stream.read(4) != _SEGMENT or (length := _vint(stream)) == _UNKNOWN:
        return 0
    return stream.tell() + length


def _vint(stream: BinaryIO) -> int:
    first = (stream.read(1) or b"\0")[0]
    length = 9 - first.bit_length()
    value = first & ((1 << (8 - length)) - 1) if length <= 8 else 0
    for byte in stream.read(length - 1):
        value = value << 8 | byte
    return _UNKNOWN if value == (1 << 7 * length) - 1 else value


def _cut(end: int, size: int) -> str:
    return f"it is cut off at {size} of {end} bytes" if end > size else ""
