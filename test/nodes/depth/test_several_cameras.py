# SPDX-License-Identifier: Apache-2.0
"""One depth node for several cameras, over real DDS, with a network whose answer is known: depth = red / 10 m."""

from __future__ import annotations

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mono_depth_ros.errors import ImageError
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.nodes.depth.node import DepthNode

NAMES = ("front", "left")


class OutsideCamera:
    """A camera as an outsider writes it: images whose depth is `red` / 10 m, and its camera_info."""

    def __init__(self, ros, name: str, size=(64, 48), focal=60.0) -> None:
        self.ros, self.name, self.size, self.focal = ros, name, size, focal
        self.images = ros.outsider.create_publisher(Image, f"/{name}/image_raw", qos_profile_sensor_data)
        self.infos = ros.outsider.create_publisher(CameraInfo, f"/{name}/camera_info", QoSProfile(depth=5))
        self.depths = ros.listen(Image, f"/{name}/depth/image")

    def connected(self) -> bool:
        return self.images.get_subscription_count() > 0 and self.infos.get_subscription_count() > 0

    def send(self, stamp_s: int, red: int = 50, info: bool = True) -> None:
        width, height = self.size
        if info:
            message = CameraInfo(height=height, width=width, distortion_model="plumb_bob", d=[0.0] * 5)
            message.k = [self.focal, 0, width / 2, 0, self.focal, height / 2, 0, 0, 1]
            message.header.stamp.sec = stamp_s
            self.infos.publish(message)
        image = Image(height=height, width=width, encoding="rgb8", step=3 * width)
        image.header.stamp.sec, image.header.frame_id = stamp_s, f"{self.name}_optical"
        image.data = np.full(3 * width * height, red, np.uint8).tobytes()
        self.images.publish(image)


@pytest.fixture
def start(ros, monkeypatch, plane_model):
    """`start(cameras, model=..., **parameters)` -> the node, active, with the plane model."""

    def start(names=NAMES, model=None, remap=(), **parameters):
        model = model or plane_model()
        monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", lambda *_: model)
        parameters = {"batch_window": 0.5, **parameters, "cameras": list(names)}
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        words = [word for rule in remap for word in ("-r", rule)]
        node = DepthNode(parameter_overrides=overrides, cli_args=["--ros-args", *words])
        assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS"
        ros.add(node)
        node.model = model
        return node

    return start


@pytest.fixture
def pair(ros, start):
    """Two cameras, the node, and everything connected."""
    cameras = [OutsideCamera(ros, name) for name in NAMES]
    node = start()
    ros.wait(lambda: all(camera.connected() and camera.depths is not None for camera in cameras))
    ros.wait(lambda: all(stream.wanted() for stream in node.session.streams))
    for camera in cameras:  # camera_info may be lost before the match; images of this turn count for nothing
        camera.send(1)
    ros.wait(lambda: all(camera.depths for camera in cameras), poll=lambda: [c.send(1) for c in cameras])
    time.sleep(0.6)
    for camera in cameras:
        camera.depths.clear()
    node.model.batches.clear()
    return node, *cameras


def metres(message: Image) -> np.ndarray:
    return np.frombuffer(bytes(message.data), np.float32).reshape(message.height, message.width)


def faults(node, camera: int) -> dict[str, int]:
    """The drops of a camera, without images of the beginning that newer ones have superseded."""
    drops = node.session.streams[camera].monitor.snapshot().drops
    return {reason: count for reason, count in drops.items() if reason != "superseded"}


def test_images_that_coincide_share_a_run_and_keep_their_own_stamps_frames_and_topics(ros, pair) -> None:
    node, front, left = pair
    front.send(10, red=30)
    left.send(11, red=70)
    ros.wait(lambda: front.depths and left.depths)
    assert node.model.batches == [2]
    for camera, stamp, depth in ((front, 10, 3.0), (left, 11, 7.0)):
        (message,) = camera.depths
        assert (message.header.stamp.sec, message.header.frame_id) == (stamp, f"{camera.name}_optical")
        assert (metres(message) == np.float32(depth)).all()


def test_a_silent_camera_holds_nobody_up(ros, pair) -> None:
    node, front, left = pair
    start = time.monotonic()
    front.send(10)
    ros.wait(lambda: front.depths)
    assert time.monotonic() - start < 5.0 and node.model.batches == [1] and not left.depths


def test_images_of_different_sizes_go_in_runs_of_their_own_in_the_same_turn(ros, start) -> None:
    cameras = [OutsideCamera(ros, "front"), OutsideCamera(ros, "left", (32, 24)), OutsideCamera(ros, "back")]
    node = start(("front", "left", "back"))
    ros.wait(lambda: all(camera.connected() for camera in cameras))
    ros.wait(lambda: all(stream.wanted() for stream in node.session.streams))

    def send() -> None:
        for camera in cameras:
            camera.send(5)
        time.sleep(0.7)

    # On a busy machine a turn may miss an image; within a few rounds one has all three.
    ros.wait(lambda: sorted(node.model.batches[-2:]) == [1, 2], poll=send)
    ros.wait(lambda: all(camera.depths for camera in cameras))
    assert {message.width for message in cameras[1].depths} == {32}


def test_a_bad_image_or_calibration_costs_its_own_camera_only(ros, pair) -> None:
    node, front, left = pair
    heard = ros.listen(DiagnosticArray, "/diagnostics")
    left.size = (20, 10)  # no camera_info of this size will come
    front.send(10)
    left.send(10, info=False)
    ros.wait(lambda: front.depths and node.session.streams[1].monitor.snapshot().drops)
    assert not left.depths and faults(node, 0) == {}
    ros.wait(lambda: [s for m in heard[-1:] for s in m.status if s.name == "depth: left" and s.level == b"\x02"])
    status = {s.name: s for s in heard[-1].status}
    assert set(status) == {"depth: front", "depth: left"} and "20x10" in status["depth: left"].message
    assert status["depth: front"].level != b"\x02"
    assert {pair.key: pair.value for pair in status["depth: front"].values}["engine"] == "torch fp32"


def test_an_image_that_the_model_cannot_read_is_found_among_its_partners(ros, pair) -> None:
    node, front, left = pair
    predict = node.model.predict

    def picky(rgb, cameras):
        if (rgb == 99).any():
            raise ImageError("too red", "image_shape")
        return predict(rgb, cameras)

    node.model.predict = picky
    front.send(10, red=99)
    left.send(10, red=40)
    ros.wait(lambda: left.depths and node.session.streams[0].monitor.snapshot().drops)
    assert not front.depths and faults(node, 0) == {"image_shape": 1}
    assert (metres(left.depths[0]) == 4.0).all() and faults(node, 1) == {}


def test_a_camera_without_subscribers_is_not_computed(ros, start) -> None:
    front = OutsideCamera(ros, "front")
    images = ros.outsider.create_publisher(Image, "/left/image_raw", qos_profile_sensor_data)
    node = start(batch_window=1.0)
    ros.wait(lambda: front.connected() and images.get_subscription_count() and node.session.streams[0].wanted())
    ros.wait(lambda: front.depths, poll=lambda: (images.publish(Image()), front.send(3), time.sleep(0.05)))
    assert set(node.model.batches) == {1}
    left = node.session.streams[1].monitor.snapshot()
    assert left.received > 0 and left.published == 0 and left.drops == {}


def test_overload_drops_the_older_images_of_each_camera_and_starves_none(ros, start, plane_model) -> None:
    cameras = [OutsideCamera(ros, name) for name in NAMES]
    node = start(model=plane_model(delay_s=0.1), batch_window=0.0)
    ros.wait(lambda: all(camera.connected() for camera in cameras) and all(s.wanted() for s in node.session.streams))
    stamp = iter(range(1, 10_000))

    def send() -> None:
        now = next(stamp)
        for camera in cameras:
            camera.send(now)

    ros.wait(lambda: all(len(camera.depths) > 10 for camera in cameras), poll=send)
    counts = [len(camera.depths) for camera in cameras]
    assert max(counts) <= 1.5 * min(counts)
    for stream, camera in zip(node.session.streams, cameras, strict=True):
        assert stream.monitor.snapshot().drops["superseded"] > 0
        stamps = [message.header.stamp.sec for message in camera.depths]
        assert stamps == sorted(set(stamps))
    assert 2 in node.model.batches


@pytest.mark.parametrize(
    ("text", "names"), [("[]", [""]), ("''", [""]), ("[front]", ["front"]), ("[front, left]", ["front", "left"])]
)
def test_cameras_as_written_on_the_command_line(ros, text, names) -> None:
    node = ros.add(DepthNode(cli_args=["--ros-args", "-p", f"cameras:={text}", "-p", "model:=tiny"]))
    assert node.streams() == tuple(names) and node.trigger_configure().name == "SUCCESS"
    assert [stream.name for stream in node.session.streams] == names
    images = [stream.topics().split()[0] for stream in node.session.streams]
    assert images == [f"/{name}/image_raw" if name else "/image" for name in names]


def test_one_camera_can_be_remapped_and_brings_its_camera_info_along(ros, start) -> None:
    node = start(remap=("front/image_raw:=/oak/rgb/image", "left/camera_info:=/calibration"))
    assert [stream.topics() for stream in node.session.streams] == [
        "/oak/rgb/image with /oak/rgb/camera_info",
        "/left/image_raw with /calibration",
    ]


def test_compressed_images_and_a_second_configuration_with_other_cameras(ros, start) -> None:
    node = start(image_transport="compressed")
    assert node.session.streams[0].topics() == "/front/image_raw/compressed with /front/camera_info"
    publisher = ros.outsider.create_publisher(CompressedImage, "/front/image_raw/compressed", 1)
    ros.wait(publisher.get_subscription_count)
    refused = node.set_parameters([Parameter("cameras", value=["back"])])[0]
    assert not refused.successful and "clean it up first" in refused.reason
    assert node.trigger_deactivate().name == "SUCCESS" and node.trigger_cleanup().name == "SUCCESS"
    ros.wait(lambda: publisher.get_subscription_count() == 0)
    assert node.set_parameters([Parameter("cameras", value="back, roof/rear")])[0].successful
    assert node.trigger_configure().name == "SUCCESS"
    assert [stream.name for stream in node.session.streams] == ["back", "roof/rear"]
    ros.wait(lambda: ros.outsider.count_publishers("/roof/rear/depth/points") == 1)
    assert ros.outsider.count_publishers("/front/depth/points") == 0


def test_a_camera_that_has_died_is_not_waited_for_any_more(ros, pair) -> None:
    node, front, left = pair  # left was last heard of more than 0.5 s ago
    node.set_parameters([Parameter("batch_window", value=1.0), Parameter("input_timeout", value=0.5)])
    start = time.monotonic()
    front.send(10)
    ros.wait(lambda: front.depths)
    assert time.monotonic() - start < 0.8 and node.model.batches == [1] and not left.depths


def test_time_that_jumps_back_is_the_affair_of_one_camera(ros, pair) -> None:
    node, front, left = pair
    front.send(10)
    left.send(10)
    ros.wait(lambda: front.depths and left.depths)
    left.send(2)
    front.send(11)
    ros.wait(lambda: len(front.depths) == 2 and node.session.streams[1].monitor.snapshot().drops)
    assert faults(node, 1) == {"time_backwards": 1}
    assert faults(node, 0) == {}
    left.send(3)
    ros.wait(lambda: [message.header.stamp.sec for message in left.depths] == [10, 3])


def test_a_video_model_has_a_memory_for_each_camera(ros, start, counting_model):
    start(model=counting_model)
    front, left = (OutsideCamera(ros, name) for name in NAMES)
    ros.wait(lambda: front.connected() and left.connected())

    def after(camera, stamp_s: int) -> float:
        before = len(camera.depths)
        ros.wait(lambda: len(camera.depths) > before, poll=lambda: camera.send(stamp_s))
        return float(decode_depth(camera.depths[-1])[5, 5])

    seen = [after(front, stamp_s) for stamp_s in (1, 2, 3)]
    assert seen == sorted(seen) and seen[-1] >= 3
    assert after(left, 1) == 1 and after(front, 4) > seen[-1]
