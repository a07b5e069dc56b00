# SPDX-License-Identifier: Apache-2.0
"""Matrices as messages, and TF with a stand-in for tf2_msgs, which the wheels do not have."""

from __future__ import annotations

import numpy as np
from rclpy.time import Time

from mono_depth_ros.nodes.ros import transforms
from mono_depth_ros.nodes.ros.transforms import TransformPublisher, pose_message


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


def test_without_tf2_msgs_nothing_is_published(monkeypatch):
    monkeypatch.setattr(transforms, "TFMessage", None)
    node = FakeNode()
    publisher = TransformPublisher(node)
    publisher.send("world", "camera", np.eye(4), Time(seconds=6))
    assert not publisher.available and not node.sent
