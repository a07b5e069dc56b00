# SPDX-License-Identifier: Apache-2.0
"""Messages of ROS 1 as messages of ROS 2: Header.seq goes, CameraInfo.K becomes k, Range gets its variance."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from rosbags.convert.converter import migrate_bytes
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

_RENAMED = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}


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

    def cdr(self, kind: str, data: bytes) -> bytes:
        """The message as ROS 2 serialises it; b"" where `data` is no message of that type."""
        with suppress(Exception):  # rosbags raises what broken bytes make its parts raise
            if kind not in self._ros1.fielddefs:
                return bytes(self._ros2.ros1_to_cdr(data, kind))
            return bytes(
                migrate_bytes(self._ros1, self._ros2, kind, kind, self._cache, data, src_is2=False, dst_is2=True)
            )
        return b""
