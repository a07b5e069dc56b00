# SPDX-License-Identifier: Apache-2.0
"""The same messages from both libraries that make them: rclpy and rosbags."""

from __future__ import annotations

import array
import importlib
from typing import Any

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

_STORE = get_typestore(Stores.ROS2_JAZZY)


class Rclpy:
    """Messages as rclpy hands them to a callback."""

    def __init__(self) -> None:
        self.msg = pytest.importorskip("sensor_msgs.msg", reason="the ROS 2 message packages are not installed")
        self.PointField = self.msg.PointField

    def image(self, encoding: str, width: int, height: int, step: int, data: bytes, big: bool = False) -> Any:
        message = self.msg.Image(width=width, height=height, encoding=encoding, step=step, is_bigendian=int(big))
        message.data = array.array("B", data)
        return message

    def compressed(self, name: str, data: bytes) -> Any:
        message = self.msg.CompressedImage(format=name)
        message.data = array.array("B", data)
        return message

    def info(self) -> Any:
        return self.msg.CameraInfo()

    def cloud(self) -> Any:
        return self.msg.PointCloud2()

    def as_data(self, data: bytes) -> Any:
        return array.array("B", data)

    def serialize(self, message: Any) -> bytes:
        return importlib.import_module("rclpy.serialization").serialize_message(message)

    def deserialize(self, data: bytes, name: str) -> Any:
        return importlib.import_module("rclpy.serialization").deserialize_message(data, getattr(self.msg, name))


class Rosbags:
    """Messages as rosbags reads them from a bag."""

    def __init__(self, store: Any = _STORE) -> None:
        self.store = store
        self.PointField = store.types["sensor_msgs/msg/PointField"]

    def header(self) -> Any:
        types, ros1 = self.store.types, {}
        header = types["std_msgs/msg/Header"]
        if "seq" in header.__dataclass_fields__:
            ros1 = {"seq": 0}
        return header(stamp=types["builtin_interfaces/msg/Time"](sec=1, nanosec=2), frame_id="", **ros1)

    def image(self, encoding: str, width: int, height: int, step: int, data: bytes, big: bool = False) -> Any:
        kind = self.store.types["sensor_msgs/msg/Image"]
        return kind(self.header(), height, width, encoding, int(big), step, self.as_data(data))

    def compressed(self, name: str, data: bytes) -> Any:
        return self.store.types["sensor_msgs/msg/CompressedImage"](self.header(), name, self.as_data(data))

    def info(self) -> Any:
        types = self.store.types
        roi = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        none, nine, twelve = np.zeros(0), np.zeros(9), np.zeros(12)
        return types["sensor_msgs/msg/CameraInfo"](self.header(), 0, 0, "", none, nine, nine, twelve, 0, 0, roi)

    def cloud(self) -> Any:
        kind = self.store.types["sensor_msgs/msg/PointCloud2"]
        return kind(self.header(), 0, 0, [], False, 0, 0, self.as_data(b""), False)

    def as_data(self, data: bytes) -> Any:
        return np.frombuffer(data, dtype=np.uint8)

    def serialize(self, message: Any) -> bytes:
        return bytes(self.store.serialize_cdr(message, message.__msgtype__))

    def deserialize(self, data: bytes, name: str) -> Any:
        return self.store.deserialize_cdr(data, f"sensor_msgs/msg/{name}")


@pytest.fixture(params=[Rclpy, Rosbags], ids=["rclpy", "rosbags"])
def ros(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture
def rclpy_messages() -> Rclpy:
    return Rclpy()


@pytest.fixture
def rosbags_messages() -> Rosbags:
    return Rosbags()


@pytest.fixture
def ros1_messages() -> Rosbags:
    return Rosbags(get_typestore(Stores.ROS1_NOETIC))
