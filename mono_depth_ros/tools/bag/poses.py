# SPDX-License-Identifier: Apache-2.0
"""Recorded poses of the camera, as the ground truth of an exported trajectory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mono_depth_ros.bags.reader import BagReader, Message
from mono_depth_ros.bags.transforms import StaticTransforms
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.geometry.rigid import compose, quaternion, rigid_from_pose
from mono_depth_ros.messages.stamps import stamp_ns

Write = Callable[[int, np.ndarray, tuple[float, ...]], None]


class Poses:
    """Turns messages into poses world from camera.

    A PoseStamped has no name for what it is the pose of: it is taken for the camera's optical frame. Odometry and
    TransformStamped name a child frame, from which the static transforms of the bag lead to the camera.

    Args:
        reader: of the bag. topic: with the poses. camera: frame of the images. write: gets stamp, position, quaternion.

    Attributes:
        bad: messages that could not be used.

    Raises:
        DataError: the first message names a child frame that nothing static joins to the camera.
    """

    def __init__(self, reader: BagReader, topic: str, camera: str, write: Write) -> None:
        self._reader, self._camera, self._write = reader, camera, write
        self._transforms = StaticTransforms.of(reader)
        self.bad = 0
        first = reader.decode(next(iter(reader.messages((topic,)))))
        if hasattr(first, "child_frame_id"):
            self.child_from_camera(first.child_frame_id)

    def add(self, message: Message) -> None:
        """One message of the topic with the poses."""
        try:
            decoded = self._reader.decode(message)
            world_from_camera = self._pose(decoded)
        except MonoDepthError:
            self.bad += 1
            return
        self._write(stamp_ns(decoded.header.stamp), world_from_camera[:3, 3], quaternion(world_from_camera[:3, :3]))

    def child_from_camera(self, child: str) -> np.ndarray:
        """(4, 4). Raises DataError where nothing static joins them."""
        if child.removeprefix("/") == self._camera.removeprefix("/"):
            return np.eye(4)
        return self._transforms.lookup(child, self._camera)

    def _pose(self, decoded: Any) -> np.ndarray:
        if hasattr(decoded, "transform"):
            t, q = decoded.transform.translation, decoded.transform.rotation
        else:
            pose = decoded.pose.pose if hasattr(decoded.pose, "pose") else decoded.pose
            t, q = pose.position, pose.orientation
        world_from_child = rigid_from_pose((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
        if not hasattr(decoded, "child_frame_id"):
            return world_from_child
        return compose(world_from_child, self.child_from_camera(decoded.child_frame_id))
