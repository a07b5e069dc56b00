# SPDX-License-Identifier: Apache-2.0
"""The alignment node for real: a camera's depth of the wrong scale and a lidar, both written by an outsider."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_srvs.srv import SetBool, Trigger

from mono_depth_ros.nodes.alignment_node import AlignmentNode

WIDTH, HEIGHT, FOCAL = 80, 60, 70.0
START_NS = 1_700_000_000_000_000_000
# The lidar 0.1 m to the right of the camera, x forward, y left, z up.
EXTRINSIC = "0.1 0 0 0.5 -0.5 0.5 0.5"
TRUTH = np.broadcast_to(30 / (np.arange(HEIGHT, dtype=np.float32)[:, None] + 5), (HEIGHT, WIDTH)).copy()


def lidar_points(depth: np.ndarray = TRUTH, every: int = 5) -> np.ndarray:
    """(N, 3) in the lidar's frame: every n-th pixel's point."""
    rows, columns = np.indices(depth.shape).reshape(2, -1)[:, ::every]
    z = depth[rows, columns]
    x, y = (columns - WIDTH / 2) / FOCAL * z, (rows - HEIGHT / 2) / FOCAL * z
    return np.stack([z, 0.1 - x, -y], axis=1).astype(np.float32)


class Robot:
    """Publishes depth, camera_info and points as an outsider, and listens to what comes out."""

    def __init__(self, ros, node: AlignmentNode, relative: bool, listen: bool) -> None:
        self.ros, self.node, self.relative = ros, node, relative
        topic = "/depth/inverse" if relative else "/depth/image"
        self.depths = ros.outsider.create_publisher(Image, topic, QoSProfile(depth=5))
        self.infos = ros.outsider.create_publisher(CameraInfo, "/depth/camera_info", QoSProfile(depth=5))
        self.clouds = ros.outsider.create_publisher(PointCloud2, "/points", qos_profile_sensor_data)
        self.images: list[Image] = []
        self.heard = ros.listen(DiagnosticArray, "/diagnostics")
        self.stamp_ns = START_NS
        if listen:
            self.images = ros.listen(Image, "/aligned/image", 50)
            self.matched()

    def matched(self) -> None:
        self.ros.wait(
            lambda: (
                all(p.get_subscription_count() for p in (self.depths, self.infos, self.clouds))
                and self.node._outputs.subscribers() > 0
            )
        )

    def header(self, message: Any, frame: str, late_s: float = 0.0) -> Any:
        ns = self.stamp_ns + int(late_s * 1e9)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(ns, 10**9)
        message.header.frame_id = frame
        return message

    def lidar(
        self, points: np.ndarray | None = None, late_s: float = 0.0, frame: str = "lidar", **changes: Any
    ) -> None:
        points = lidar_points() if points is None else points
        message = PointCloud2(height=1, width=len(points), point_step=12, row_step=12 * len(points))
        message.fields = [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate("xyz")]
        message.data = points.astype("<f4").tobytes()
        for name, value in changes.items():
            setattr(message, name, value)
        self.clouds.publish(self.header(message, frame, late_s))

    def depth(self, values: np.ndarray | None = None, step_s: float = 0.1) -> None:
        self.stamp_ns += int(step_s * 1e9)
        if values is None:
            values = (1 / TRUTH - 0.02) / 0.5 if self.relative else TRUTH / 2
        message = Image(height=HEIGHT, width=WIDTH, encoding="32FC1", step=4 * WIDTH)
        message.data = values.astype("<f4").tobytes()
        info = CameraInfo(height=HEIGHT, width=WIDTH, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = [FOCAL, 0, WIDTH / 2, 0, FOCAL, HEIGHT / 2, 0, 0, 1]
        self.infos.publish(self.header(info, "camera_optical"))
        self.depths.publish(self.header(message, "camera_optical"))

    def drive(self, until, lidar: bool = True, period_s: float = 0.05, **changes: Any) -> None:
        """Points and depth, again and again, until something is true."""

        def send() -> None:
            if lidar:
                self.stamp_ns += 100_000_000
                self.lidar(**changes)
                self.stamp_ns -= 100_000_000
                time.sleep(0.02)
            self.depth()
            time.sleep(period_s)

        self.ros.wait(until, poll=send)

    def status(self) -> Any:
        """The newest status of the node."""
        return self.heard[-1].status[0] if self.heard else None

    def values(self) -> dict[str, str]:
        return {pair.key: pair.value for pair in self.status().values}

    def says(self, words: str) -> bool:
        return any(words in status.message for message in self.heard[-2:] for status in message.status)


def pixels(message: Image) -> np.ndarray:
    return np.frombuffer(message.data, "<f4").reshape(message.height, message.width)


@pytest.fixture
def robot(ros):
    def make(relative: bool = False, listen: bool = True, **parameters: Any) -> Robot:
        given = {"cam_from_reference": EXTRINSIC, "diagnostics_period": 0.2, "local": False, **parameters}
        node = AlignmentNode(parameter_overrides=[Parameter(name, value=value) for name, value in given.items()])
        assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS"
        ros.add(node)
        return Robot(ros, node, relative, listen)

    return make


@pytest.mark.parametrize("relative", [False, True])
def test_the_scale_is_right_and_stamp_and_frame_are_those_of_the_image(robot, relative):
    r = robot(relative)
    infos = r.ros.listen(CameraInfo, "/aligned/camera_info")
    r.drive(lambda: len(r.images) >= 3 and infos)
    for message in r.images:
        np.testing.assert_allclose(pixels(message), TRUTH, rtol=5e-3)
        ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec - START_NS
        assert ns % 100_000_000 == 0 and 0 < ns <= r.stamp_ns - START_NS and message.header.frame_id == "camera_optical"
    assert infos[-1].k[0] == FOCAL and infos[-1].header.frame_id == "camera_optical"
    r.ros.wait(lambda: r.status() and r.values().get("state") == "aligned", poll=lambda: r.drive(lambda: True))
    values = r.values()
    assert float(values["held-out AbsRel after"]) < 5e-3 and float(values["inliers (%)"]) > 90
    assert ("held-out AbsRel before" in values) is not relative
    assert "held-out errors" in values and float(values["reference minus image (ms)"]) == pytest.approx(0, abs=1)


def test_nobody_listens_and_no_depth_is_asked_for(robot):
    r = robot(listen=False)
    r.ros.wait(lambda: r.says("idle: nobody subscribes"))
    assert r.node.count_subscribers("/depth/image") == 0 and r.node.count_subscribers("/depth/inverse") == 0
    r.images = r.ros.listen(Image, "/aligned/image")
    r.ros.wait(lambda: r.node.count_subscribers("/depth/image") == 1)


def test_every_image_at_30_hz_is_aligned_with_a_lidar_at_10_hz(robot):
    r = robot()
    r.drive(lambda: r.images)
    r.images.clear()
    sent = []
    for k in range(30):
        if k % 3 == 0:
            r.lidar(late_s=0.02)
        r.depth(step_s=1 / 30)
        sent.append(r.stamp_ns)
        time.sleep(1 / 30)
    r.ros.wait(lambda: len(r.images) >= 29)
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in r.images]
    assert set(sent) <= set(stamps) | {sent[-1], sent[0]}
    for message in r.images:
        np.testing.assert_allclose(pixels(message), TRUTH, rtol=1e-2)


def test_the_cloud_has_the_colours_of_the_image(robot):
    r = robot()
    clouds = r.ros.listen(PointCloud2, "/aligned/points")
    colours = r.ros.outsider.create_publisher(Image, "/image", qos_profile_sensor_data)
    r.ros.wait(lambda: colours.get_subscription_count())

    def send() -> None:
        r.stamp_ns += 100_000_000
        image = r.header(Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH), "camera_optical")
        image.data = np.tile(np.array([200, 100, 50], np.uint8), HEIGHT * WIDTH).tobytes()
        colours.publish(image)
        r.lidar()
        r.stamp_ns -= 100_000_000
        time.sleep(0.05)
        r.depth()
        time.sleep(0.05)

    def coloured():
        found = [np.frombuffer(m.data, "<u4").reshape(HEIGHT, WIDTH, 4)[..., 3] for m in clouds]
        return any((rgb[10:50, 10:70] == 0xC86432).mean() > 0.9 for rgb in found)

    r.ros.wait(coloured, poll=send)
    points = np.frombuffer(clouds[-1].data, "<f4").reshape(HEIGHT, WIDTH, 4)
    known = np.isfinite(points[..., 2])
    np.testing.assert_allclose(points[..., 2][known], TRUTH[known], rtol=5e-3)


def test_a_reference_that_stops_is_held_then_unaligned_and_nothing_wrong_is_published(robot):
    r = robot(hold=1.0, input_timeout=0.5)
    r.drive(lambda: len(r.images) >= 2)
    r.drive(lambda: r.says("no reference: /points is advertised but nothing has arrived"), lidar=False)
    r.drive(lambda: r.says("unaligned") and r.values()["state"] == "unaligned", lidar=False)
    count = len(r.images)
    r.depth()
    r.drive(lambda: r.node.monitor.snapshot().drops.get("unaligned", 0) > 3, lidar=False)
    assert len(r.images) == count
    r.drive(lambda: len(r.images) > count)
    np.testing.assert_allclose(pixels(r.images[-1]), TRUTH, rtol=5e-3)


def test_unaligned_metric_depth_is_published_where_that_is_asked_for(robot):
    r = robot(publish_unaligned=True)
    r.drive(lambda: r.images, lidar=False)
    np.testing.assert_allclose(pixels(r.images[-1]), TRUTH / 2, rtol=1e-6)


def test_bad_results_are_marked_and_kept_back_where_that_is_asked_for(robot):
    r = robot(publish_bad=False, max_abs_rel=0.05)
    noisy = lidar_points() * np.random.default_rng(0).uniform(0.5, 1.5, (960, 1)).astype(np.float32)
    r.drive(lambda: r.says("exceeds max_abs_rel"), points=noisy)
    assert not r.images and r.node.monitor.snapshot().drops["bad_alignment"] > 0
    assert r.values()["trusted"] == "no"


def call(r: Robot, kind: type, name: str, **request: Any) -> Any:
    client = r.ros.outsider.create_client(kind, f"/alignment/{name}")
    r.ros.wait(client.service_is_ready)
    future = client.call_async(kind.Request(**request))
    r.ros.wait(future.done)
    return future.result()


def test_freeze_reset_save_and_load(robot, tmp_path):
    path = tmp_path / "calibration.yaml"
    r = robot(calibration=str(path), hold=1.0)
    answer = call(r, SetBool, "freeze", data=True)
    assert not answer.success and "no scale to freeze" in answer.message
    assert not call(r, Trigger, "save").success
    r.drive(lambda: r.images)
    assert call(r, Trigger, "save").success and path.exists()
    assert call(r, SetBool, "freeze", data=True).success
    r.drive(lambda: r.status() and r.values().get("state") == "frozen", points=lidar_points() * 3)
    np.testing.assert_allclose(pixels(r.images[-1]), TRUTH, rtol=5e-3)
    assert call(r, Trigger, "reset").success
    r.drive(lambda: r.values()["state"] == "unaligned", lidar=False)
    assert call(r, Trigger, "load").success
    r.images.clear()
    r.drive(lambda: r.images, lidar=False)
    np.testing.assert_allclose(pixels(r.images[0]), TRUTH, rtol=5e-3)


def test_a_robot_without_lidar_goes_by_a_calibration(robot, tmp_path):
    path = tmp_path / "calibration.yaml"
    path.write_text("scenes: {hall: {curve: scale, scale: 2.0, shift: 0.0}}\n")
    r = robot(
        listen=False,
        calibration=str(path),
        calibration_scene="hall",
        frozen=True,
        reference="none",
        cam_from_reference="",
    )
    r.images = r.ros.listen(Image, "/aligned/image")
    r.ros.wait(lambda: r.depths.get_subscription_count() and r.infos.get_subscription_count())
    r.drive(lambda: r.images, lidar=False)
    np.testing.assert_allclose(pixels(r.images[-1]), TRUTH, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"points": np.zeros((0, 3), np.float32)}, "no points"),
        ({"points": np.full((50, 3), np.nan, np.float32)}, "has no points|NaN"),
        ({"points": -lidar_points()}, "behind the camera"),
        (
            {"fields": [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate("abc")]},
            "no field 'x'",
        ),
        ({"late_s": 1000.0}, "another clock"),
        ({"late_s": -0.5}, "expected at most tolerance"),
    ],
)
def test_a_bad_reference_is_told_and_the_node_goes_on(robot, changes, words):
    r = robot()
    r.drive(lambda: r.status() and any(w in r.status().message for w in words.split("|")), **changes)
    assert not r.images
    # What lies in another clock, or later, is forgotten once the time of the references jumps back.
    r.drive(lambda: r.images)
    np.testing.assert_allclose(pixels(r.images[-1]), TRUTH, rtol=5e-3)


def test_a_reference_that_changes_its_frame_is_refused(robot):
    r = robot()
    r.drive(lambda: r.images)
    r.drive(lambda: r.says("frame 'elsewhere', expected 'lidar'"), frame="elsewhere")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"cam_from_reference": ""}, "give the parameter cam_from_reference"),
        ({"cam_from_reference": "0 0 0 1 1 0 0"}, "has length 1.414, expected 1"),
        ({"cam_from_reference": "0 0 0"}, "found 3 numbers"),
        ({"frozen": True}, "expected a calibration"),
        ({"frozen": True, "calibration": "/nowhere.yaml"}, "/nowhere.yaml cannot be read"),
        ({"reference": "none"}, "nothing gives a scale"),
    ],
)
def test_what_cannot_work_is_a_clean_configure_failure(ros, parameters, words, capfd):
    given = {"cam_from_reference": EXTRINSIC, **parameters}
    node = AlignmentNode(parameter_overrides=[Parameter(name, value=value) for name, value in given.items()])
    if not parameters.get("cam_from_reference", EXTRINSIC):
        try:
            import tf2_ros  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip("tf2_ros is installed: the transform is asked of it")
    assert node.trigger_configure().name == "FAILURE"
    said = "".join(capfd.readouterr())
    assert words in said and "Traceback" not in said
    node.destroy_node()
