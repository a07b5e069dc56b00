# SPDX-License-Identifier: Apache-2.0
"""Storage files that rosbags refuses, cut off or broken: what can be read of them, in the order of the file.

MCAP: https://mcap.dev/spec; a file is a row of records, so that all before the damage is whole. SQLite: the table is
read row by row until a page is missing.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from rosbags import rosbag2
from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat

from mono_depth_ros.bags.mcap_records import Damage, messages_of, read_string, records, unpack
from mono_depth_ros.errors import DataError


def salvage_parts(path: Path, files: list[Path]) -> list[Any]:
    """Readers of the storage files of a bag, with `connections`, `messages(connections)` and `damage`.

    Raises:
        DataError: nothing in any of them can be read.
    """
    parts: list[Any] = []
    problems = []
    for file in _in_order(path, files):
        try:
            with rosbag2.Reader(file):
                pass
            parts.append(rosbag2.Reader(file))
            continue
        except Exception:
            pass
        try:
            parts.append(McapPart(file) if file.suffix == ".mcap" else SqlitePart(file))
        except (Damage, sqlite3.Error, OSError) as error:
            problems.append(f"{file}: {error}")
        break  # what comes after the damage would leave a gap
    if not parts:
        raise DataError(f"{path} cannot be read: {'; '.join(problems)}")
    return parts


def _in_order(path: Path, files: list[Path]) -> list[Path]:
    """As metadata.yaml says; without it by the numbers in the names, as rosbag2 splits bags."""
    try:
        named = yaml.safe_load((path / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
        found = [path / Path(item).name for item in named["relative_file_paths"]]
        if found and all(item in files for item in found):
            return found
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        pass
    return sorted(files, key=lambda item: [int(n) if n.isdecimal() else n for n in re.split(r"(\d+)", item.name)])


class _Part:
    """A context manager, as the readers of rosbags are."""

    connections: list[Connection]
    damage = ""

    def __enter__(self) -> _Part:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to close."""

    def _connection(self, number: int, topic: str, kind: str, encoding: str, text: str) -> Connection:
        formats = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
        definition = MessageDefinition(formats.get(encoding, MessageDefinitionFormat.NONE), text)
        return Connection(number, topic, kind, definition, "", 0, ConnectionExtRosbag2("cdr", []), self)


class McapPart(_Part):
    """An MCAP file without an end. The first pass finds its topics."""

    def __init__(self, file: Path) -> None:
        self._file = file
        schemas: dict[int, tuple[str, str, str]] = {}
        found: dict[int, Connection] = {}
        counts: dict[int, int] = {}
        try:
            for operation, content in records(file):
                if operation == 0x03:
                    (number,), at = unpack("<H", content)
                    name, at = read_string(content, at)
                    encoding, at = read_string(content, at)
                    schemas[number] = (name, encoding, read_string(content, at)[0])
                elif operation == 0x04:
                    (number, schema), at = unpack("<HH", content)
                    topic, at = read_string(content, at)
                    found[number] = self._connection(number, topic, *schemas.get(schema, ("", "", "")))
                elif operation == 0x05:
                    (number,), _ = unpack("<H", content)
                    counts[number] = counts.get(number, 0) + 1
        except Damage as error:
            self._problem = f"{file} is damaged: {error}"
        else:
            self._problem = f"{file} is damaged: its index is broken"
        if not found:
            raise Damage(self._problem)
        self.connections = [item._replace(msgcount=counts.get(key, 0)) for key, item in found.items()]

    def messages(self, connections: Collection[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
        wanted = {item.id: item for item in connections}
        try:
            for number, log_ns, data in messages_of(self._file):
                if number in wanted:
                    yield wanted[number], log_ns, data
        except Damage:
            pass
        self.damage = self._problem


class SqlitePart(_Part):
    """A database with pages missing or broken."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._database = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        # SQLite refuses a file shorter than it says, unless it may assume a damaged schema (btree.c, lockBtree).
        self._database.execute("PRAGMA writable_schema=ON")
        definitions = {}
        try:
            rows = self._database.execute(
                "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            )
            definitions = {kind: (encoding, text) for kind, encoding, text in rows}
        except sqlite3.Error:
            pass  # bags before Iron have no such table
        try:
            topics = self._database.execute("SELECT id, name, type FROM topics").fetchall()
        except sqlite3.Error:
            self._database.close()
            raise
        self.connections = [
            self._connection(n, topic, kind, *definitions.get(kind, ("", ""))) for n, topic, kind in topics
        ]

    def close(self) -> None:
        self._database.close()

    def messages(self, connections: Collection[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
        wanted = {item.id: item for item in connections}
        count = 0
        try:
            for number, log_ns, data in self._database.execute(
                "SELECT topic_id, timestamp, data FROM messages ORDER BY id"
            ):
                count += 1
                if number in wanted:
                    yield wanted[number], log_ns, data
        except sqlite3.Error as error:
            self.damage = f"{self._file} is damaged after message {count}: {error}"
            return
        self.damage = f"{self._file} is damaged: its index is broken"
