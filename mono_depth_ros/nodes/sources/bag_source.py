# SPDX-License-Identifier: Apache-2.0
"""A recording as a stream of messages in the form in which ROS 2 publishes them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.typesys import Stores, get_typestore

from mono_depth_ros.errors import ConfigError, DataError

_DEPTH = 10  # messages kept for a reliable subscriber that is slow
_S_TO_NS = 1_000_000_000


@dataclass(frozen=True)
class RecordedTopic:
    """A topic that can be published here: its Python message class and its quality of service."""

    name: str
    message: type
    qos: QoSProfile


class BagSource:
    """Opens a recording and reads it in the order of its stamps, as often as one likes.

    Args:
        path: folder, .mcap, .db3 or ROS 1 .bag. topics: names wanted; empty: all. start_s, duration_s: part of it;
            duration 0 is all.

    Attributes:
        topics: those that can be published. skipped: topic to why it cannot.
        start_ns, end_ns: of the part, in the time of the recording.

    Raises:
        ConfigError: a topic that is not in it, or a part that is empty. DataError: the file cannot be read.
    """

    def __init__(self, path: Path, topics: tuple[str, ...] = (), start_s: float = 0.0, duration_s: float = 0.0) -> None:
        self._types = get_typestore(Stores.ROS2_JAZZY)
        try:
            self._reader = AnyReader([path], default_typestore=self._types)
            self._reader.open()
        except Exception as error:  # rosbags raises its own and whatever a broken file makes its parts raise
            raise DataError(f"{path} cannot be read as a recording: {error}") from error
        self._ros1 = not self._reader.is2
        there = {connection.topic for connection in self._reader.connections}
        missing = [name for name in topics if name not in there]
        if missing:
            raise ConfigError(f"{path} has no topic {', '.join(missing)}; it has: {', '.join(sorted(there)) or 'none'}")
        self.topics: list[RecordedTopic] = []
        self.skipped: dict[str, str] = {}
        self._connections: list[Any] = []
        for connection in self._reader.connections:
            if topics and connection.topic not in topics:
                continue
            message = message_class(connection.msgtype)
            if message is None:
                self.skipped[connection.topic] = f"{connection.msgtype} is not installed here"
                continue
            self._connections.append(connection)
            if connection.topic not in {topic.name for topic in self.topics}:
                self.topics.append(RecordedTopic(connection.topic, message, _qos(connection)))
        self.start_ns = self._reader.start_time + int(start_s * _S_TO_NS)
        self.end_ns = self._reader.end_time
        if duration_s:
            self.end_ns = min(self.end_ns, self.start_ns + int(duration_s * _S_TO_NS))
        if not self._connections:
            why = "; ".join(f"{topic}: {reason}" for topic, reason in self.skipped.items()) or "it is empty"
            raise DataError(f"nothing of {path} can be published: {why}")
        if self.start_ns >= self._reader.end_time:
            length_s = self._reader.duration / _S_TO_NS
            raise ConfigError(f"start is {start_s:g} s, expected less than the recording's length, {length_s:g} s")

    def messages(self) -> Iterator[tuple[str, int, bytes]]:
        """(topic, time of the recording in ns, CDR bytes) from the start of the part to its end, in order."""
        # A stop before the last message leaves it out: `stop` is exclusive.
        for connection, time_ns, data in self._reader.messages(self._connections, self.start_ns, self.end_ns + 1):
            if self._ros1:
                message = self._reader.deserialize(data, connection.msgtype)
                data = bytes(self._types.serialize_cdr(message, connection.msgtype))
            yield connection.topic, time_ns, bytes(data)

    def close(self) -> None:
        """Close the files."""
        self._reader.close()


def message_class(name: str) -> type | None:
    """The Python class of a type such as sensor_msgs/msg/Image, or None where its package is not installed."""
    package, _, kind = name.split("/")
    try:
        found: type = getattr(importlib.import_module(f"{package}.msg"), kind)
    except (ImportError, AttributeError):
        return None
    return found


def _qos(connection: Any) -> QoSProfile:
    """As it was offered when it was recorded: latched topics stay latched. Unknown: reliable and volatile."""
    qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
    offered = getattr(connection.ext, "offered_qos_profiles", None) or ()
    if offered and all(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in offered):
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        qos.depth = max(_DEPTH, *(profile.depth for profile in offered))
    if offered and any(profile.reliability == QosReliability.BEST_EFFORT for profile in offered):
        qos.reliability = ReliabilityPolicy.BEST_EFFORT
    # ROS 1 and recorders that kept no profiles: the static transforms are latched by convention.
    if connection.topic.rsplit("/", 1)[-1] == "tf_static" or getattr(connection.ext, "latching", None):
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return qos
