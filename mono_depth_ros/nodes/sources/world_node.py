# SPDX-License-Identifier: Apache-2.0
"""A synthetic camera and lidar with ground truth.

Topics: image_raw, camera_info, depth_truth (32FC1 metres along z, +inf sky), lidar/points (x y z intensity ring time),
pose (of the camera in the world), /tf and /tf_static where tf2_msgs is installed; one stamp for all of a moment.
Nothing is rendered, and the drive stands still, while nobody subscribes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.time import Time
from sensor_msgs.msg import Image, PointCloud2, PointField

from mono_depth_ros.config import CameraTopicsConfig, WorldNodeConfig
from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.messages.cloud import XYZIRT, fill_cloud, write_points
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.nodes.ros.guard import GuardedNode
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.nodes.ros.transforms import TransformPublisher, pose_message
from mono_depth_ros.nodes.sources.camera_topics import CameraTopics, end, publisher, subscribed
from mono_depth_ros.nodes.sources.drive import Drive, DriveFrame
from mono_depth_ros.nodes.sources.player import Player
from mono_depth_ros.world import LidarScan


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
        self._tf = TransformPublisher(self)
        self._publishers = [*self._topics.publishers(), self._pose, *filter(None, (self._truth, self._lidar))]
        self._truth_message, self._cloud_message = Image(), PointCloud2()
        self._published = 0
        if self._lidar is not None:
            self._tell_extrinsic()
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
        self._tf.send(self._config.world_frame, header.frame_id, frame.pose, stamp)
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

    def _cloud(self, scan: LidarScan, stamp: Time) -> PointCloud2:
        message = self._cloud_message
        message.header.stamp, message.header.frame_id = stamp.to_msg(), self._config.lidar_frame
        fill_cloud(message, write_points(scan.xyz, scan.intensity, scan.ring, scan.time), PointField, XYZIRT, True)
        return message

    def _tell_extrinsic(self) -> None:
        """Where the lidar is: by TF where there is TF, and in the log in any case."""
        matrix = self._drive.lidar.camera_from_lidar
        camera, lidar = self._output.frame_id, self._config.lidar_frame
        self._tf.send(camera, lidar, matrix, self.get_clock().now(), static=True)
        numbers = ", ".join(f"{value:.6g}" for value in (*matrix[:3, 3], *quaternion(matrix[:3, :3])))
        how = "published on /tf_static" if self._tf.available else "no TF is published, as tf2_msgs is not installed"
        self.get_logger().info(f"{camera} from {lidar}, x y z qx qy qz qw: [{numbers}]; {how}")

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
