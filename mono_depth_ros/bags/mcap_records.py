# SPDX-License-Identifier: Apache-2.0
"""The records of an MCAP file, as bytes: https://mcap.dev/spec, "Records"."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat

from mono_depth_ros.bags.packed import beginning, unpack
from mono_depth_ros.bags.part import FORMATS, Damage, offered

MAGIC = b"\x89MCAP0\r\n"
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(2, 9)
STATISTICS, DATA_END = 0x0B, 0x0F
RECORD = struct.Struct("<BQ")  # what it is, and its length
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
CHUNK_HEAD = struct.Struct("<QQQII")  # start, end, size, CRC-32, length of the name of the compression
BROKEN = (struct.error, UnicodeDecodeError)
"""What a record raises that is not as it should be."""


@dataclass
class Piece:
    """A chunk, or a run of messages outside of chunks.

    Attributes:
        at, length: its bytes in the file. start, end: log times of its messages, ns, both inclusive.
        counts: of its messages by channel; None while nobody has looked. sure: those are all.
        behind: bytes of its own index, which follow it.
    """

    at: int
    length: int
    start: int
    end: int
    counts: dict[int, int] | None = None
    sure: bool = True
    behind: int = 0
    chunk: bool = True


class Definitions:
    """Schemas and channels, by their numbers; the first word counts.

    Attributes:
        channels: of each its schema, topic, encoding and metadata.
    """

    def __init__(self) -> None:
        self.channels: dict[int, tuple[int, str, str, dict[str, str]]] = {}
        self._schemas: dict[int, tuple[str, str, str]] = {}  # name, encoding, text

    def add(self, kind: int, content: memoryview) -> None:
        """Take in a record, if it is one of a schema or a channel. Raises BROKEN."""
        if kind == SCHEMA:
            (key,) = struct.unpack_from("<H", content)
            name, at = _text(content, 2)
            encoding, at = _text(content, at)
            # Bytes of other formats are no text, and are not needed.
            self._schemas.setdefault(key, (name, encoding, _text(content, at)[0] if encoding in FORMATS else ""))
        elif kind == CHANNEL:
            key, schema = struct.unpack_from("<HH", content)
            topic, at = _text(content, 4)
            encoding, at = _text(content, at)
            (length,) = struct.unpack_from("<I", content, at)
            metadata, end, at = {}, at + 4 + length, at + 4
            while at < end:
                name, at = _text(content, at)
                metadata[name], at = _text(content, at)
            self.channels.setdefault(key, (schema, topic, encoding, metadata))

    def __contains__(self, key: int) -> bool:
        """Whether a channel is known, and the schema that it names."""
        schema = self.channels[key][0] if key in self.channels else -1
        return schema == 0 or schema in self._schemas

    def connection(self, key: int, count: int, owner: Any) -> Connection:
        """A channel as rosbags describes it."""
        schema, topic, encoding, metadata = self.channels[key]
        name, form, text = self._schemas.get(schema, ("", "", ""))
        definition = MessageDefinition(FORMATS.get(form, MessageDefinitionFormat.NONE), text)
        how = ConnectionExtRosbag2(encoding, list(offered(metadata.get("offered_qos_profiles"))))
        return Connection(key, topic, name, definition, "", count, how, owner)


def records(text: bytes) -> Iterator[tuple[int, memoryview]]:
    """Kind and content of the records in a text, as far as they are whole."""
    view, at, end = memoryview(text), 0, len(text)
    while at + RECORD.size <= end:
        kind, length = RECORD.unpack_from(view, at)
        at += RECORD.size
        if at + length > end:
            return
        yield kind, view[at : at + length]
        at += length


def chunk_content(data: bytes) -> bytes:
    """The records in a chunk; of one that was cut off, as far as it goes.

    Args:
        data: the record of the chunk.

    Raises:
        Damage: it cannot be unpacked, or has another checksum.
    """
    try:
        _, _, size, checksum, name = CHUNK_HEAD.unpack_from(data, RECORD.size)
        at = RECORD.size + CHUNK_HEAD.size
        how = data[at : at + name].decode("ascii", "replace")
        (length,) = struct.unpack_from("<Q", data, at + name)
    except struct.error:
        raise Damage("it is too short") from None
    packed = memoryview(data)[at + name + 8 : at + name + 8 + length]
    if RECORD.unpack_from(data)[1] + RECORD.size > len(data):
        return beginning(how, packed)
    content = unpack(how, packed, size)
    if checksum and zlib.crc32(content) != checksum:
        raise Damage("its checksum is another")
    return content


def indexed_chunk(content: memoryview) -> Piece:
    """A chunk as its index says. Raises BROKEN."""
    start, end, at, length, size = struct.unpack_from("<QQQQI", content)
    offsets = sorted((offset, channel) for channel, offset in struct.iter_unpack("<HQ", content[36 : 36 + size]))
    (behind,) = struct.unpack_from("<Q", content, 36 + size)
    counts = None
    if offsets:  # each index of messages goes on to the next one: 15 bytes, and 16 for each message
        ends = [offset for offset, _ in offsets[1:]] + [at + length + behind]
        found = {channel: (end - begin - 15) // 16 for (begin, channel), end in zip(offsets, ends, strict=True)}
        counts = {channel: count for channel, count in found.items() if count > 0}
    return Piece(at, length, start, end, counts, behind=behind)


def counts_by_channel(content: memoryview) -> dict[int, int]:
    """Of the statistics of a file; {} where its writer left them out. Raises BROKEN."""
    (length,) = struct.unpack_from("<I", content, 42)
    return dict(struct.iter_unpack("<HQ", content[46 : 46 + length]))


def _text(content: memoryview, at: int) -> tuple[str, int]:
    """A text, and where it ends. Raises BROKEN."""
    (length,) = struct.unpack_from("<I", content, at)
    if at + 4 + length > len(content):
        raise struct.error("too short")
    return bytes(content[at + 4 : at + 4 + length]).decode(), at + 4 + length
