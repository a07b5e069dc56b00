# SPDX-License-Identifier: Apache-2.0
"""A synthetic camera and lidar with ground truth.

Topics: image_raw, camera_info, depth_truth (32FC1 metres along z, +inf sky), lidar/points (x y z intensity ring time),
pose (of the camera in the world), odom (of the robot, with the errors of its wheels); one stamp for all of a moment,
and odom between the images as well. /tf and /tf_static where tf2_msgs is installed: from world to odom, base_link, the
camera and the lidar. Nothing is rendered, and the drive stands still, while nobody subscribes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from rclpy.time import Time
from sensor_msgs.msg import Image, PointCloud2, PointField

from mono_depth_ros.config import CameraTopicsConfig, WorldNodeConfig
from mono_depth_ros.geometry.rigid import inverse, quaternion
from mono_depth_ros.messages.cloud import XYZIRT, fill_cloud, write_points
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.nodes.ros.guard import GuardedNode
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.nodes.ros.transforms import TransformPublisher, pose_message
from mono_depth_ros.nodes.sources.camera_topics import CameraTopics, end, publisher, subscribed
from mono_depth_ros.nodes.sources.drive import Drive, DriveFrame
from mono_depth_ros.nodes.sources.player import Player
from mono_depth_ros.world import LidarScan
from mono_depth_ros.world.odometry import BASE_FROM_CAMERA


class WorldNode(GuardedNode):
    """Parameters: see WorldNodeConfig and CameraTopicsConfig."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("world", **arguments)
        self._player: Player[DriveFrame] | None = None
        parameters = Parameters(self, (WorldNodeConfig, CameraTopicsConfig))
        self._config, self._output = parameters.get(WorldNodeConfig), parameters.get(CameraTopicsConfig)
        self._drive = Drive.of(self._config)
        self._topics = CameraTopics(self, self._output)
        self._topics.calibrate(self._drive.camera.calibration("world"))
        self._pose = publisher(self, PoseStamped, "pose")
        self._truth = publisher(self, Image, "depth_truth") if self._config.truth else None
        self._lidar = publisher(self, PointCloud2, "lidar/points") if self._config.lidar else None
        self._odom = publisher(self, Odometry, "odom") if self._config.odometry else None
        self._tf = TransformPublisher(self)
        more = filter(None, (self._truth, self._lidar, self._odom))
        self._publishers = [*self._topics.publishers(), self._pose, *more]
        self._truth_message, self._cloud_message = Image(), PointCloud2()
        self._published = 0
        self._now: tuple[DriveFrame, Time] | None = None  # the last image
        if self._lidar is not None:
            self._tell_extrinsic(self._output.frame_id, self._config.lidar_frame, self._drive.lidar.camera_from_lidar)
        if self._odom is not None:
            self._tell_extrinsic(self._config.robot_frame, self._output.frame_id, BASE_FROM_CAMERA)
            every(self, 1 / self._config.odometry_rate, self._between_images)
        self.get_logger().info(
            f"a {self._config.scene}, seed {self._config.seed}, at {self._config.rate:g} Hz; begins when there are "
            f"{'subscribers to image and camera_info' if self._output.wait_for_subscriber else 'subscribers'}"
        )
        self._player = Player(
            self,
            self._frames,
            self._publish,
            self._config.rate,
            ready=self._topics.matched if self._output.wait_for_subscriber else self._wanted,
            paused=lambda: not self._wanted(),
            finished=self._finished,
            slow=self._slow,
        )

    def destroy_node(self) -> None:
        if self._player is not None:
            self._player.stop()
        super().destroy_node()

    def _wanted(self) -> bool:
        return any(map(subscribed, self._publishers))

    def _frames(self, player: Player[DriveFrame]) -> Iterator[DriveFrame]:
        self.get_logger().info("generating the world; at first use its renderer is compiled, which takes a while")
        return self._drive.frames(self._lidar_wanted, player.started.wait, player.stopping.is_set)

    def _lidar_wanted(self) -> bool:
        return self._lidar is not None and subscribed(self._lidar)

    def _publish(self, frame: DriveFrame, stamp: Time) -> None:
        header = self._topics.header(stamp)
        if frame.odometry is None:
            self._tf.send(self._config.world_frame, header.frame_id, frame.pose, stamp)
        else:
            self._now = frame, stamp
            world_from_odom = frame.pose @ inverse(self._publish_odometry(frame, 0.0, stamp) @ BASE_FROM_CAMERA)
            self._tf.send(self._config.world_frame, self._config.odometry_frame, world_from_odom, stamp)
        self._topics.publish(frame.rgb, header)
        if frame.scan is not None and self._lidar is not None and subscribed(self._lidar):
            self._lidar.publish(self._cloud(frame.scan, stamp))
        if self._truth is not None and subscribed(self._truth):
            self._truth_message.header = header
            fill_image(self._truth_message, frame.depth, "32FC1")
            self._truth.publish(self._truth_message)
        if subscribed(self._pose):
            pose = PoseStamped(pose=pose_message(frame.pose))
            pose.header.stamp, pose.header.frame_id = header.stamp, self._config.world_frame
            self._pose.publish(pose)
        self._published += 1

    def _between_images(self) -> None:
        """The robot goes on driving until the next image is due, which may be late."""
        if self._now is not None and self._wanted():
            frame, at = self._now
            stamp = self.get_clock().now()
            since_s = (stamp - at).nanoseconds / 1e9
            if since_s > 0.0:
                self._publish_odometry(frame, min(since_s, 1 / self._config.rate), stamp)

    def _publish_odometry(self, frame: DriveFrame, since_s: float, stamp: Time) -> np.ndarray:
        """Publish what the robot believes that long after a frame: (4, 4) odom_from_base."""
        assert frame.odometry is not None and self._odom is not None
        found = frame.odometry.at(frame.time_s + since_s)
        self._tf.send(self._config.odometry_frame, self._config.robot_frame, found.pose, stamp)
        if subscribed(self._odom):
            message = Odometry(child_frame_id=self._config.robot_frame)
            message.header.stamp, message.header.frame_id = stamp.to_msg(), self._config.odometry_frame
            message.pose.pose, message.pose.covariance = pose_message(found.pose), found.pose_covariance.ravel()
            linear, angular = message.twist.twist.linear, message.twist.twist.angular
            linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = found.velocity.tolist()
            message.twist.covariance = found.velocity_covariance.ravel()
            self._odom.publish(message)
        return found.pose

    def _cloud(self, scan: LidarScan, stamp: Time) -> PointCloud2:
        message = self._cloud_message
        message.header.stamp, message.header.frame_id = stamp.to_msg(), self._config.lidar_frame
        fill_cloud(message, write_points(scan.xyz, scan.intensity, scan.ring, scan.time), PointField, XYZIRT, True)
        return message

    def _tell_extrinsic(self, parent: str, child: str, matrix: np.ndarray) -> None:
        """By TF where there is TF, and in the log as camera from another frame, as `cam_from_reference` is."""
        self._tf.send(parent, child, matrix, self.get_clock().now(), static=True)
        how = "published on /tf_static" if self._tf.available else "no TF is published, as tf2_msgs is not installed"
        if child == self._output.frame_id:
            parent, child, matrix = child, parent, inverse(matrix)
        numbers = ", ".join(f"{value:.6g}" for value in (*matrix[:3, 3], *quaternion(matrix[:3, :3])))
        self.get_logger().info(f"{parent} from {child}, x y z qx qy qz qw: [{numbers}]; {how}")

    def _slow(self, reached_hz: float) -> None:
        self.get_logger().warning(
            f"{reached_hz:.1f} images a second are rendered instead of {self._config.rate:g}: give a lower rate, a "
            "smaller image, or render_ahead with a duration",
            throttle_duration_sec=60.0,
        )

    def _finished(self) -> None:
        self.get_logger().info(f"the drive has ended; {self._published} images published")
        end(self, self._publishers, self._output.exit_at_end)


def main() -> int:
    """Entry point of `world_node` and of `python -m mono_depth_ros.nodes.world_node`."""
    return run(WorldNode)
