# SPDX-License-Identifier: Apache-2.0
"""A recording as one ordered stream of messages of ROS 2, read up to its damage where it is damaged."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import zstandard
from rosbags import rosbag1, rosbag2
from rosbags.interfaces import ConnectionExtRosbag1, MessageDefinition, Qos
from rosbags.typesys import Stores, get_typestore

from mono_depth_ros.bags.metadata import read_metadata
from mono_depth_ros.bags.ros1 import Ros1Messages
from mono_depth_ros.bags.salvage import Damage, McapScan, SqliteScan
from mono_depth_ros.errors import DataError
from mono_depth_ros.messages.cdr import header_stamp_ns

FORMS = "a ROS 2 bag folder, a .mcap or .db3 file, or a ROS 1 .bag file"

# The layout of standard messages has not changed over the releases of ROS 2, and old bags bring no definitions.
TYPES = get_typestore(Stores.ROS2_JAZZY)
"""The ROS 2 message classes, and their serialisation."""

_NUMBER = re.compile(r"(\d+)")
_ZSTD = b"\x28\xb5\x2f\xfd"  # begins what zstd has packed, and no message: those begin with a zero


@dataclass(frozen=True)
class Message:
    """One message, serialised as in ROS 2 (CDR), also where the recording is one of ROS 1.

    `log_ns` is when it was recorded. A message of ROS 1 that cannot be converted has no bytes.
    """

    topic: str
    kind: str
    log_ns: int
    data: bytes


@dataclass(frozen=True)
class TopicInfo:
    """One topic of a recording.

    Attributes:
        kind: its type, such as sensor_msgs/msg/Image. count: of its messages; None where it is not known.
        encoding: of its messages, "cdr" for those of ROS 2. definition: of its type, as far as the recording has it.
        qos: as its publishers offered it. latched: it was, in ROS 1.
    """

    name: str
    kind: str
    count: int | None
    encoding: str = "cdr"
    definition: MessageDefinition | None = None
    qos: tuple[Qos, ...] = ()
    latched: bool = False


class BagReader:
    """Use it as a context manager.

    Args:
        path: a bag folder, a .mcap or .db3 file, a ROS 1 .bag file.

    Attributes:
        topics: what is in it, by name. files: its storage files. ros1: it is a recording of ROS 1.
        start_ns, end_ns: of its messages, in the time of the recording; `end_ns` is that of the last one.
        damage: where and how it is damaged, "" as long as nothing was found; complete after the last message.

    Raises:
        DataError: there is nothing at `path`, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.damage = path, ""
        if not path.exists():
            raise DataError(f"there is no bag {path}: expected {FORMS}")
        if not path.is_dir() and path.suffix not in (".mcap", ".db3", ".bag"):
            raise DataError(f"{path} is no bag: expected {FORMS}")
        self.files = storage_files(path)
        if not self.files:
            raise DataError(f"{path} holds no .mcap and no .db3 file: expected {FORMS}")
        with ExitStack() as stack:
            self._parts = self._open(stack)
            self.topics = self._topics()
            if not self.topics:
                raise DataError(f"{path} holds no topic" + (f": {self.damage}" if self.damage else ""))
            self._stack = stack.pop_all()
        self.ros1 = any(item.encoding == "ros1" for item in self.topics.values())
        self.start_ns = min(part.start_time for _, part in self._parts)
        self.end_ns = max(part.end_time for _, part in self._parts) - 1

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[Message]:
        """The messages of these topics in the order of their recording, up to the end or the damage.

        Args:
            start_ns, end_ns: only those recorded from `start_ns` on and before `end_ns`.
        """
        count, last_ns = 0, 0
        for file, part in self._parts:
            # What has another type than its topic had at first is no message of the topic.
            kinds = {item.id: self._kind(item) for item in part.connections if item.topic in topics}
            chosen: list[Any] = [
                item for item in part.connections if kinds.get(item.id) == self.topics[item.topic].kind
            ]
            ros1 = {item.id for item in chosen if _encoding(item) == "ros1"}
            stream: Iterator[Any] = part.messages(chosen, start_ns, end_ns) if chosen else iter(())
            while True:
                # What a broken file makes its reader raise is anything: struct.error, TypeError, zstd's, SQLite's.
                try:
                    connection, log_ns, data = next(stream)
                    if data[:4] == _ZSTD:  # a recorder may pack each message
                        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
                except StopIteration:
                    break
                except Exception as error:
                    last = f"after {count} messages, the last recorded at {last_ns / 1e9:.3f} s"
                    self.damage = f"{file} is damaged, {last if count else 'at once'}: {_in_words(error)}"
                    return
                count, last_ns = count + 1, log_ns
                kind = kinds[connection.id]
                data = self._ros1.cdr(kind, data) if connection.id in ros1 else bytes(data)
                yield Message(connection.topic, kind, log_ns, data)
            if chosen and (damage := _damage(part)):
                self.damage = f"{file} {damage}"
                return
        self.damage = self.damage or self._unmerged()

    @staticmethod
    def decode(message: Message) -> Any:
        """The message as an object with the fields of its type in ROS 2.

        Raises:
            DataError: its bytes are not of that type.
        """
        try:
            return TYPES.deserialize_cdr(message.data, message.kind)
        except Exception as error:
            found = f"{len(message.data)} bytes on {message.topic} are no {message.kind}"
            raise DataError(f"{found}: {_in_words(error)}") from error

    def _unmerged(self) -> str:
        """SQLite keeps what was written last in a second file, until somebody merges it in."""
        for file in self.files:
            log = file.with_name(f"{file.name}-wal")
            if file.suffix == ".db3" and log.is_file() and log.stat().st_size:
                hint = f"`sqlite3 {file} 'PRAGMA wal_checkpoint(TRUNCATE)'` on a copy brings them in"
                return f"{log} holds messages that are not read: {hint}"
        return ""

    def _open(self, stack: ExitStack) -> list[tuple[Path, Any]]:
        """Its storage files in their order, and the reader of each; nothing after a damaged one: it would be a gap."""
        parts: list[tuple[Path, Any]] = []
        for file in self._in_order():
            try:
                part = _open_file(_unpacked(file, stack), stack)
            except (Damage, OSError) as error:
                if not parts:
                    raise DataError(f"{self.path} cannot be read: {error}") from error
                self.damage = f"{file} is damaged: {error}"
                break
            parts.append((file, part))
            if damage := _damage(part):
                self.damage = f"{file} {damage}"
                break
        return parts

    def _in_order(self) -> list[Path]:
        """As metadata.yaml says; without it by the numbers in the names, as rosbag2 splits bags."""
        if not self.path.is_dir():
            return self.files
        try:
            metadata = read_metadata(self.path)
            if metadata is None:
                raise DataError(f"{self.path} has no metadata.yaml: its recorder was ended before its time")
            found = [self.path / Path(item).name for item in metadata.get("relative_file_paths") or ()]
            missing = [item.name for item in found if item not in self.files]
            if found and not missing:
                return found
            listed = f"does not hold {missing[0]}" if missing else "holds storage files"
            raise DataError(f"{self.path} {listed}, unlike its metadata.yaml says")
        except DataError as error:
            self.damage = str(error)
        return sorted(self.files, key=lambda item: [int(n) if n.isdecimal() else n for n in _NUMBER.split(item.name)])

    @cached_property
    def _ros1(self) -> Ros1Messages:
        return Ros1Messages()

    def _kind(self, connection: Any) -> str:
        """The type of its messages in ROS 2."""
        return self._ros1.kind(connection) if _encoding(connection) == "ros1" else str(connection.msgtype)

    def _topics(self) -> dict[str, TopicInfo]:
        """Every topic once, as its first part has it."""
        topics: dict[str, TopicInfo] = {}
        for _, part in self._parts:
            for item in part.connections:
                kind = self._kind(item)
                count = None if _damage(part) else item.msgcount
                known = topics.get(item.topic)
                if known is None:
                    ros1 = isinstance(item.ext, ConnectionExtRosbag1)
                    topics[item.topic] = TopicInfo(
                        item.topic,
                        kind,
                        count,
                        _encoding(item),
                        item.msgdef,
                        () if ros1 else tuple(item.ext.offered_qos_profiles),
                        bool(ros1 and item.ext.latching),
                    )
                elif known.kind == kind:
                    total = None if known.count is None or count is None else known.count + count
                    topics[item.topic] = replace(known, count=total)
        return topics


def storage_files(path: Path) -> list[Path]:
    """The files with the messages of a bag: those of a folder, sorted, or the file itself."""
    if not path.is_dir():
        return [path]
    return sorted(item for item in path.iterdir() if {".mcap", ".db3"} & set(item.suffixes) and item.is_file())


def stamp_ns(message: Message) -> int:
    """Of its header, without decoding it; when it was recorded, where it is too short to have one."""
    try:
        return header_stamp_ns(message.data)
    except DataError:
        return message.log_ns


def _encoding(connection: Any) -> str:
    return "ros1" if isinstance(connection.ext, ConnectionExtRosbag1) else str(connection.ext.serialization_format)


def _damage(part: Any) -> str:
    """What our own readers have found; those of rosbags refuse what is damaged."""
    return str(getattr(part, "damage", ""))


def _unpacked(file: Path, stack: ExitStack) -> Path:
    """A storage file that its recorder has packed, unpacked in a folder that goes with `stack`; others as they are."""
    if file.suffix not in (".zstd", ".zst"):
        return file
    unpacked = Path(stack.enter_context(tempfile.TemporaryDirectory()), file.stem)
    # What was unpacked before an error is salvaged, as of a file that was cut off.
    with file.open("rb") as source, unpacked.open("wb") as target, suppress(zstandard.ZstdError):
        zstandard.ZstdDecompressor().copy_stream(source, target)
    return unpacked


def _open_file(file: Path, stack: ExitStack) -> Any:
    """A reader of rosbags for one file; where it refuses, our own, which takes what there is. Raises Damage."""
    try:
        reader: Any = rosbag1.Reader(file) if file.suffix == ".bag" else rosbag2.Reader(file)
        return stack.enter_context(reader)
    except Exception as error:
        if file.suffix == ".bag":
            raise Damage(f"{_in_words(error)}; `rosbag reindex` may repair it") from error
    part = McapScan(file) if file.suffix == ".mcap" else SqliteScan(file)
    stack.callback(part.close)
    return part


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
