# SPDX-License-Identifier: Apache-2.0
"""What the recorder writes to: an MCAP file, filled in a thread of its own."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.messages.stamps import sec_nanosec

_TF = "tf2_msgs/msg/TFMessage"
_EVER = QosTime(2147483647, 4294967295)
_LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _EVER,
    _EVER,
    QosLiveliness.AUTOMATIC,
    _EVER,
    False,
)
"""As tf2_ros::StaticTransformBroadcaster offers it."""


class BagWriter:
    """An MCAP file, written and compressed in a thread of its own, so that arrivals are never late for it.

    Args:
        folder: of the bag; it holds `<folder name>.mcap` and metadata.yaml in the end.
    """

    def __init__(self, folder: Path) -> None:
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._writer = Writer(folder, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        self._connections: dict[str, Any] = {}
        self._queue: queue.SimpleQueue[tuple[str, int, bytes] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="bag", daemon=True)
        self._thread.start()

    def add_topic(self, topic: str, kind: str) -> None:
        self._connections[topic] = self._writer.add_connection(topic, kind, typestore=self._types)

    def write(self, topic: str, arrival_ns: int, data: bytes) -> None:
        self._queue.put((topic, arrival_ns, data))

    def write_static(self, parent: str, child: str, parent_from_child: np.ndarray, stamp_ns: int, now_ns: int) -> None:
        """One static transform on /tf_static, latched, whether or not ROS's own tf2 is installed to publish it."""
        types = self._types.types
        sec, nanosec = sec_nanosec(stamp_ns)
        header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](sec, nanosec), parent)
        transform = types["geometry_msgs/msg/Transform"](
            types["geometry_msgs/msg/Vector3"](*parent_from_child[:3, 3].tolist()),
            types["geometry_msgs/msg/Quaternion"](*quaternion(parent_from_child[:3, :3])),
        )
        stamped = types["geometry_msgs/msg/TransformStamped"](header, child, transform)
        self._connections["/tf_static"] = self._writer.add_connection(
            "/tf_static", _TF, typestore=self._types, offered_qos_profiles=[_LATCHED]
        )
        self.write("/tf_static", now_ns, bytes(self._types.serialize_cdr(types[_TF]([stamped]), _TF)))

    def close(self) -> None:
        """Write what is waiting and finish the file; once."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
            self._writer.close()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            topic, arrival_ns, data = item
            self._writer.write(self._connections[topic], arrival_ns, data)
