# SPDX-License-Identifier: Apache-2.0
"""The world node as a process: what an outsider hears is the world, exactly, and every moment has one stamp."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from mono_depth_ros.config import WorldNodeConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.camera_info import camera_from_info
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.image import decode_image
from mono_depth_ros.messages.points import read_points
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.nodes.sources.drive import Drive
from mono_depth_ros.nodes.sources.world_node import main
from mono_depth_ros.world import World

MODULE = "mono_depth_ros.nodes.world_node"
SMALL = {"scene": "yard", "seed": 3, "width": 160, "height": 120, "hfov": 80.0, "rate": 20.0}
TOPICS = {
    "image_raw": Image,
    "camera_info": CameraInfo,
    "depth_truth": Image,
    "lidar/points": PointCloud2,
    "pose": PoseStamped,
}
ODOM = "/camera/odom"


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """The renderer is compiled here if it has to be, not in a node for which a test waits."""
    config = WorldNodeConfig(width=16, height=16, duration=0.1)
    assert len(list(Drive.of(config).frames(lambda: True, lambda: None, lambda: False))) == 1


@pytest.fixture
def listen(node_process, ros):
    """Starts the node in /camera and gives it with what is heard: topic to {stamp: message}."""

    def start(topics=tuple(TOPICS), **parameters):
        heard = {topic: ros.listen(TOPICS[topic], f"/camera/{topic}") for topic in topics}
        node = node_process(MODULE, "-r", "__ns:=/camera", **{**SMALL, **parameters})
        return node, heard

    return start


@pytest.mark.slow
def test_the_robot_believes_its_wheels_between_the_images_too(listen, ros):
    told = ros.listen(Odometry, ODOM)
    _, heard = listen(("pose", "image_raw"), rate=5.0, odometry_rate=50.0, odometry_scale=0.05, people=1)
    ros.wait(lambda: len(heard["pose"]) >= 10)
    ros.wait(lambda: len(told) >= 40)
    odom, poses = by_stamp(told), by_stamp(heard["pose"])
    both = sorted(odom.keys() & poses.keys())[1:]
    assert len(both) >= 6, "one with every image"
    stamps = sorted(odom)
    assert 0.015 < np.median(np.diff(stamps)) / 1e9 < 0.025
    first = odom[both[0]]
    assert (first.header.frame_id, first.child_frame_id) == ("odom", "base_link")
    covariance = np.reshape(odom[both[-1]].pose.covariance, (6, 6))
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    assert (np.diag(covariance) >= np.diag(np.reshape(first.pose.covariance, (6, 6)))).all()

    frames = Drive.of(WorldNodeConfig(**SMALL | {"rate": 5.0}, odometry_scale=0.05))
    stage = frames.stage()
    places = np.array([stage.path.pose(k / 5.0)[:3, 3] for k in range(200)])
    for stamp in both:
        seen = poses[stamp].pose.position
        k = int(np.linalg.norm(places - [seen.x, seen.y, seen.z], axis=1).argmin())
        expected = stage.odometry.at(k / 5.0).pose[:3, 3]
        place = odom[stamp].pose.pose.position
        np.testing.assert_allclose([place.x, place.y, place.z], expected, atol=1e-9)


def by_stamp(messages):
    return {stamp_ns(message.header.stamp): message for message in messages}


def common(heard):
    """Stamps that came on every topic."""
    return sorted(set.intersection(*(set(by_stamp(messages)) for messages in heard.values())))


@pytest.mark.slow
def test_all_topics_show_the_same_moment_of_the_same_world(listen, ros):
    node, heard = listen(wait_for_subscriber=True, duration=1.0)
    assert node.code() == 0 and "the drive has ended; 20 images published" in node.log, node.log
    ros.wait(lambda: len(common(heard)) >= 15)

    config = WorldNodeConfig(**SMALL, duration=1.0)
    expected = list(Drive.of(config).frames(lambda: True, lambda: None, lambda: False))
    by_image = {frame.rgb.tobytes(): k for k, frame in enumerate(expected)}
    order = [by_image[decode_image(message).tobytes()] for message in heard["image_raw"]]
    assert order == sorted(order) and len(set(order)) == len(order) >= 15

    world = World.generate("yard", 3)
    camera = Camera.from_fov((160, 120), 80.0)
    for stamp in common(heard)[:3]:
        image, info, truth, cloud, pose = (by_stamp(messages)[stamp] for messages in heard.values())
        frame = expected[by_image[decode_image(image).tobytes()]]
        assert image.encoding == "bgr8" and truth.encoding == "32FC1"
        assert camera_from_info(info, rectified=False) == camera
        depth = decode_depth(truth)
        assert np.array_equal(depth, world.render(camera, frame.pose).depth) and np.isposinf(depth).any()
        np.testing.assert_array_equal(read_points(cloud), frame.scan.xyz)
        np.testing.assert_array_equal(read_points(cloud, ("intensity",))[:, 0], frame.scan.intensity)
        np.testing.assert_array_equal(read_points(cloud, ("ring",))[:, 0], frame.scan.ring)
        np.testing.assert_array_equal(read_points(cloud, ("time",))[:, 0], frame.scan.time)
        assert [field.name for field in cloud.fields] == ["x", "y", "z", "intensity", "ring", "time"]
        position = pose.pose.position
        np.testing.assert_allclose([position.x, position.y, position.z], frame.pose[:3, 3], atol=1e-12)
        frames = [message.header.frame_id for message in (image, info, truth, cloud, pose)]
        assert frames == ["camera_optical_frame"] * 3 + ["lidar", "world"]
    assert "x y z qx qy qz qw: [0, -0.12, -0.08, 0.49" in node.log  # the extrinsic, also where there is no TF


@pytest.mark.slow
def test_a_drive_rendered_ahead_holds_its_rate_until_a_signal(listen, ros):
    node, heard = listen(
        ("image_raw", "camera_info"), rate=50.0, duration=0.5, render_ahead=True, loop=True, encoding="rgb8"
    )
    ros.wait(lambda: len(heard["image_raw"]) > 60)
    stamps = sorted(by_stamp(heard["image_raw"]))
    assert 0.018 < np.median(np.diff(stamps)) / 1e9 < 0.024
    pictures = [bytes(message.data) for message in heard["image_raw"]]
    assert heard["image_raw"][0].encoding == "rgb8" and len(set(pictures)) == 25
    assert "rendered 25 frames" in node.log
    node.signal(signal.SIGINT)
    assert node.code(10.0) == 0 and "Traceback" not in node.log, node.log


def test_the_drive_stands_still_while_nobody_subscribes(listen, ros):
    node, _ = listen((), duration=0.2)
    ros.wait(lambda: "begins when there are subscribers" in node.log)
    ros.wait(lambda: ros.outsider.count_publishers("/camera/depth_truth"))
    assert node.running() and "ended" not in node.log
    heard = ros.listen(Image, "/camera/depth_truth")
    ros.wait(lambda: heard and not node.running())
    assert node.code() == 0 and "4 images published" in node.log


def test_topics_that_are_turned_off_do_not_exist_and_a_signal_ends_the_node(listen, ros):
    node, heard = listen(("image_raw",), truth=False, lidar=False, odometry=False)
    ros.wait(lambda: heard["image_raw"])
    topics = dict(ros.outsider.get_topic_names_and_types())
    assert "/camera/pose" in topics and not {"/camera/depth_truth", "/camera/lidar/points", ODOM} & topics.keys()
    node.signal(signal.SIGTERM)
    assert node.code(10.0) == 0 and "Traceback" not in node.log, node.log


@pytest.mark.parametrize(
    ("parameters", "words"), [({"scene": "moon"}, "one of: room, corridor"), ({"sed": 3}, "did you mean seed")]
)
def test_bad_parameters_are_refused_with_what_is_allowed(refused, parameters, words):
    assert words in refused(main, **parameters)
