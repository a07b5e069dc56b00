# SPDX-License-Identifier: Apache-2.0
"""Recordings of ROS 1, and their messages as those of ROS 2.

Header.seq goes, CameraInfo.K becomes k, Range gets its variance.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rosbags import rosbag1
from rosbags.convert.converter import migrate_bytes
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mono_depth_ros.bags.part import Damage

_RENAMED = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}


class Ros1File:
    """A .bag file, by rosbags; see Part. Raises Damage where it cannot be read."""

    counted: bool = True

    def __init__(self, file: Path) -> None:
        self.places: dict[Hashable, str] = {}
        self.notes: list[str] = []
        try:
            self._reader = rosbag1.Reader(file)
            self._reader.open()
        except OSError:
            raise
        except Exception as error:  # rosbags raises what broken bytes make its parts raise
            raise Damage("it has no index, or a broken one: `rosbag reindex` may repair it") from error
        self.connections = list(self._reader.connections)
        self.claimed: Mapping[int, int] = {item.id: item.msgcount for item in self.connections}
        self.start_time, self.end_time = self._reader.start_time, self._reader.end_time

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def messages(
        self, connections: Collection[Connection], start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """The messages in the order of their times, up to what cannot be read."""
        last = self.start_time
        try:
            for item in self._reader.messages(connections, start, stop):
                last = item[1]
                yield item
        except GeneratorExit:
            raise
        except Exception:  # as above
            self.places["chunk"] = f"after {last / 1e9:.3f} s a chunk is broken; `rosbag reindex` may save the rest"


class Ros1Messages:
    """Converts the messages of one recording."""

    def __init__(self) -> None:
        self._ros1, self._ros2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_JAZZY)
        self._cache: dict[str, Any] = {}

    def kind(self, connection: Connection) -> str:
        """The type's name in ROS 2. A type that ROS 2 does not have is learnt from its definition."""
        package, _, name = connection.msgtype.partition("/")
        kind = f"{package}/msg/{name.removeprefix('msg/')}"
        kind = _RENAMED.get(kind, kind)
        if kind not in self._ros2.fielddefs and connection.msgdef.format is MessageDefinitionFormat.MSG:
            with suppress(Exception):  # rosbags raises what its parser meets
                known = self._ros2.fielddefs
                found = get_types_from_msg(connection.msgdef.data, kind)
                self._ros2.register({name: fields for name, fields in found.items() if name not in known})
        return kind

    def cdr(self, kind: str, data: bytes | memoryview) -> bytes:
        """The message as ROS 2 serialises it; b"" where `data` is no message of that type."""
        with suppress(Exception):  # rosbags raises what broken bytes make its parts raise
            if kind not in self._ros1.fielddefs:
                return bytes(self._ros2.ros1_to_cdr(data, kind))
            return bytes(
                migrate_bytes(self._ros1, self._ros2, kind, kind, self._cache, data, src_is2=False, dst_is2=True)
            )
        return b""
