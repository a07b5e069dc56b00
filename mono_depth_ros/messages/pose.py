# SPDX-License-Identifier: Apache-2.0
"""Poses in messages: nav_msgs/Odometry, geometry_msgs/PoseStamped, PoseWithCovarianceStamped and TransformStamped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.geometry.rigid import rigid_from_pose


def pose_matrix(message: Any) -> NDArray[np.float64]:
    """(4, 4) float64 header.frame_id from the child frame, or from what a PoseStamped is the pose of.

    Raises:
        ConfigError: numbers that are not finite, or a quaternion that is not of unit length.
    """
    if hasattr(message, "transform"):
        t, q = message.transform.translation, message.transform.rotation
    else:
        pose = message.pose.pose if hasattr(message.pose, "pose") else message.pose
        t, q = pose.position, pose.orientation
    return rigid_from_pose((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
