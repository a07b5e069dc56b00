# SPDX-License-Identifier: Apache-2.0
"""Matrices as messages, and TF with a stand-in for tf2_msgs, which the wheels do not have."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from rclpy.time import Time

from mono_depth_ros.nodes.ros import transforms
from mono_depth_ros.nodes.ros.transforms import TransformPublisher, pose_message, quaternion


def rotation_of(x, y, z, w):
    """The textbook formula, the other way round."""
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_known_quaternions():
    assert quaternion(np.eye(3)) == (0.0, 0.0, 0.0, 1.0)
    half = np.sqrt(0.5)
    quarter_turn_left = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert quaternion(quarter_turn_left) == pytest.approx((0, 0, half, half))


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -2, 0.5), (-1, -1, -1)])
@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, 1.6, 3.0, np.pi])
def test_a_quaternion_gives_its_rotation_back(axis, angle):
    rotation, _ = cv2.Rodrigues(angle * np.array(axis, float) / np.linalg.norm(axis))
    q = quaternion(rotation)
    assert np.linalg.norm(q) == pytest.approx(1.0) and q[3] >= 0
    np.testing.assert_allclose(rotation_of(*q), rotation, atol=1e-9)


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
