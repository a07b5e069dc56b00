# SPDX-License-Identifier: Apache-2.0
"""The records of an MCAP file, one after the other, whether it is finished or not (https://mcap.dev/spec)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

MAGIC = b"\x89MCAP0\r\n"
_MESSAGE, _CHUNK, _DATA_END, _FOOTER, _METADATA_INDEX = 0x05, 0x06, 0x0F, 0x02, 0x0D


class Damage(Exception):
    """Where the file cannot be read on, and why."""


def records(file: Path) -> Iterator[tuple[int, bytes]]:
    """(opcode, content) of every record, those inside chunks instead of the chunks.

    Raises:
        Damage: after the last whole record of a file that has no end or is broken.
    """
    for operation, content, offset in _top_level(file):
        if operation == _CHUNK:
            yield from _inside(_chunk(content, offset), offset)
        else:
            yield operation, content


def messages_of(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """(channel, log time in ns, data) of every message, those of a chunk in the order of their log times.

    Raises:
        Damage: as `records`.
    """
    for operation, content, offset in _top_level(file):
        if operation == _MESSAGE:
            yield _message(content)
        elif operation == _CHUNK:
            inside = (item for op, item in _inside(_chunk(content, offset), offset) if op == _MESSAGE)
            yield from sorted(map(_message, inside), key=lambda message: message[1])


def mcap_metadata(file: Path) -> str:
    """The text of the metadata record `rosbag2` of a finished file.

    Raises:
        Damage: there is none.
    """
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 37))
        footer = stream.read()
        if len(footer) != 37 or footer[-len(MAGIC) :] != MAGIC:
            raise Damage("it has no footer")
        (begin,), _ = unpack("<Q", footer, 9)
        stream.seek(begin)
        summary, at = stream.read(), 0
        while at < len(summary) - 37:
            (operation, length), at = unpack("<BQ", summary, at)
            if operation == _METADATA_INDEX:
                (offset, _), name_at = unpack("<QQ", summary, at)
                if read_string(summary, name_at)[0] == "rosbag2":
                    return _metadata_text(stream, offset)
            at += length
    raise Damage("it has no metadata")


def _metadata_text(stream: BinaryIO, offset: int) -> str:
    stream.seek(offset)
    (_, length), _ = unpack("<BQ", stream.read(9))
    content = stream.read(length)
    _, at = read_string(content, 0)
    _, at = unpack("<I", content, at)
    key, at = read_string(content, at)
    if key != "serialized_metadata":
        raise Damage(f"its metadata is {key}, expected serialized_metadata")
    return read_string(content, at)[0]


def unpack(layout: str, content: bytes, at: int = 0) -> tuple[tuple[Any, ...], int]:
    """Values, and where the next ones begin."""
    try:
        return struct.unpack_from(layout, content, at), at + struct.calcsize(layout)
    except struct.error as error:
        raise Damage(f"a record is too short: {error}") from error


def read_string(content: bytes, at: int) -> tuple[str, int]:
    """A text with its length before it, and where the next value begins."""
    (size,), at = unpack("<I", content, at)
    return content[at : at + size].decode(errors="replace"), at + size


def _top_level(file: Path) -> Iterator[tuple[int, bytes, int]]:
    with file.open("rb") as stream:
        size = file.stat().st_size
        if stream.read(len(MAGIC)) != MAGIC:
            raise Damage(f"it begins with something else than an MCAP file, in {size} bytes")
        while True:
            offset = stream.tell()
            head = stream.read(9)
            if len(head) < 9:
                raise Damage(f"it ends at byte {size} without an index: the recording was cut off")
            operation, length = struct.unpack("<BQ", head)
            if operation == 0 or length > size - stream.tell():
                raise Damage(f"at byte {offset} a record says it has {length} bytes, {size - stream.tell()} are left")
            if operation in (_DATA_END, _FOOTER):
                return
            yield operation, stream.read(length), offset


def _chunk(content: bytes, offset: int) -> bytes:
    try:
        (_, _, size, checksum), at = unpack("<QQQI", content)
        compression, at = read_string(content, at)
        (length,), at = unpack("<Q", content, at)
        packed = content[at : at + length]
        found = packed if not compression else _decompress(compression, packed)
    except Exception as error:
        raise Damage(f"the chunk at byte {offset} is broken: {error}") from error
    if len(found) != size or (checksum and crc32(found) != checksum):
        raise Damage(f"the chunk at byte {offset} is broken: {len(found)} bytes or another checksum, expected {size}")
    return found


def _decompress(compression: str, packed: bytes) -> bytes:
    # Both come with rosbags.
    if compression == "zstd":
        try:
            from compression import zstd  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            from backports import zstd
        unpacked: bytes = zstd.decompress(packed)
        return unpacked
    if compression == "lz4":
        from lz4.frame import decompress

        return bytes(decompress(packed))
    raise Damage(f"compression is '{compression}', expected zstd or lz4")


def _inside(chunk: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(chunk):
        (operation, length), begin = unpack("<BQ", chunk, at)
        if length > len(chunk) - begin:
            raise Damage(f"the chunk at byte {offset} is broken: a record of {length} bytes in {len(chunk) - begin}")
        yield operation, chunk[begin : begin + length]
        at = begin + length


def _message(content: bytes) -> tuple[int, int, bytes]:
    (channel, _, log_ns, _), at = unpack("<HIQQ", content)
    return channel, log_ns, content[at:]
