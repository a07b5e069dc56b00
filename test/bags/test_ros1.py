# SPDX-License-Identifier: Apache-2.0
"""Recordings of ROS 1 as messages of ROS 2: fields that went, came or have another name, and types of their own."""

from __future__ import annotations

import numpy as np
import pytest
from rosbags import rosbag1
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.bags.transforms import recorded_transforms
from mono_depth_ros.errors import DataError

TF = "geometry_msgs/TransformStamped[] transforms"
OWN = "std_msgs/Header header\nfloat32 x\ntime when"


@pytest.fixture
def types():
    found = get_typestore(Stores.ROS1_NOETIC)
    found.register(get_types_from_msg(TF, "tf/msg/tfMessage"))
    found.register(get_types_from_msg(OWN, "my_msgs/msg/Own"))
    return found


@pytest.fixture
def bag(tmp_path, types):
    make = types.types
    time = make["builtin_interfaces/msg/Time"](12, 34)
    header = make["std_msgs/msg/Header"](99, time, "camera")
    k, p = np.arange(9.0), np.arange(12.0)
    roi = make["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    turn = make["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    moved = make["geometry_msgs/msg/Transform"](make["geometry_msgs/msg/Vector3"](1.0, 2.0, 3.0), turn)
    messages = {
        "/range": make["sensor_msgs/msg/Range"](header, 1, 0.5, 0.2, 5.0, 3.0),
        "/info": make["sensor_msgs/msg/CameraInfo"](header, 2, 3, "plumb_bob", np.zeros(5), k, k, p, 0, 0, roi),
        "/tf_static": make["tf/msg/tfMessage"]([make["geometry_msgs/msg/TransformStamped"](header, "lidar", moved)]),
        "/own": make["my_msgs/msg/Own"](header, 1.5, time),
    }
    with rosbag1.Writer(tmp_path / "in.bag") as writer:
        for topic, message in messages.items():
            kind = message.__msgtype__
            connection = writer.add_connection(topic, kind, typestore=types)
            writer.write(connection, 5, types.serialize_ros1(message, kind))
            if topic == "/range":
                writer.write(connection, 6, bytes(types.serialize_ros1(message, kind))[:20])
    return tmp_path / "in.bag"


def test_types_and_fields_are_those_of_ros_2(bag):
    with BagReader(bag) as reader:
        assert reader.ros1 and (reader.start_ns, reader.end_ns) == (5, 6)
        assert {name: topic.kind for name, topic in reader.topics.items()} == {
            "/range": "sensor_msgs/msg/Range",
            "/info": "sensor_msgs/msg/CameraInfo",
            "/tf_static": "tf2_msgs/msg/TFMessage",
            "/own": "my_msgs/msg/Own",
        }
        found = {message.topic: message for message in reader.messages(reader.topics, end_ns=6)}
        info, distance = (reader.decode(found[topic]) for topic in ("/info", "/range"))
        assert info.k.tolist() == list(range(9)) and info.p.tolist() == list(range(12))
        assert (info.header.stamp.sec, info.header.stamp.nanosec, info.header.frame_id) == (12, 34, "camera")
        assert (distance.range, distance.variance) == (3.0, 0.0)
        assert recorded_transforms(reader).lookup("camera", "lidar")[:3, 3].tolist() == [1, 2, 3]
        own = get_typestore(Stores.ROS2_JAZZY)
        own.register(get_types_from_msg(OWN.replace("time", "builtin_interfaces/Time"), "my_msgs/msg/Own"))
        message = own.deserialize_cdr(found["/own"].data, "my_msgs/msg/Own")
        assert (message.x, message.when.sec, message.header.frame_id) == (1.5, 12, "camera")


def test_a_message_that_is_broken_costs_only_itself(bag):
    with BagReader(bag) as reader:
        whole, broken = reader.messages(("/range",))
        assert len(whole.data) > 20 and broken.data == b"" and not reader.damage
        with pytest.raises(DataError, match="0 bytes on /range are no sensor_msgs/msg/Range"):
            reader.decode(broken)
