# SPDX-License-Identifier: Apache-2.0
"""Storage files that rosbags refuses: cut off, broken, or with content of others. What can be read, in their order.

MCAP: https://mcap.dev/spec; a file is a row of records, so that all before the damage is whole. SQLite: the table is
read row by row until a page is missing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from mcap.exceptions import EndOfFile
from mcap.records import Channel, Chunk, DataEnd, McapRecord, Schema
from mcap.records import Message as McapMessage
from mcap.stream_reader import StreamReader, get_chunk_data_stream
from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2.metadata import parse_qos

_FORMATS = {"ros1msg": MessageDefinitionFormat.MSG, "ros2msg": MessageDefinitionFormat.MSG}
_FORMATS |= {"ros2idl": MessageDefinitionFormat.IDL, "omgidl": MessageDefinitionFormat.IDL}


class Damage(Exception):
    """Where a file cannot be read on, and why."""


class McapScan:
    """An MCAP file read from its beginning. The first pass finds what is in it, and where it ends.

    Attributes:
        connections: its topics. start_time, end_time: of its messages, ns, the end exclusive. damage: what it is, such
            as "is damaged: ..."; "" for a file that is whole, and foreign to rosbags for its other content.

    Raises:
        Damage: nothing in it can be read.
    """

    def __init__(self, file: Path) -> None:
        self._file, self.damage = file, ""
        self.start_time, self.end_time = 2**63 - 1, 0
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        counts: dict[int, int] = {}
        complete = False
        try:
            for record in _records(file):
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, McapMessage):
                    counts[record.channel_id] = counts.get(record.channel_id, 0) + 1
                    self.start_time = min(self.start_time, record.log_time)
                    self.end_time = max(self.end_time, record.log_time + 1)
                else:
                    complete = True
        except Damage as error:
            self.damage = f"is damaged: {'its index is broken' if complete else error}"
            if not channels:
                raise
        self.connections = [
            self._connection(item, schemas.get(item.schema_id), counts.get(key, 0)) for key, item in channels.items()
        ]

    def messages(
        self, connections: Collection[Connection], start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """The messages in the order of the file, those of a chunk in the order of their log times."""
        wanted = {item.id: item for item in connections}
        begin, end = start or 0, self.end_time if stop is None else stop
        try:
            for record in _records(self._file):
                if isinstance(record, McapMessage) and record.channel_id in wanted and begin <= record.log_time < end:
                    yield wanted[record.channel_id], record.log_time, record.data
        except Damage:
            pass  # as the first pass has found

    def close(self) -> None:
        """Nothing is open between the passes."""

    def _connection(self, channel: Channel, schema: Schema | None, count: int) -> Connection:
        encoding, text = (schema.encoding, schema.data.decode(errors="replace")) if schema else ("", "")
        definition = MessageDefinition(_FORMATS.get(encoding, MessageDefinitionFormat.NONE), text)
        try:
            qos = parse_qos(channel.metadata.get("offered_qos_profiles", ""))
        except Exception:  # rosbags raises what odd values make it raise
            qos = []
        how = ConnectionExtRosbag2(channel.message_encoding, qos)
        return Connection(channel.id, channel.topic, schema.name if schema else "", definition, "", count, how, self)


def _records(file: Path) -> Iterator[McapRecord]:
    """Schemas, channels and messages, those inside of chunks in their place, and the end of the data.

    Raises:
        Damage: after the last whole record of a file that has no end or is broken.
    """
    with file.open("rb") as stream:
        source = _Input(stream, file.stat().st_size)
        try:
            for record in StreamReader(source, emit_chunks=True).records:  # type: ignore[arg-type]
                if isinstance(record, Chunk):
                    yield from _inside(record)
                elif isinstance(record, Schema | Channel | McapMessage | DataEnd):
                    yield record
        except Damage:
            raise
        except EndOfFile as error:
            raise Damage(f"it ends at byte {source.at} without an index: the recording was cut off") from error
        except Exception as error:  # mcap raises what broken bytes make its parts raise
            raise Damage(f"it is broken before byte {source.at}: {error}") from error


def _inside(chunk: Chunk) -> list[McapRecord]:
    """Schemas and channels of a chunk, then its messages in the order of their log times."""
    data, size = get_chunk_data_stream(chunk, validate_crc=True)
    if size != chunk.uncompressed_size:
        raise ValueError(f"a chunk of {size} bytes, expected {chunk.uncompressed_size}")
    found = []
    try:
        inner = _Input(BytesIO(data.read(size)), size)
        for record in StreamReader(inner, skip_magic=True).records:  # type: ignore[arg-type]
            found.append(record)
    except EndOfFile:
        pass  # where it should be
    except Damage as error:
        raise ValueError(f"in a chunk, {error}") from error
    return sorted(found, key=lambda record: record.log_time if isinstance(record, McapMessage) else 0)


class _Input:
    """A stream that never gives less than it was asked for, which mcap would take for all of a record."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size, self.at = stream, size, 0

    def read(self, length: int) -> bytes:
        left = self._size - self.at
        if length > left > 0:
            raise Damage(f"at byte {self.at} it goes on for {length} bytes, {left} are left: the recording was cut off")
        data = self._stream.read(length)
        if data == b"\0":  # no record is called so; a disk that lost power leaves long rows of them
            raise Damage(f"at byte {self.at} it holds zeros instead of a record")
        self.at += len(data)
        return data


class SqliteScan:
    """A database with pages missing or broken.

    Attributes:
        connections, start_time, end_time, damage: as of McapScan; the damage is known after the last message.

    Raises:
        Damage: nothing in it can be read.
    """

    def __init__(self, file: Path) -> None:
        self.damage = "is damaged: its index is broken"
        self.start_time, self.end_time = 2**63 - 1, 0
        self._database = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        try:
            # SQLite refuses a file shorter than it says, unless it may assume a damaged schema (btree.c, lockBtree).
            self._database.execute("PRAGMA writable_schema=ON")
            topics = self._database.execute("SELECT id, name, type FROM topics").fetchall()
        except sqlite3.Error as error:
            self._database.close()
            raise Damage(str(error)) from error
        definitions = {}
        for kind, encoding, text in self._rows(
            "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"  # new in Iron
        ):
            definitions[kind] = MessageDefinition(_FORMATS.get(encoding, MessageDefinitionFormat.NONE), text)
        nothing = MessageDefinition(MessageDefinitionFormat.NONE, "")
        how = ConnectionExtRosbag2("cdr", [])
        self.connections = [
            Connection(number, topic, kind, definitions.get(kind, nothing), "", 0, how, self)
            for number, topic, kind in topics
        ]
        for (stamp,) in self._rows("SELECT timestamp FROM messages ORDER BY id"):
            self.start_time, self.end_time = min(self.start_time, stamp), max(self.end_time, stamp + 1)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def messages(
        self, connections: Collection[Connection], start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """The messages in the order in which they were written."""
        wanted = {item.id: item for item in connections}
        begin, end = start or 0, self.end_time if stop is None else stop
        count = 0
        try:
            for number, log_ns, data in self._database.execute(
                "SELECT topic_id, timestamp, data FROM messages ORDER BY id"
            ):
                count += 1
                if number in wanted and begin <= log_ns < end:
                    yield wanted[number], log_ns, data
        except sqlite3.Error as error:
            self.damage = f"is damaged after message {count}: {error}"

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """What can be read of a table."""
        with suppress(sqlite3.Error):
            yield from self._database.execute(query)
