# SPDX-License-Identifier: Apache-2.0
"""Metres by the robot's own motion in a real graph: an outsider's camera slides past a wall 2 m away, and tells it."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from mono_depth_ros.nodes.alignment.node import AlignmentNode

WIDTH, HEIGHT, FOCAL, WALL_M = 160, 120, 130.0, 2.0
TEXTURE = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (400, 1500), dtype=np.uint8), (0, 0), 2)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)
ROWS, COLUMNS = np.indices((HEIGHT, WIDTH)).astype(np.float32)
SAME = "0 0 0 0 0 0 1"
STEP_M, STEP_NS = 0.04, 100_000_000


class Sliding:
    """A camera that goes to its right, to and fro; its depth is half of the truth.

    Attributes:
        odom: is given the way in metres and says what odometry there is, None for none.
    """

    def __init__(self, ros: Any, node: AlignmentNode, pose: type = Odometry) -> None:
        self.ros, self.node, self.pose = ros, node, pose
        make = ros.outsider.create_publisher
        self.publishers = {
            "image": make(Image, "/image", 10),
            "depth": make(Image, "/depth/image", 10),
            "info": make(CameraInfo, "/depth/camera_info", 10),
            "odom": make(pose, "/odom", 100),
            "points": make(PointCloud2, "/points", 10),
        }
        ros.wait(lambda: all(ros.outsider.count_publishers(name) for name in ("/image", "/odom", "/points")))
        self.images = ros.listen(Image, "/aligned/image", 50)
        self.heard = ros.listen(DiagnosticArray, "/diagnostics")
        self.step, self.stamp_ns, self.lidar = 0, time.time_ns(), False
        self.child, self.late_ns, self.jump_m, self.tells = "camera", 0, 0.0, True
        assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS"
        ros.add(node)
        wanted = ("image", "depth", "info")
        ros.wait(lambda: all(self.publishers[name].get_subscription_count() for name in wanted))

    @property
    def reference(self) -> str:
        return self.node.get_parameter("reference").value

    def way(self) -> float:
        phase = self.step % 40
        return STEP_M * (phase if phase < 20 else 40 - phase)

    def send(self) -> None:
        """One image with its depth, and odometry before and after it."""
        self.step += 1
        self.stamp_ns += STEP_NS
        way = self.way()
        if self.tells:
            for late_ns in (-5_000_000, 5_000_000):
                self.publishers["odom"].publish(self._odometry(way, late_ns))
        if self.lidar:
            self.publishers["points"].publish(self._points())
        x, y = (COLUMNS - 80) / FOCAL * WALL_M + way, (ROWS - 60) / FOCAL * WALL_M
        gray = cv2.remap(TEXTURE, x * FOCAL + 300, y * FOCAL + 200, cv2.INTER_LINEAR)
        self.publishers["image"].publish(self._image(gray, "mono8", WIDTH))
        time.sleep(0.02)
        info = CameraInfo(height=HEIGHT, width=WIDTH, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = [FOCAL, 0, WIDTH / 2, 0, FOCAL, HEIGHT / 2, 0, 0, 1]
        self.publishers["info"].publish(self._stamped(info))
        half = np.full((HEIGHT, WIDTH), WALL_M / 2, np.float32)
        self.publishers["depth"].publish(self._image(half, "32FC1", 4 * WIDTH))
        time.sleep(0.05)

    def until(self, condition: Any) -> Any:
        return self.ros.wait(condition, poll=self.send)

    def says(self, words: str) -> bool:
        return bool(self.heard) and words in self.heard[-1].status[0].message

    def values(self) -> dict[str, str]:
        return {pair.key: pair.value for pair in self.heard[-1].status[0].values} if self.heard else {}

    def right(self) -> bool:
        """Whether the newest image has the metres of the truth."""
        if not self.images:
            return False
        depth = np.frombuffer(self.images[-1].data, "<f4")
        return bool(abs(np.median(depth) / WALL_M - 1) < 0.05)

    def _odometry(self, way: float, late_ns: int) -> Any:
        message = self.pose()
        if self.pose is Odometry:
            message.child_frame_id = self.child
        pose = message.pose.pose if self.pose is Odometry else message.pose
        pose.position.x, pose.orientation.w = way + self.jump_m, 1.0
        return self._stamped(message, "odom", late_ns + self.late_ns)

    def _points(self) -> PointCloud2:
        """Of the wall, in the camera's own frame."""
        rows, columns = np.indices((HEIGHT, WIDTH)).reshape(2, -1)[:, ::15]
        z = np.full(len(rows), WALL_M)
        points = np.stack([(columns - WIDTH / 2) / FOCAL * z, (rows - HEIGHT / 2) / FOCAL * z, z], axis=1)
        message = PointCloud2(height=1, width=len(rows), point_step=12, row_step=12 * len(rows))
        message.fields = [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate("xyz")]
        message.data = points.astype("<f4").tobytes()
        return self._stamped(message)

    def _image(self, pixels: np.ndarray, encoding: str, step: int) -> Image:
        message = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=step)
        message.data = np.ascontiguousarray(pixels).tobytes()
        return self._stamped(message)

    def _stamped(self, message: Any, frame: str = "camera", late_ns: int = 0) -> Any:
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(self.stamp_ns + late_ns, 10**9)
        message.header.frame_id = frame
        return message


@pytest.fixture
def sliding(ros):
    def make(pose: type = Odometry, **parameters: Any) -> Sliding:
        given = {"reference": "motion", "diagnostics_period": 0.1, "local": False, "min_samples": 8, **parameters}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        return Sliding(ros, AlignmentNode(parameter_overrides=overrides, cli_args=["--ros-args"]), pose)

    return make


def test_odometry_gives_the_metres_and_without_it_the_last_state_is_held(sliding):
    s = sliding(hold=60.0)
    s.until(s.right)
    s.until(lambda: s.says("aligned, publishing"))
    s.tells = False
    s.until(lambda: s.says("no reference: /odom has paused") or s.says("before the image, expected poses before and"))
    s.until(lambda: s.values()["state"] == "held")
    assert s.right()


def test_poses_of_which_the_type_is_found_and_a_parameter_says_whose_they_are(sliding):
    s = sliding(PoseStamped, pose_frame="camera")
    s.until(s.right)


def test_no_odometry_at_all(sliding):
    s = sliding()
    s.tells = False
    s.until(lambda: s.says("no reference: /odom is advertised but nothing has arrived"))
    assert not s.images


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"late_ns": 5 * 10**12}, "the stamps of the poses are of another clock"),
        ({"child": "arm"}, "the transform from 'arm' to 'camera' is not known"),
        ({"child": ""}, "give pose_frame or camera_from_pose"),
    ],
)
def test_odometry_that_cannot_be_used_is_told_and_the_last_state_held(sliding, changes, words):
    s = sliding(hold=60.0)
    for name, value in changes.items():
        setattr(s, name, value)
    s.until(lambda: s.says(words))
    assert not s.images, "nothing is guessed"


def test_poses_that_jump_are_told_and_the_last_state_is_held(sliding):
    s = sliding(hold=60.0)
    s.until(s.right)
    jumps = []

    def send_after_a_jump() -> None:
        s.jump_m += 0.7 * (len(jumps) % 2 * 2 - 1)
        jumps.append(s.jump_m)
        s.send()

    s.ros.wait(lambda: s.says("the poses do not fit what the images show"), poll=send_after_a_jump)
    count = len(s.images)
    s.until(lambda: len(s.images) > count + 3 and s.right())


def test_where_one_of_several_references_is_missing_the_others_go_on(sliding):
    s = sliding(reference="lidar,motion", cam_from_reference=SAME, hold=60.0)
    s.lidar = True
    s.until(lambda: s.right() and s.says("aligned, publishing"))
    s.lidar = False
    s.until(lambda: s.says("reference lidar gives nothing, the others go on") or s.says("/points has paused"))
    s.until(lambda: s.values()["state"] == "aligned" and s.right())
    assert int(s.values()["images without lidar"].partition(":")[0]) > 0


def test_results_are_combined_where_the_pose_is_known_and_else_it_says_so(sliding):
    s = sliding(fuse=True)
    s.until(lambda: s.right() and float(s.values().get("pixels combined with earlier ones (%)", "0")) > 80)


def test_results_are_combined_by_odometry_beside_another_reference(sliding):
    s = sliding(reference="lidar", cam_from_reference=SAME, fuse=True)
    s.lidar = True
    s.tells = False
    s.until(lambda: s.says("results are not combined, the pose of the camera is not known: no pose has come yet"))
    assert s.right()
    s.tells = True
    s.until(lambda: float(s.values()["pixels combined with earlier ones (%)"]) > 80)


def test_results_are_combined_by_the_poses_that_memory_estimates(sliding):
    s = sliding(reference="memory", fuse=True)
    s.tells = False
    s.until(lambda: s.images and float(s.values().get("pixels combined with earlier ones (%)", "0")) > 80)
