# SPDX-License-Identifier: Apache-2.0
"""Matrices as messages, and TF with a stand-in for tf2_msgs, which the wheels do not have."""

from __future__ import annotations

import numpy as np
import pytest
from rclpy.node import Node
from rclpy.time import Time

from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.rigid import rigid_from_text
from mono_depth_ros.nodes.ros import transforms
from mono_depth_ros.nodes.ros.transforms import TransformLookup, TransformPublisher, pose_message


def test_a_pose_has_position_and_orientation():
    matrix = np.eye(4)
    matrix[:3, 3] = 1, 2, 3
    message = pose_message(matrix)
    assert (message.position.x, message.position.y, message.position.z, message.orientation.w) == (1, 2, 3, 1)


class FakeNode:
    def __init__(self):
        self.sent = []

    def create_publisher(self, kind, topic, qos):
        sent = self.sent

        class Publisher:
            def publish(self, message):
                sent.append((topic, message))

        return Publisher()


class FakeTFMessage:
    def __init__(self, transforms):
        self.transforms = transforms


def test_transforms_name_both_frames(monkeypatch):
    monkeypatch.setattr(transforms, "TFMessage", FakeTFMessage)
    node, matrix = FakeNode(), np.eye(4)
    matrix[:3, 3] = 0, -0.12, -0.08
    publisher = TransformPublisher(node)
    publisher.send("camera", "lidar", matrix, Time(seconds=5, nanoseconds=7), static=True)
    publisher.send("world", "camera", np.eye(4), Time(seconds=6))
    (static_topic, static), (topic, moving) = node.sent
    assert (static_topic, topic) == ("/tf_static", "/tf")
    (transform,) = static.transforms
    assert (transform.header.frame_id, transform.child_frame_id) == ("camera", "lidar")
    assert (transform.header.stamp.sec, transform.header.stamp.nanosec) == (5, 7)
    translation = transform.transform.translation
    assert (translation.x, translation.y, translation.z) == (0, -0.12, -0.08)
    assert moving.transforms[0].child_frame_id == "camera"
    publisher.send("base_link", "camera", np.eye(4), Time(), static=True)
    latched = [transform.child_frame_id for transform in node.sent[-1][1].transforms]
    assert latched == ["lidar", "camera"], "a late subscriber gets the last message alone"


def test_without_tf2_msgs_nothing_is_published(monkeypatch):
    monkeypatch.setattr(transforms, "TFMessage", None)
    node = FakeNode()
    publisher = TransformPublisher(node)
    publisher.send("world", "camera", np.eye(4), Time(seconds=6))
    assert not publisher.available and not node.sent


def test_the_real_tf2_gives_what_was_published(ros):
    pytest.importorskip("tf2_ros", reason="tf2_ros is not installed (it comes with ROS 2, not with the wheels)")
    matrix = rigid_from_text("0.1 0 0 0.5 -0.5 0.5 0.5")
    node = ros.add(Node("listener"))
    lookup = TransformLookup(node, 0.2)
    publisher = TransformPublisher(ros.outsider)
    publisher.send("camera", "lidar", matrix, Time(seconds=5), static=True)

    def found():
        try:
            return lookup.lookup("camera", "/lidar", 7_000_000_000)
        except SamplesError as error:
            assert error.reason == "transform_missing" and "'lidar'" in str(error)
            return None

    result = []
    ros.wait(lambda: (transform := found()) is not None and (result.append(transform) or True))
    np.testing.assert_allclose(result[0], matrix, atol=1e-12)
    publisher.send("map", "base", np.eye(4), Time(seconds=5))
    ros.wait(lambda: _reason(lookup, "map", "base", 9_000_000_000) == "transform_late")
    assert _reason(lookup, "camera", "nowhere", 0) == "transform_missing"
    lookup.close()


def _reason(lookup, target, source, stamp_ns):
    with pytest.raises(SamplesError) as error:
        lookup.lookup(target, source, stamp_ns)
    return error.value.reason
