# SPDX-License-Identifier: Apache-2.0
"""TF: looked up where tf2_ros is installed, published where tf2_msgs is; the wheels of the index have neither."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import Pose, Transform, TransformStamped
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from mono_depth_ros.errors import ConfigError, SamplesError, shown
from mono_depth_ros.geometry.rigid import quaternion, rigid_from_pose
from mono_depth_ros.messages.kinds import bare
from mono_depth_ros.nodes.ros.qos import LATCHED

try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None

_TF_DEPTH = 100  # as tf2_ros::TransformBroadcaster


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
            self._held: dict[str, Any] = {}

    def send(self, parent: str, child: str, matrix: np.ndarray, stamp: Time, static: bool = False) -> None:
        """One transform, 4x4 parent_from_child.

        A static one goes out with all before it, since only the last message is latched.
        """
        if not self.available:
            return
        message: Any = TransformStamped(child_frame_id=child, transform=transform_message(matrix))
        message.header.stamp, message.header.frame_id = stamp.to_msg(), parent
        if static:
            self._held[child] = message
            self._static.publish(TFMessage(transforms=list(self._held.values())))
        else:
            self._moving.publish(TFMessage(transforms=[message]))


def tf2_module() -> Any:
    """The module tf2_ros, or None where it is not installed."""
    try:
        import tf2_ros
    except ImportError:
        return None
    return tf2_ros


class TransformLookup:
    """Listens to /tf and /tf_static, and says how two frames lie to each other at a stamp.

    Args:
        timeout_s: how long to wait for a transform that is late. Wait in another thread than the executor's: the
            transform comes through it.
    """

    def __init__(self, node: Node, timeout_s: float) -> None:
        self._tf2 = tf2_module()
        assert self._tf2 is not None
        self._node, self._timeout = node, Duration(seconds=timeout_s)
        # With the node it follows the node's clock: when simulated time jumps back, what it holds is forgotten.
        self._buffer = self._tf2.Buffer(node=node)
        self._listener = self._tf2.TransformListener(self._buffer, node)
        self._missed: tuple[str, str] | None = None  # frames that nothing joined when last asked for
        self._late: tuple[str, str, int] | None = None

    def lookup(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        """(4, 4) target_from_source at a stamp in nanoseconds.

        Each stamp is waited for once, and frames that nothing joins are not waited for again.

        Raises:
            SamplesError: reason `transform_missing`, `transform_late` or `transform_invalid`; both frames are named.
        """
        frames = (bare(target), bare(source))
        time, asked = Time(nanoseconds=stamp_ns), (*frames, stamp_ns)
        way = f"from '{shown(frames[1])}' to '{shown(frames[0])}'"
        waited = self._missed == frames or self._late == asked
        try:
            found = self._buffer.lookup_transform(*frames, time, Duration() if waited else self._timeout)
        except self._tf2.ExtrapolationException as error:
            self._late, self._missed = asked, None
            raise SamplesError(
                f"tf2 has no transform {way} at the stamp asked for, "
                f"{stamp_ns / 1e9:.3f}: {error}; is it published late (tf_timeout), or with another clock?",
                "transform_late",
            ) from error
        except self._tf2.TransformException as error:
            self._missed = frames
            raise SamplesError(
                f"tf2 has no transform {way}: {error}; is a robot_state_publisher or a "
                "static_transform_publisher running?",
                "transform_missing",
            ) from error
        self._missed = self._late = None
        t, q = found.transform.translation, found.transform.rotation
        try:
            return rigid_from_pose((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
        except ConfigError as error:
            raise SamplesError(f"tf2, {way}: {error}", "transform_invalid") from error

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()
        for part in ("srv", "jump_handle"):  # of Buffer, which cannot be closed itself
            item = getattr(self._buffer, part, None)
            if part == "srv" and item is not None:
                self._node.destroy_service(item)
            elif item is not None:
                item.unregister()
