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
from pathlib import Path

from rosbags.interfaces import Connection

from mono_depth_ros.bags.mcap_records import (
    BROKEN,
    CHANNEL,
    CHUNK,
    CHUNK_HEAD,
    CHUNK_INDEX,
    DATA_END,
    FOOTER,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    MESSAGE_INDEX,
    RECORD,
    SCHEMA,
    STATISTICS,
    Definitions,
    Piece,
    chunk_content,
    counts_by_channel,
    indexed_chunk,
    records,
)
from mono_depth_ros.bags.part import Damage, recorded

_FOOTER_BYTES = 37
_RUN_BYTES = 2**20


class McapFile:
    """See Part.

    Raises:
        Damage: nothing in it can be read. OSError: it cannot be opened.
    """

    counted: bool

    def __init__(self, file: Path) -> None:
        self.places: dict[Hashable, str] = {}
        self.notes: list[str] = []
        self._defined = Definitions()
        self._statistics: dict[int, int] | None = None
        self._pieces: list[Piece] = []
        self._stream = file.open("rb")
        try:
            self._size = file.stat().st_size
            self._find()
            self._learn()
            if not self._defined.channels and (self.places or self._pieces):
                raise Damage(next(iter(self.places.values()), "it defines none of its channels"))
        except BaseException:
            self._stream.close()
            raise
        indexed = sum((Counter(piece.counts or {}) for piece in self._pieces), Counter[int]())
        self.claimed: Mapping[int, int] = indexed if self._statistics is None else self._statistics
        self.counted = self._statistics is not None
        keys = self._defined.channels
        self.connections = [self._defined.connection(key, self.claimed.get(key, 0), self) for key in keys]
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
            at = after = begin  # of the index behind a chunk, of the chunk
            for piece in indexed:
                if piece.at < after:
                    continue  # twice in the index
                if piece.at > at:
                    self._walk(at, piece.at, has_end)
                self._pieces.append(piece)
                at = after = piece.at + piece.length
                at += piece.behind if at + piece.behind <= end else 0
            self._walk(at, end, has_end)
        else:
            self._walk(begin, end, has_end)
            reached = max((piece.at for piece in self._pieces), default=0)
            # What the index knows of beyond a break that the walk did not get over.
            self._pieces += [piece for piece in indexed if piece.at > reached and self._is_chunk(piece, begin, end)]
            self.notes.append("has a wrong index, and was read without it")
        if self._read(0, begin) != MAGIC:
            if not self._defined.channels and not self._pieces:
                raise Damage("it is no MCAP file, by its first bytes")
            self.notes.append("does not begin as an MCAP file")

    def _summary(self) -> tuple[int, bool]:
        """Where the data ends, and whether the file says so by its end; takes in what its summary says."""
        end = self._size - _FOOTER_BYTES
        foot = self._read(max(0, end), _FOOTER_BYTES)
        if len(foot) < _FOOTER_BYTES or foot[-8:] != MAGIC or RECORD.unpack_from(foot) != (FOOTER, 20):
            return self._size, False
        start, _, checksum = struct.unpack_from("<QQI", foot, 9)
        if not len(MAGIC) <= start <= end:
            return end, True
        text = self._read(start, end - start)
        if checksum and zlib.crc32(text + foot[:25]) != checksum:
            self.notes.append("has a broken index, and was read without it")
            return end, True
        for kind, content in records(text):
            try:
                if kind == CHUNK_INDEX:
                    self._pieces.append(indexed_chunk(content))
                elif kind == STATISTICS:
                    self._statistics = counts_by_channel(content) or self._statistics
                else:
                    self._defined.add(kind, content)
            except BROKEN:
                continue  # what it lacks is found without it
        return start, True

    def _is_chunk(self, piece: Piece, begin: int, end: int) -> bool:
        """Whether a chunk is where the index says."""
        inside = begin <= piece.at and piece.length >= 9 and piece.at + piece.length <= end
        return inside and self._read(piece.at, 9) == RECORD.pack(CHUNK, piece.length - 9)

    def _walk(self, at: int, end: int, has_end: bool) -> None:
        """Take in the pieces and definitions from one byte to another; what stops it is a place of damage.

        Args:
            has_end: the file has an end of its own.
        """
        run: Piece | None = None
        at, _ = self._indexes(at, end)
        while at < end:
            head = self._read(at, min(end - at, 9 + MESSAGE_HEAD.size))
            kind, length = RECORD.unpack_from(head) if len(head) >= 9 else (0, 0)
            if len(head) >= 9 and (kind == 0 or 0x0F < kind < 0x80):
                self._lose(at, f"from byte {at} on it holds {'no records of MCAP' if any(head) else 'zeros'}")
                return
            if at + 9 + length > end or not kind:
                if kind == CHUNK and end - at > 9 + CHUNK_HEAD.size:
                    self._pieces.append(self._chunk(at, min(end - at, _RUN_BYTES * 256)))
                left = f"of {9 + length} bytes, {end - at} are left" if kind else "of which little is left"
                self._lose(at, f"it is {'broken' if has_end else 'cut off'} in the record at byte {at}, {left}")
                return
            after = at + 9 + length
            if kind == CHUNK:
                chunk = self._chunk(at, 9 + length)
                after, found = self._indexes(after, end)
                times = [log_ns for log_ns, _ in found]
                if times and (chunk.start, chunk.end) == (min(times), max(times)):
                    chunk.counts, chunk.sure = dict(Counter(channel for _, channel in found)), False
                self._pieces.append(chunk)
            elif kind == MESSAGE:
                run = self._lengthened(run, at, length, head)
            elif kind in (SCHEMA, CHANNEL):
                try:
                    self._defined.add(kind, memoryview(self._read(at + 9, length)))
                except BROKEN:
                    self._lose(at, f"the record at byte {at} is broken")
            elif kind == MESSAGE_INDEX:
                self._lose(at, f"before byte {at} a chunk is broken")
            elif (kind, length) in ((DATA_END, 4), (FOOTER, 20)):
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
            if kind != MESSAGE_INDEX or size != length - 6 or at + 9 + length > end or size % 16:
                break
            found += [(log_ns, channel) for log_ns, _ in struct.iter_unpack("<QQ", self._read(at + 15, size))]
            at += 9 + length
        return at, found

    def _chunk(self, at: int, length: int) -> Piece:
        start, end = struct.unpack("<QQ", self._read(at + 9, 16).ljust(16, b"\0"))
        return Piece(at, length, start, end)

    def _lengthened(self, run: Piece | None, at: int, length: int, head: bytes) -> Piece:
        """A run of messages with one more, whose record is at `at` and begins with `head`."""
        whole = length >= MESSAGE_HEAD.size
        channel, _, log_ns, _ = MESSAGE_HEAD.unpack_from(head, 9) if whole else (-1, 0, 0, 0)
        if run is None or run.at + run.length != at or run.length > _RUN_BYTES:
            run = Piece(at, 0, log_ns, log_ns, {}, chunk=False)
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
            if piece.chunk and (held is None or not all(key in self._defined for key in held)):
                found = self._load(piece)
                piece.counts = dict(Counter(channel for _, channel, _ in found))
                times = [log_ns for log_ns, *_ in found]
                piece.start, piece.end = (min(times), max(times)) if times else (piece.start, piece.end)

    def _load(self, piece: Piece) -> list[tuple[int, int, memoryview]]:
        """Log time, channel and bytes of its messages, in the order of the file. What cannot be read is a place."""
        content: bytes = self._read(piece.at, piece.length)
        if piece.chunk:
            try:
                content = chunk_content(content)
            except Damage as error:
                where = f"the chunk at byte {piece.at}, {recorded(piece.start, piece.end)}"
                self._lose(piece.at, f"{where}, is broken: {error}")
                return []
        found = []
        for kind, record in records(content):
            if kind == MESSAGE and len(record) >= MESSAGE_HEAD.size:
                channel, _, log_ns, _ = MESSAGE_HEAD.unpack_from(record)
                found.append((log_ns, channel, record[MESSAGE_HEAD.size :]))
            elif kind in (SCHEMA, CHANNEL):
                try:
                    self._defined.add(kind, record)
                except BROKEN:
                    self._lose((piece.at, kind), f"a definition in the chunk at byte {piece.at} is broken")
        return found

    def _lose(self, where: Hashable, words: str) -> None:
        self.places.setdefault(where, words)


def _log_time(item: tuple[int, int, memoryview]) -> int:
    return item[0]
