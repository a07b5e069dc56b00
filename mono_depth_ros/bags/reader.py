# SPDX-License-Identifier: Apache-2.0
"""A bag as one ordered stream of messages, read up to its damage where it is damaged."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_typestore

from mono_depth_ros.bags.salvage import salvage_parts
from mono_depth_ros.errors import DataError
from mono_depth_ros.messages.cdr import header_stamp_ns

FORMS = "a ROS 2 bag folder, a .mcap or .db3 file, or a ROS 1 .bag file"

# The layout of standard messages has not changed over the releases of ROS 2, and old bags bring no definitions.
TYPES = get_typestore(Stores.ROS2_JAZZY)
"""The ROS 2 message classes, and their serialisation."""


@dataclass(frozen=True)
class Message:
    """One serialised message: `log_ns` is when it was recorded."""

    topic: str
    kind: str
    log_ns: int
    data: bytes


@dataclass(frozen=True)
class TopicInfo:
    """One topic of a bag. `count` is None in a damaged bag. `connection` is what rosbags knows of it."""

    name: str
    kind: str
    count: int | None
    connection: Any


class BagReader:
    """Use it as a context manager.

    Args:
        path: a bag folder, a .mcap or .db3 file, a ROS 1 .bag file.

    Attributes:
        topics: what is in it, by name. files: its storage files. ros1: it is a bag of ROS 1.
        damage: where and how it is damaged, "" as long as nothing was found; complete after the last message.

    Raises:
        DataError: there is nothing at `path`, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.damage, self.ros1 = path, "", path.suffix == ".bag"
        if not path.exists():
            raise DataError(f"there is no bag {path}: expected {FORMS}")
        if not path.is_dir() and path.suffix not in (".mcap", ".db3", ".bag"):
            raise DataError(f"{path} is no bag: expected {FORMS}")
        self.files = storage_files(path)
        if not self.files:
            raise DataError(f"{path} holds no .mcap and no .db3 file: expected {FORMS}")
        self._stack = ExitStack()
        self._types = get_typestore(Stores.ROS1_NOETIC) if self.ros1 else TYPES
        self._parts = self._open()
        self.topics: dict[str, TopicInfo] = {}
        for part in self._parts:
            for connection in part.connections:
                known = self.topics.get(connection.topic)
                if known is None:
                    count = None if self.damage else connection.msgcount
                    self.topics[connection.topic] = TopicInfo(connection.topic, connection.msgtype, count, connection)
                elif known.kind == connection.msgtype and known.count is not None:
                    count = known.count + connection.msgcount
                    self.topics[connection.topic] = TopicInfo(known.name, known.kind, count, known.connection)
        if not self.topics:
            raise DataError(f"{path} holds no topic" + (f": {self.damage}" if self.damage else ""))

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def messages(self, topics: Collection[str]) -> Iterator[Message]:
        """The messages of these topics in the order of their recording, up to the end or the damage."""
        count, last_ns = 0, None
        for part in self._parts:
            chosen = [item for item in part.connections if item.topic in topics]
            if not chosen:
                continue
            stream = part.messages(chosen)
            while True:
                # What a broken file makes its reader raise is anything: struct.error, TypeError, zstd's, SQLite's.
                try:
                    connection, log_ns, data = next(stream)
                except StopIteration:
                    break
                except Exception as error:
                    where = (
                        f"after {count} messages, the last recorded at {last_ns / 1e9:.3f} s" if count else "at once"
                    )
                    self.damage = f"{self.path} is damaged, {where}: {_in_words(error)}"
                    return
                count, last_ns = count + 1, log_ns
                yield Message(connection.topic, connection.msgtype, log_ns, data)
            if getattr(part, "damage", ""):
                self.damage = part.damage
                return
        self.damage = self.damage or self._unmerged()

    def decode(self, message: Message) -> Any:
        """The message as an object with the fields of its type.

        Raises:
            DataError: its bytes are not of that type.
        """
        try:
            if self.ros1:
                return self._types.deserialize_ros1(message.data, message.kind)
            return self._types.deserialize_cdr(message.data, message.kind)
        except Exception as error:
            found = f"{len(message.data)} bytes on {message.topic} are no {message.kind}"
            raise DataError(f"{found}: {_in_words(error)}") from error

    def stamp_ns(self, message: Message) -> int:
        """Of the header, which the message begins with, without decoding it.

        Raises:
            DataError: too few bytes.
        """
        if not self.ros1:
            return header_stamp_ns(message.data)
        if len(message.data) < 12:
            raise DataError(f"a message on {message.topic} has {len(message.data)} bytes, expected at least 12")
        _, seconds, nanoseconds = struct.unpack_from("<III", message.data)
        return int(seconds) * 1_000_000_000 + int(nanoseconds)

    def _unmerged(self) -> str:
        """SQLite keeps what was written last in a second file, until somebody merges it in."""
        for file in self.files:
            log = file.with_name(f"{file.name}-wal")
            if file.suffix == ".db3" and log.is_file() and log.stat().st_size:
                hint = f"`sqlite3 {file} 'PRAGMA wal_checkpoint(TRUNCATE)'` on a copy brings them in"
                return f"{log} holds messages that are not read: {hint}"
        return ""

    def _open(self) -> list[Any]:
        """Readers of rosbags; where it refuses, our own, which take what there is."""
        try:
            reader: Any = rosbag1.Reader(self.path) if self.ros1 else rosbag2.Reader(self.path)
            return [self._stack.enter_context(reader)]
        except Exception as error:
            problem = _in_words(error)
        if self.ros1:
            raise DataError(f"{self.path} cannot be read: {problem}; `rosbag reindex` may repair it")
        self.damage = f"{self.path}: {problem}"
        return [self._stack.enter_context(part) for part in salvage_parts(self.path, self.files)]


def storage_files(path: Path) -> list[Path]:
    """The files with the messages of a bag: those of a folder, sorted, or the file itself."""
    if not path.is_dir():
        return [path]
    return sorted(item for item in path.iterdir() if {".mcap", ".db3"} & set(item.suffixes) and item.is_file())


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
