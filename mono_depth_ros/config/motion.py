# SPDX-License-Identifier: Apache-2.0
"""Options of depth from the camera's own motion, and of results that are combined over time."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.config.option import Config, option


@dataclass(frozen=True)
class MotionConfig(Config):
    """How far poses are believed, and which triangulated corners count."""

    odom_frame: str = option(
        "",
        "The frame that does not move, such as odom, for poses of the camera by tf2; empty takes them from the odom "
        "topic.",
    )
    pose_frame: str = option(
        "",
        "The frame whose poses come on the odom topic, such as base_link; empty takes child_frame_id, which Odometry "
        "has, and PoseStamped has not.",
    )
    camera_from_pose: str = option(
        "",
        "'x y z qx qy qz qw', metres and a unit quaternion that take points of the frame whose poses come into the "
        "camera's optical frame; empty takes it from cam_from_reference where motion is the only reference, or tf2.",
    )
    motion_window: float = option(
        2.0,
        "A corner is triangulated from the images of the last seconds in which the camera moved.",
        unit="s",
        low=0.1,
        high=60.0,
        dynamic=True,
    )
    pose_drift: float = option(
        0.05, "Standard deviation of the poses' translation, as a fraction of the way.", low=0.0, high=1.0, dynamic=True
    )
    pose_turn_drift: float = option(
        0.3, "Standard deviation of the poses' rotation after one second.", unit="deg", low=0.0, high=45.0, dynamic=True
    )
    pose_jitter: float = option(
        0.004, "Standard deviation of each pose's translation by itself.", unit="m", low=0.0, high=1.0, dynamic=True
    )
    pose_turn_jitter: float = option(
        0.1, "Standard deviation of each pose's rotation by itself.", unit="deg", low=0.0, high=45.0, dynamic=True
    )
    motion_deviation: float = option(
        0.15,
        "Corners whose depth is not known to this fraction are not used.",
        low=0.001,
        high=1.0,
        dynamic=True,
    )
    fuse: bool = option(
        False,
        "Each result is combined with those before, moved by the camera's poses: those of motion or memory, else of "
        "odom or odom_frame. What moved, appeared or vanished is taken from the new one.",
    )
