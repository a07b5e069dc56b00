# SPDX-License-Identifier: Apache-2.0
"""An MCAP file, whoever wrote it: with an index or without, whole, cut off or broken. https://mcap.dev/spec

An index is a convenience that a file may lack, in part or altogether. What it does not cover is walked through, record
by record, so that messages are lost only where their bytes are.
"""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat

from mono_depth_ros.bags.packed import beginning, unpack
from mono_depth_ros.bags.part import FORMATS, Damage, offered, recorded

MAGIC = b"\x89MCAP0\r\n"

_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _MESSAGE_INDEX, _CHUNK_INDEX, _STATISTICS, _DATA_END = (
    *range(2, 9),
    0x0B,
    0x0F,
)
_RECORD = struct.Struct("<BQ")  # what it is, and its length
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK_HEAD = struct.Struct("<QQQII")  # start, end, size, CRC-32, length of the name of the compression
_FOOTER_BYTES = 37
_RUN_BYTES = 2**20


@dataclass
class _Piece:
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


class McapFile:
    """See Part.

    Raises:
        Damage: nothing in it can be read. OSError: it cannot be opened.
    """

    counted: bool

    def __init__(self, file: Path) -> None:
        self.places: dict[Hashable, str] = {}
        self.notes: list[str] = []
        self._schemas: dict[int, tuple[str, str, str]] = {}  # name, encoding, text
        self._channels: dict[int, tuple[int, str, str, dict[str, str]]] = {}  # schema, topic, encoding, metadata
        self._statistics: dict[int, int] | None = None
        self._pieces: list[_Piece] = []
        self._stream = file.open("rb")
        try:
            self._size = file.stat().st_size
            self._find()
            self._learn()
            if not self._channels and (self.places or self._pieces):
                raise Damage(next(iter(self.places.values()), "it defines none of its channels"))
        except BaseException:
            self._stream.close()
            raise
        indexed = sum((Counter(piece.counts or {}) for piece in self._pieces), Counter[int]())
        self.claimed: Mapping[int, int] = indexed if self._statistics is None else self._statistics
        self.counted = self._statistics is not None
        self.connections = [self._connection(key) for key in self._channels]
        held = [piece for piece in self._pieces if piece.counts is None or piece.counts]
        self.start_time = min((piece.start for piece in held), default=2**63 - 1)
        self.end_time = max((piece.end + 1 for piece in held), default=0)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def messages(
        self, connections: Collection[Connection], start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes | memoryview]]:
        """The messages in the order of their log times; of equal ones, in that of the file."""
        wanted = {item.id: item for item in connections}
        begin, end = start or 0, 2**64 if stop is None else stop
        waiting: list[tuple[int, int, memoryview]] = []
        for piece in sorted(self._pieces, key=lambda piece: (piece.start, piece.at)):
            useless = piece.sure and piece.counts is not None and not piece.counts.keys() & wanted.keys()
            if useless or piece.end < begin or piece.start >= end:
                continue
            ready = bisect_left(waiting, piece.start, key=_log_time)
            for log_ns, channel, data in waiting[:ready]:
                yield wanted[channel], log_ns, data
            fresh = [item for item in self._load(piece) if item[1] in wanted and begin <= item[0] < end]
            waiting = sorted(waiting[ready:] + fresh, key=_log_time)
        for log_ns, channel, data in waiting:
            yield wanted[channel], log_ns, data

    def _read(self, at: int, length: int) -> bytes:
        """From any thread: one may read messages while another looks up a transform."""
        return os.pread(self._stream.fileno(), max(0, min(length, self._size - at)), at)

    def _find(self) -> None:
        """All pieces: those of the index, and what lies between them."""
        if not self._size:
            raise Damage("it is empty (0 bytes): its recorder was ended before it wrote anything")
        end, has_end = self._summary()
        indexed, self._pieces = sorted(self._pieces, key=lambda piece: piece.at), []
        begin = len(MAGIC)
        if all(self._is_chunk(piece, begin, end) for piece in indexed):
            at = begin
            for piece in indexed:
                if piece.at > at:
                    self._walk(at, piece.at, has_end)
                self._pieces.append(piece)
                at = piece.at + piece.length
                at += piece.behind if at + piece.behind <= end else 0
            self._walk(at, end, has_end)
        else:
            self._walk(begin, end, has_end)
            reached = max((piece.at for piece in self._pieces), default=0)
            # What the index knows of beyond a break that the walk did not get over.
            self._pieces += [piece for piece in indexed if piece.at > reached and self._is_chunk(piece, begin, end)]
            self.notes.append("has a wrong index, and was read without it")
        if self._read(0, begin) != MAGIC:
            if not self._channels and not self._pieces:
                raise Damage("it is no MCAP file, by its first bytes")
            self.notes.append("does not begin as an MCAP file")

    def _summary(self) -> tuple[int, bool]:
        """Where the data ends, and whether the file says so by its end; takes in what its summary says."""
        end = self._size - _FOOTER_BYTES
        foot = self._read(max(0, end), _FOOTER_BYTES)
        if len(foot) < _FOOTER_BYTES or foot[-8:] != MAGIC or _RECORD.unpack_from(foot) != (_FOOTER, 20):
            return self._size, False
        start, _, checksum = struct.unpack_from("<QQI", foot, 9)
        if not len(MAGIC) <= start <= end:
            return end, True
        text = self._read(start, end - start)
        if checksum and zlib.crc32(text + foot[:25]) != checksum:
            self.notes.append("has a broken index, and was read without it")
            return end, True
        for kind, content in _records(text):
            try:
                if kind == _CHUNK_INDEX:
                    self._pieces.append(_indexed(content))
                elif kind == _STATISTICS:
                    (length,) = struct.unpack_from("<I", content, 42)
                    counts = dict(struct.iter_unpack("<HQ", content[46 : 46 + length]))
                    self._statistics = counts or self._statistics
                else:
                    self._define(kind, content)
            except (struct.error, UnicodeDecodeError):
                continue  # what it lacks is found without it
        return start, True

    def _is_chunk(self, piece: _Piece, begin: int, end: int) -> bool:
        """Whether a chunk is where the index says."""
        inside = begin <= piece.at and piece.length >= 9 and piece.at + piece.length <= end
        return inside and self._read(piece.at, 9) == _RECORD.pack(_CHUNK, piece.length - 9)

    def _walk(self, at: int, end: int, has_end: bool) -> None:
        """Take in the pieces and definitions from one byte to another; what stops it is a place of damage.

        Args:
            has_end: the file has an end of its own.
        """
        run: _Piece | None = None
        at, _ = self._indexes(at, end)
        while at < end:
            head = self._read(at, min(end - at, 9 + _MESSAGE_HEAD.size))
            kind, length = _RECORD.unpack_from(head) if len(head) >= 9 else (0, 0)
            if len(head) >= 9 and (kind == 0 or 0x0F < kind < 0x80):
                self._lose(at, f"from byte {at} on it holds {'no records of MCAP' if any(head) else 'zeros'}")
                return
            if at + 9 + length > end or not kind:
                if kind == _CHUNK and end - at > 9 + _CHUNK_HEAD.size:
                    self._pieces.append(self._chunk(at, min(end - at, _RUN_BYTES * 256)))
                left = f"of {9 + length} bytes, {end - at} are left" if kind else "of which little is left"
                self._lose(at, f"it is {'broken' if has_end else 'cut off'} in the record at byte {at}, {left}")
                return
            after = at + 9 + length
            if kind == _CHUNK:
                chunk = self._chunk(at, 9 + length)
                after, found = self._indexes(after, end)
                times = [log_ns for log_ns, _ in found]
                if times and (chunk.start, chunk.end) == (min(times), max(times)):
                    chunk.counts, chunk.sure = dict(Counter(channel for _, channel in found)), False
                self._pieces.append(chunk)
            elif kind == _MESSAGE:
                run = self._lengthened(run, at, length, head)
            elif kind in (_SCHEMA, _CHANNEL):
                try:
                    self._define(kind, memoryview(self._read(at + 9, length)))
                except (struct.error, UnicodeDecodeError):
                    self._lose(at, f"the record at byte {at} is broken")
            elif kind == _MESSAGE_INDEX:
                self._lose(at, f"before byte {at} a chunk is broken")
            elif (kind, length) in ((_DATA_END, 4), (_FOOTER, 20)):
                if not has_end:
                    self.notes.append("lacks its end, and has all of its messages")
                return
            at = after
        if not has_end:
            self._lose(at, f"it ends at byte {at} without an index: the recording was cut off")

    def _indexes(self, at: int, end: int) -> tuple[int, list[tuple[int, int]]]:
        """The indexes of messages from a byte on: where they end, and log time and channel of each message."""
        found: list[tuple[int, int]] = []
        while at + 15 <= end:
            kind, length, channel, size = struct.unpack("<BQHI", self._read(at, 15))
            if kind != _MESSAGE_INDEX or size != length - 6 or at + 9 + length > end or size % 16:
                break
            found += [(log_ns, channel) for log_ns, _ in struct.iter_unpack("<QQ", self._read(at + 15, size))]
            at += 9 + length
        return at, found

    def _chunk(self, at: int, length: int) -> _Piece:
        start, end = struct.unpack("<QQ", self._read(at + 9, 16).ljust(16, b"\0"))
        return _Piece(at, length, start, end)

    def _lengthened(self, run: _Piece | None, at: int, length: int, head: bytes) -> _Piece:
        """A run of messages with one more, whose record is at `at` and begins with `head`."""
        whole = length >= _MESSAGE_HEAD.size
        channel, _, log_ns, _ = _MESSAGE_HEAD.unpack_from(head, 9) if whole else (-1, 0, 0, 0)
        if run is None or run.at + run.length != at or run.length > _RUN_BYTES:
            run = _Piece(at, 0, log_ns, log_ns, {}, chunk=False)
            self._pieces.append(run)
        run.length += 9 + length
        run.start, run.end = min(run.start, log_ns), max(run.end, log_ns)
        assert run.counts is not None
        run.counts[channel] = run.counts.get(channel, 0) + 1
        return run

    def _learn(self) -> None:
        """Look into the chunks that define channels, and those of which nothing says what is in them."""
        for piece in self._pieces:
            held = piece.counts if piece.counts is not None else self._statistics
            if piece.chunk and (held is None or not all(map(self._is_defined, held))):
                found = self._load(piece)
                piece.counts = dict(Counter(channel for _, channel, _ in found))
                times = [log_ns for log_ns, *_ in found]
                piece.start, piece.end = (min(times), max(times)) if times else (piece.start, piece.end)

    def _is_defined(self, key: int) -> bool:
        """Whether a channel is known, and the schema that it names."""
        schema = self._channels[key][0] if key in self._channels else -1
        return schema == 0 or schema in self._schemas

    def _load(self, piece: _Piece) -> list[tuple[int, int, memoryview]]:
        """Log time, channel and bytes of its messages, in the order of the file. What cannot be read is a place."""
        content: bytes = self._read(piece.at, piece.length)
        if piece.chunk:
            try:
                content = self._content(piece, content)
            except (Damage, struct.error) as error:
                why = str(error) if isinstance(error, Damage) else "it is too short"
                self._lose(
                    piece.at, f"the chunk at byte {piece.at}, {recorded(piece.start, piece.end)}, is broken: {why}"
                )
                return []
        found = []
        for kind, record in _records(content):
            if kind == _MESSAGE and len(record) >= _MESSAGE_HEAD.size:
                channel, _, log_ns, _ = _MESSAGE_HEAD.unpack_from(record)
                found.append((log_ns, channel, record[_MESSAGE_HEAD.size :]))
            elif kind in (_SCHEMA, _CHANNEL):
                try:
                    self._define(kind, record)
                except (struct.error, UnicodeDecodeError):
                    self._lose((piece.at, kind), f"a definition in the chunk at byte {piece.at} is broken")
        return found

    def _content(self, piece: _Piece, data: bytes) -> bytes:
        """The records in a chunk; of one that was cut off, as far as it goes. Raises Damage, struct.error."""
        _, _, size, checksum, name = _CHUNK_HEAD.unpack_from(data, 9)
        at = 9 + _CHUNK_HEAD.size
        how = data[at : at + name].decode("ascii", "replace")
        (length,) = struct.unpack_from("<Q", data, at + name)
        packed = memoryview(data)[at + name + 8 : at + name + 8 + length]
        if _RECORD.unpack_from(data)[1] + 9 > piece.length:
            return beginning(how, packed)
        content = unpack(how, packed, size)
        if checksum and zlib.crc32(content) != checksum:
            raise Damage("its checksum is another")
        return content

    def _define(self, kind: int, content: memoryview) -> None:
        """Take in a schema or a channel. Raises struct.error, UnicodeDecodeError."""
        if kind == _SCHEMA:
            (key,) = struct.unpack_from("<H", content)
            name, at = _text(content, 2)
            encoding, at = _text(content, at)
            # Bytes of other formats are no text, and are not needed.
            text = _text(content, at)[0] if encoding in FORMATS else ""
            self._schemas.setdefault(key, (name, encoding, text))
        elif kind == _CHANNEL:
            key, schema = struct.unpack_from("<HH", content)
            topic, at = _text(content, 4)
            encoding, at = _text(content, at)
            (length,) = struct.unpack_from("<I", content, at)
            metadata, end, at = {}, at + 4 + length, at + 4
            while at < end:
                name, at = _text(content, at)
                metadata[name], at = _text(content, at)
            self._channels.setdefault(key, (schema, topic, encoding, metadata))

    def _connection(self, key: int) -> Connection:
        schema, topic, encoding, metadata = self._channels[key]
        name, format_, text = self._schemas.get(schema, ("", "", ""))
        definition = MessageDefinition(FORMATS.get(format_, MessageDefinitionFormat.NONE), text)
        how = ConnectionExtRosbag2(encoding, list(offered(metadata.get("offered_qos_profiles"))))
        return Connection(key, topic, name, definition, "", self.claimed.get(key, 0), how, self)

    def _lose(self, where: Hashable, words: str) -> None:
        self.places.setdefault(where, words)


def _log_time(item: tuple[int, int, memoryview]) -> int:
    return item[0]


def _records(text: bytes) -> Iterator[tuple[int, memoryview]]:
    """Kind and content of the records in a text, as far as they are whole."""
    view, at, end = memoryview(text), 0, len(text)
    while at + 9 <= end:
        kind, length = _RECORD.unpack_from(view, at)
        at += 9
        if at + length > end:
            return
        yield kind, view[at : at + length]
        at += length


def _text(content: memoryview, at: int) -> tuple[str, int]:
    """A text, and where it ends. Raises struct.error, UnicodeDecodeError."""
    (length,) = struct.unpack_from("<I", content, at)
    if at + 4 + length > len(content):
        raise struct.error("too short")
    return bytes(content[at + 4 : at + 4 + length]).decode(), at + 4 + length


def _indexed(content: memoryview) -> _Piece:
    """A chunk as its index says. Raises struct.error."""
    start, end, at, length, size = struct.unpack_from("<QQQQI", content)
    offsets = sorted((offset, channel) for channel, offset in struct.iter_unpack("<HQ", content[36 : 36 + size]))
    (after,) = struct.unpack_from("<Q", content, 36 + size)
    counts = None
    if offsets:  # each index of messages goes on to the next one: 15 bytes, and 16 for each message
        ends = [offset for offset, _ in offsets[1:]] + [at + length + after]
        found = {channel: (end - begin - 15) // 16 for (begin, channel), end in zip(offsets, ends, strict=True)}
        counts = {channel: count for channel, count in found.items() if count > 0}
    return _Piece(at, length, start, end, counts, behind=after)
