# SPDX-License-Identifier: Apache-2.0
"""A recording as one ordered stream of messages of ROS 2: all that can be read, and in words what is lost and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag1, MessageDefinition, Qos, QosDurability
from rosbags.typesys import Stores, get_typestore

from mono_depth_ros.bags.metadata import BagMetadata, read_metadata
from mono_depth_ros.bags.packed import ZSTD, unpack, unpacked_name
from mono_depth_ros.bags.part import Damage, Part, messages
from mono_depth_ros.bags.ros1 import Ros1Messages
from mono_depth_ros.bags.storage import FORMS, NUMBERED, bag_path, is_bag_file, open_part, storage_files
from mono_depth_ros.errors import DataError, shown
from mono_depth_ros.messages.cdr import header_stamp_ns

# The layout of standard messages has not changed over the releases of ROS 2, and old bags bring no definitions.
TYPES = get_typestore(Stores.ROS2_JAZZY)
"""The ROS 2 message classes, and their serialisation."""

_READ = ("cdr", "ros1")
_PLACES = 3  # of damage that are told one by one


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
        kind: its type, such as sensor_msgs/msg/Image. count: of its messages, as far as the files know of them.
        encoding: of its messages, "cdr" for those of ROS 2. definition: of its type, as far as the recording has it.
        qos: as its publishers offered it. latched: it was, in ROS 1.
    """

    name: str
    kind: str
    count: int
    encoding: str = "cdr"
    definition: MessageDefinition | None = None
    qos: tuple[Qos, ...] = ()
    latched: bool = False

    @property
    def stays(self) -> bool:
        """Whether late subscribers get its last messages (transient local). That of /tf_static is a convention, which
        recorders of ROS 1 and those that kept no profiles do not tell."""
        local = self.qos and all(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in self.qos)
        return self.latched or bool(local) or self.name.rpartition("/")[2] == "tf_static"


class BagReader:
    """Use it as a context manager.

    Args:
        path: a bag folder or its metadata.yaml, a .mcap or .db3 file, a ROS 1 .bag file.

    Attributes:
        topics: what can be read of it, by name. left_out: topics whose messages are not those of ROS, by name.
        files: its storage files. ros1: it has messages of ROS 1.
        start_ns, end_ns: of its messages, in the time of the recording; `end_ns` is that of the last one.
        notes: what is odd about it and costs no message.

    Raises:
        DataError: there is nothing at `path`, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            there, self.path = path.exists(), bag_path(path)
            if there and not self.path.is_dir() and not is_bag_file(path):
                raise DataError(f"{path} is no bag: expected {FORMS}")
            self.files = storage_files(self.path) if there else []
        except OSError as error:  # a name that is too long, a folder that may not be read
            raise DataError(f"{path} cannot be read: {(error.strerror or '').lower()}") from error
        if not there:
            raise DataError(f"there is no bag {path}: expected {FORMS}")
        if not self.files:
            raise DataError(f"{path} holds no .mcap and no .db3 file: expected {FORMS}")
        self.notes: list[str] = []
        self._absent: dict[str, str] = {}  # files that are not there or cannot be read at all, in words
        self._lost: dict[str, tuple[int, int]] = {}  # of messages, and expected, by topic
        self.files, self._metadata = self._listed(self.files)
        with ExitStack() as stack:
            self._parts = self._open(stack)
            self.topics, self.left_out = self._topics()
            self._stack = stack.pop_all()
        self._compare_counts()
        self.notes += [f"{file} {note}" for file, part in self._parts for note in part.notes]
        if self.left_out:
            self.notes.append(f"left out, since not of ROS: {', '.join(map(_foreign, self.left_out.values()))}")
        self.ros1 = any(item.encoding == "ros1" for item in self.topics.values())
        held = [part for _, part in self._parts if part.end_time]
        self.start_ns = min((part.start_time for part in held), default=0)
        self.end_ns = max((part.end_time for part in held), default=1) - 1

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    @property
    def damage(self) -> str:
        """Where messages are lost, and which, "" as long as nothing was found; complete after the last message."""
        found = [*self._absent.values()]
        found += [f"{file} is damaged: {words}" for file, part in self._parts for words in part.places.values()]
        if len(found) > _PLACES:
            found[_PLACES:] = [f"{len(found) - _PLACES} more places"]
        if self._lost:
            lost, expected = (sum(counts) for counts in zip(*self._lost.values(), strict=True))
            topics = ", ".join(f"{shown(name)} {n} of {of}" for name, (n, of) in sorted(self._lost.items()))
            found = found or [f"{self.path} is damaged: it holds less than it says"]
            found.append(f"lost: {lost} of {messages(expected)} ({topics})")
        return "; ".join(found)

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[Message]:
        """The messages of these topics that can be read, in the order of their recording.

        Args:
            start_ns, end_ns: only those recorded from `start_ns` on and before `end_ns`.
        """
        read: Counter[str] = Counter()
        for _, part in self._parts:
            kinds = {item.id: self._kind(item) for item in part.connections if self._is_of(item, topics)}
            chosen = [item for item in part.connections if item.id in kinds]
            for connection, log_ns, data in part.messages(chosen, start_ns, end_ns) if chosen else ():
                if _encoding(connection) == "ros1":
                    data = self._ros1.cdr(kinds[connection.id], data)
                elif data[:4] == ZSTD:  # a recorder may pack each message; in ROS 2 none begins so
                    try:
                        data = unpack("zstd", data)
                    except Damage as error:
                        part.places.setdefault("message", f"a message on {shown(connection.topic)} is broken: {error}")
                        continue
                read[connection.topic] += 1
                yield Message(connection.topic, kinds[connection.id], log_ns, bytes(data))
        if start_ns is None and end_ns is None:
            expected = {name: self._expected(name) for name in topics if name in self.topics}
            self._lost |= {name: (n - read[name], n) for name, n in expected.items() if n > read[name]}

    @staticmethod
    def decode(message: Message) -> Any:
        """The message as an object with the fields of its type in ROS 2.

        Raises:
            DataError: its bytes are not of that type.
        """
        try:
            return TYPES.deserialize_cdr(message.data, message.kind)
        except Exception as error:  # rosbags raises what broken bytes make its parts raise
            found = f"{len(message.data)} bytes on {shown(message.topic)} are no {shown(message.kind)}"
            raise DataError(f"{found}: they do not fit its fields") from error

    def _listed(self, files: list[Path]) -> tuple[list[Path], BagMetadata]:
        """Those of the storage files there that are of this recording, and what metadata.yaml says of it."""
        if not self.path.is_dir():
            return files, BagMetadata()
        try:
            values = read_metadata(self.path)
        except DataError as error:
            self.notes.append(f"{error}; the files are read without it")
            return files, BagMetadata()
        if values is None:
            self.notes.append(f"{self.path} has no metadata.yaml, as when its recorder was killed: read without it")
            return files, BagMetadata()
        metadata = BagMetadata.of(values)
        there = {unpacked_name(file.name): file for file in files}
        named = {unpacked_name(name): name for name in metadata.files}
        if absent := [name for short, name in named.items() if short not in there]:
            counts = [metadata.file_counts.get(name) for name in absent]
            held = "" if None in counts else f", with {messages(sum(filter(None, counts)))}"
            words = f"{self.path} does not hold {', '.join(map(shown, absent))}{held}, unlike its metadata.yaml says"
            self._absent[""] = words
            return files, metadata
        # Parts that the recorder had no time to list go on with the numbers of the others.
        stems = {match[1] for name in named if (match := NUMBERED.fullmatch(name))}
        kept = [
            file
            for name, file in there.items()
            if name in named or not named or ((match := NUMBERED.fullmatch(name)) and match[1] in stems)
        ]
        if others := [shown(name) for name, file in there.items() if file not in kept]:
            self.notes.append(f"{self.path} holds {', '.join(others)}, which its metadata.yaml does not name: not read")
        elif named and (unlisted := [name for name in there if name not in named]):
            self.notes.append(f"{self.path / 'metadata.yaml'} does not name {', '.join(map(shown, unlisted))}")
        return kept, metadata

    def _open(self, stack: ExitStack) -> list[tuple[Path, Part]]:
        """The storage files that can be read, in the order of their times."""
        parts: list[tuple[Path, Part]] = []
        for file in self.files:
            try:
                parts.append((file, open_part(file, stack)))
            except Damage as error:
                count = self._metadata.file_counts.get(file.name)
                lost = f", and {messages(count)} in it lost" if count else ""
                self._absent[file.name] = f"{file} is damaged: {error}{lost}"
        if not parts:
            why = next(words for file, words in self._absent.items() if file).partition(" is damaged: ")[2]
            raise DataError(f"{self.path} cannot be read: {why}")
        return sorted(parts, key=lambda item: item[1].start_time)

    @cached_property
    def _ros1(self) -> Ros1Messages:
        return Ros1Messages()

    def _kind(self, connection: Connection) -> str:
        """The type of its messages in ROS 2."""
        return self._ros1.kind(connection) if _encoding(connection) == "ros1" else connection.msgtype

    def _is_of(self, connection: Connection, topics: Collection[str]) -> bool:
        """What has another type or encoding than its topic had at first is no message of the topic."""
        known = self.topics.get(connection.topic) if connection.topic in topics else None
        return known is not None and (known.kind, known.encoding) == (self._kind(connection), _encoding(connection))

    def _topics(self) -> tuple[dict[str, TopicInfo], dict[str, TopicInfo]]:
        """Every topic once, as its first part has it: those of ROS, and others."""
        topics: dict[str, TopicInfo] = {}
        left_out: dict[str, TopicInfo] = {}
        for _, part in self._parts:
            for item in part.connections:
                readable = _encoding(item) in _READ and item.msgtype
                kind = self._kind(item) if readable else item.msgtype
                count = part.claimed.get(item.id, 0)
                group = topics if readable else left_out
                known = group.get(item.topic)
                if known is None:
                    group[item.topic] = self._topic(item, kind, count)
                elif (known.kind, known.encoding) == (kind, _encoding(item)):
                    group[item.topic] = replace(known, count=known.count + count)
        return topics, left_out

    def _topic(self, item: Connection, kind: str, count: int) -> TopicInfo:
        if isinstance(item.ext, ConnectionExtRosbag1):
            return TopicInfo(item.topic, kind, count, "ros1", item.msgdef, (), bool(item.ext.latching))
        qos = tuple(item.ext.offered_qos_profiles) or self._metadata.qos.get(item.topic, ())
        return TopicInfo(item.topic, kind, count, item.ext.serialization_format, item.msgdef, qos)

    def _compare_counts(self) -> None:
        """Hold what the files say of themselves against metadata.yaml."""
        held: Counter[tuple[str, str]] = Counter()
        for _, part in self._parts:
            for item in part.connections:
                held[item.topic, self._kind(item)] += part.claimed.get(item.id, 0)
        counts = self._metadata.counts
        if "" in self._absent and all(held[topic] >= count for topic, count in counts.items()):
            self.notes.append(self._absent.pop(""))  # files of other names, which have everything
        known = {*self.topics, *self.left_out}
        if sum(counts.values()) > sum(held.values()):
            self._lost |= {name: (n, n) for (name, _), n in counts.items() if n > 0 and name not in known}

    def _expected(self, topic: str) -> int:
        """Messages of a topic, as the files say; where one has no count of its own, metadata.yaml may know of more."""
        of_it = ((part, item) for _, part in self._parts for item in part.connections if self._is_of(item, (topic,)))
        own = sum(part.claimed.get(item.id, 0) for part, item in of_it)
        sure = not self._absent and all(part.counted for _, part in self._parts)
        return own if sure else max(own, self._metadata.counts.get((topic, self.topics[topic].kind), 0))


def stamp_ns(message: Message) -> int:
    """Of its header, without decoding it; when it was recorded, where it is too short to have one."""
    try:
        return header_stamp_ns(message.data)
    except DataError:
        return message.log_ns


def _encoding(connection: Connection) -> str:
    if isinstance(connection.ext, ConnectionExtRosbag1):
        return "ros1"
    return connection.ext.serialization_format


def _foreign(topic: TopicInfo) -> str:
    kind = f" {shown(topic.kind)}" if topic.kind else ""
    return f"{shown(topic.name)} ({shown(topic.encoding or 'no encoding')}{kind}, {messages(topic.count)})"
