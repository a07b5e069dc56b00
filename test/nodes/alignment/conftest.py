# SPDX-License-Identifier: Apache-2.0
"""A robot whose depth has the wrong scale, and a lidar: both written by an outsider, over DDS."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from mono_depth_ros.nodes.alignment.node import AlignmentNode

WIDTH, HEIGHT, FOCAL = 80, 60, 70.0
START_NS = 1_700_000_000_000_000_000
TRUTH = np.broadcast_to(30 / (np.arange(HEIGHT, dtype=np.float32)[:, None] + 5), (HEIGHT, WIDTH)).copy()
# The lidar 0.1 m to the right of the camera, x forward, y left, z up.
PARAMETERS = {"cam_from_reference": "0.1 0 0 0.5 -0.5 0.5 0.5", "diagnostics_period": 0.1, "local": False}


def make_node(*words: str, **parameters: Any) -> AlignmentNode:
    given = {**PARAMETERS, **parameters}
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    return AlignmentNode(parameter_overrides=overrides, cli_args=["--ros-args", *words])


class Robot:
    """Publishes depth, camera_info and points, and listens to what comes out.

    Metric depth is half of the truth; relative depth x is such that 1/truth = 0.02 + 0.5 x.
    """

    truth, size, focal = TRUTH, (HEIGHT, WIDTH), FOCAL

    def __init__(self, ros: Any, node: AlignmentNode, relative: bool, listen: bool, matched: bool) -> None:
        self.ros, self.node, self.relative = ros, node, relative
        self.depths = self.depth_publisher("/depth/inverse" if relative else "/depth/image")
        self.infos = ros.outsider.create_publisher(CameraInfo, "/depth/camera_info", QoSProfile(depth=5))
        self.clouds = ros.outsider.create_publisher(PointCloud2, "/points", qos_profile_sensor_data)
        self.images: list[Image] = []
        self.heard = ros.listen(DiagnosticArray, "/diagnostics")
        self.stamp_ns = START_NS
        if listen:
            self.images = ros.listen(Image, "/aligned/image", 50)
            ros.wait(lambda: all(p.get_subscription_count() for p in (self.depths, self.infos)))
            ros.wait(lambda: node.session.stream.outputs.subscribers() > 0)
        if listen and matched and node.session.stream.reference is not None:
            ros.wait(self.clouds.get_subscription_count)

    def depth_publisher(self, topic: str) -> Any:
        return self.ros.outsider.create_publisher(Image, topic, QoSProfile(depth=5))

    def header(self, message: Any, frame: str = "camera_optical", late_s: float = 0.0) -> Any:
        """Stamp a message with the robot's time."""
        ns = self.stamp_ns + round(late_s * 1e9)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(ns, 10**9)
        message.header.frame_id = frame
        return message

    def points(self, every: int = 5) -> np.ndarray:
        """(N, 3) of the truth in the lidar's frame: every n-th pixel's point."""
        rows, columns = np.indices(TRUTH.shape).reshape(2, -1)[:, ::every]
        z = TRUTH[rows, columns]
        x, y = (columns - WIDTH / 2) / FOCAL * z, (rows - HEIGHT / 2) / FOCAL * z
        return np.stack([z, 0.1 - x, -y], axis=1).astype(np.float32)

    def lidar(
        self, points: np.ndarray | None = None, late_s: float = 0.0, frame: str = "lidar", **changes: Any
    ) -> None:
        points = self.points() if points is None else points
        message = PointCloud2(height=1, width=len(points), point_step=12, row_step=12 * len(points))
        message.fields = [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate("xyz")]
        message.data = points.astype("<f4").tobytes()
        for name, value in changes.items():
            setattr(message, name, value)
        self.clouds.publish(self.header(message, frame, late_s))

    def depth_message(self, relative: bool | None = None, **changes: Any) -> Image:
        relative = self.relative if relative is None else relative
        values = (1 / TRUTH - 0.02) / 0.5 if relative else TRUTH / 2
        message = Image(height=HEIGHT, width=WIDTH, encoding="32FC1", step=4 * WIDTH)
        message.data = values.astype("<f4").tobytes()
        for name, value in changes.items():
            setattr(message, name, value)
        return self.header(message)

    def info_message(self, **changes: Any) -> CameraInfo:
        info = CameraInfo(height=HEIGHT, width=WIDTH, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = [FOCAL, 0, WIDTH / 2, 0, FOCAL, HEIGHT / 2, 0, 0, 1]
        for name, value in changes.items():
            setattr(info, name, value)
        return self.header(info)

    def depth(self, step_s: float = 0.1, info: dict[str, Any] | None = None, **changes: Any) -> None:
        """Depth and camera_info, `step_s` after those before."""
        self.stamp_ns += round(step_s * 1e9)
        self.infos.publish(self.info_message(**(info or {})))
        self.depths.publish(self.depth_message(**changes))

    def drive(
        self,
        until: Callable[[], Any],
        lidar: bool = True,
        info: dict[str, Any] | None = None,
        image: dict[str, Any] | None = None,
        before: Callable[[], None] = lambda: None,
        **changes: Any,
    ) -> None:
        """Points and depth of the same moments, again and again, until something is true."""

        def send() -> None:
            self.stamp_ns += 100_000_000
            before()
            if lidar:
                self.lidar(**changes)
                time.sleep(0.02)
            self.depth(step_s=0.0, info=info, **(image or {}))
            time.sleep(0.03)

        self.ros.wait(until, poll=send)

    def status(self) -> Any:
        """The newest status of the node, if one has come."""
        return self.heard[-1].status[0] if self.heard else None

    def values(self) -> dict[str, str]:
        return {pair.key: pair.value for pair in self.status().values} if self.heard else {}

    def says(self, words: str) -> bool:
        return bool(self.heard) and words in self.status().message

    def drops(self) -> dict[str, int]:
        return self.node.monitors[""].snapshot().drops

    @staticmethod
    def pixels(message: Image) -> np.ndarray:
        return np.frombuffer(message.data, "<f4").reshape(message.height, message.width)

    @staticmethod
    def ns(message: Any) -> int:
        return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec

    def newest_is(self, scale: float = 1.0, rtol: float = 5e-3) -> None:
        """The newest aligned image is the truth times this."""
        np.testing.assert_allclose(self.pixels(self.images[-1]), TRUTH * scale, rtol=rtol)


@pytest.fixture
def robot(ros) -> Callable[..., Robot]:
    """A configured and active node with a robot around it."""

    def make(
        *words: str, relative: bool = False, listen: bool = True, matched: bool = True, **parameters: Any
    ) -> Robot:
        node = make_node(*words, **parameters)
        assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS"
        ros.add(node)
        return Robot(ros, node, relative, listen, matched)

    return make


@pytest.fixture
def refusal(ros, capfd) -> Callable[..., str]:
    """What a node says that must not come up."""

    def make(**parameters: Any) -> str:
        node = make_node(**parameters)
        assert node.trigger_configure().name == "FAILURE"
        node.destroy_node()
        return "".join(capfd.readouterr())

    return make
