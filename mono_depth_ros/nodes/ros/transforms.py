# SPDX-License-Identifier: Apache-2.0
"""4x4 matrices as messages; TF where tf2_msgs is installed, which the ROS wheels of the package index do not have."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import Pose, Transform, TransformStamped
from rclpy.node import Node
from rclpy.time import Time

from mono_depth_ros.nodes.ros.qos import LATCHED

try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None

_TF_DEPTH = 100  # as tf2_ros::TransformBroadcaster


def quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """x, y, z, w of a 3x3 rotation matrix, w >= 0 (Shepperd 1978: the largest component first)."""
    m = rotation
    squares = np.array(
        [
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
            1 + m[0, 0] + m[1, 1] + m[2, 2],
        ]
    )
    products = np.array(
        [
            [squares[0], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[2, 1] - m[1, 2]],
            [m[0, 1] + m[1, 0], squares[1], m[1, 2] + m[2, 1], m[0, 2] - m[2, 0]],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], squares[2], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], squares[3]],
        ]
    )
    best = products[int(squares.argmax())]
    best = best / np.linalg.norm(best) * (1.0 if best[3] >= 0 else -1.0)
    x, y, z, w = best.tolist()
    return x, y, z, w


def pose_message(matrix: np.ndarray) -> Pose:
    """geometry_msgs/Pose of parent_from_child."""
    message = Pose()
    message.position.x, message.position.y, message.position.z = matrix[:3, 3].tolist()
    q = message.orientation
    q.x, q.y, q.z, q.w = quaternion(matrix[:3, :3])
    return message


def transform_message(matrix: np.ndarray) -> Transform:
    """geometry_msgs/Transform of parent_from_child."""
    pose = pose_message(matrix)
    message = Transform(rotation=pose.orientation)
    message.translation.x, message.translation.y, message.translation.z = matrix[:3, 3].tolist()
    return message


class TransformPublisher:
    """Publishes /tf and /tf_static; `available` is False, and nothing is published, without tf2_msgs."""

    def __init__(self, node: Node) -> None:
        self.available = TFMessage is not None
        if self.available:
            self._moving = node.create_publisher(TFMessage, "/tf", _TF_DEPTH)
            self._static = node.create_publisher(TFMessage, "/tf_static", LATCHED)

    def send(self, parent: str, child: str, matrix: np.ndarray, stamp: Time, static: bool = False) -> None:
        """One transform, 4x4 parent_from_child."""
        if not self.available:
            return
        message: Any = TransformStamped(child_frame_id=child, transform=transform_message(matrix))
        message.header.stamp, message.header.frame_id = stamp.to_msg(), parent
        (self._static if static else self._moving).publish(TFMessage(transforms=[message]))
