# SPDX-License-Identifier: Apache-2.0
"""The same messages through the nodes, over DDS, and through `mono_depth bag`: the same bytes come out.

The camera zooms, and sends each image before its camera_info, as image_transport does.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2

from mono_depth_ros.bags.messages import POINT_FIELD, empty, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE, SCAN
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.nodes.alignment.node import AlignmentNode
from mono_depth_ros.nodes.depth.node import DepthNode
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.tools.cli import main

_spec = importlib.util.spec_from_file_location("bag_kit", Path(__file__).parents[1] / "bags" / "conftest.py")
kit = sys.modules[_spec.name] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kit)

CLASSES = {IMAGE: Image, CAMERA_INFO: CameraInfo, CLOUD: PointCloud2, SCAN: LaserScan}
MODEL = {"model": "tiny", "engine": "torch", "precision": "fp32", "threads": 1, "device": "cpu"}
ROBOT = {"base_frame": "base", "base_from_camera": "0.2 0 0.8 -0.5 0.5 -0.5 0.5"}
OUTPUTS = {"depth/image": IMAGE, "depth/camera_info": CAMERA_INFO, "depth/points": CLOUD, "depth/color": IMAGE} | {
    "aligned/image": IMAGE,
    "aligned/camera_info": CAMERA_INFO,
    "aligned/points": CLOUD,
}
OUTPUTS |= {f"{of}/{name}": CLOUD for of in ("depth", "aligned") for name in ("obstacles", "free")}
OUTPUTS |= {"depth/scan": SCAN, "aligned/scan": SCAN}
WIDTH, HEIGHT, FRAMES = 128, 96, 5
LIDAR = (0.1, -0.05, -0.2), (0.5, -0.5, 0.5, 0.5)


def camera_at(index: int) -> Camera:
    focal = 90.0 + 8 * index
    return Camera(WIDTH, HEIGHT, focal, focal, 63.5, 47.5)


def scene(index: int) -> np.ndarray:
    """(H, W, 3) uint8: soft blobs above a floor, another view in each image."""
    rng = np.random.default_rng(index)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = np.repeat(40 + 1.5 * rows[..., None], 3, axis=-1)
    for _ in range(6):
        distance = np.hypot(rows - rng.uniform(0, HEIGHT), columns - rng.uniform(0, WIDTH))
        rgb += rng.uniform(-80, 80, 3) * np.exp(-((distance / rng.uniform(8, 25)) ** 2))[..., None]
    return np.clip(rgb, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def truth():
    """(H, W) metres of each image: what the network says, times 1.4, bent, with noise."""
    pipeline = Pipeline(load_model(ModelConfig(**MODEL)))
    depths = [pipeline.estimate(scene(index), camera_at(index)).depth.numpy() for index in range(FRAMES)]
    rng = np.random.default_rng(99)
    bend = np.linspace(0.9, 1.1, WIDTH)
    return [np.float32(1.4 * depth * bend * rng.normal(1, 0.01, depth.shape)) for depth in depths]


@pytest.fixture
def recording(request, truth):
    """(reference, BagMaker): for each image its reference, then the image, then camera_info."""
    maker = kit.BagMaker()
    maker.static(("camera", "lidar", *LIDAR))
    for index, depth in enumerate(truth):
        stamp = kit.BEGIN_NS + index * kit.STEP_NS
        camera = camera_at(index)
        if request.param == "lidar":
            grid = rays(camera).numpy()[::5, ::3].reshape(-1, 2)
            z = depth[::5, ::3].reshape(-1, 1)
            turn = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
            points = np.zeros((len(z), 4), np.float32)
            points[:, :3] = (np.hstack([grid * z, z]) - LIDAR[0]) @ turn
            message, kind = empty(CLOUD, kit.header(stamp + 3_000_000, "lidar")), CLOUD
            fill_cloud(message, points, POINT_FIELD)
        else:
            message, kind = empty(IMAGE, kit.header(stamp)), IMAGE
            fill_image(message, np.rint(1000 * depth).astype(np.uint16), "16UC1")
        image = empty(IMAGE, kit.header(stamp))
        fill_image(image, scene(index), "rgb8")
        maker.add("/sensor", kind, stamp + 4_000_000, message)
        maker.add("/camera/image_raw", IMAGE, stamp + 5_000_000, image)
        maker.add("/camera/camera_info", CAMERA_INFO, stamp + 6_000_000, info_from(camera, kit.header(stamp)))
    return request.param, maker


def live(ros, reference, messages):
    """(topic, stamp) to bytes of all that the two nodes publish, fed message by message."""
    where = {"cam_from_reference": "0.1 -0.05 -0.2 0.5 -0.5 0.5 0.5"} if reference == "lidar" else {}
    own = {"lidar": "points", "depth": "reference/depth"}[reference]
    words = ["--ros-args", "-r", "image:=/camera/image_raw", "-r", f"{own}:=/sensor"]
    given = {DepthNode: MODEL, AlignmentNode: {"reference": reference, **where}}
    nodes = [
        make(
            parameter_overrides=[Parameter(k, value=v) for k, v in {**own, **ROBOT, "obstacles": True}.items()],
            cli_args=words,
        )
        for make, own in given.items()
    ]
    for node in nodes:
        assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS"
        ros.add(node)
    heard = {}

    def listen(topic, kind):
        def keep(data):
            message = TYPES.deserialize_cdr(
                data, kind
            )  # the middleware leaves the bytes between two fields as they are
            stamp = message.header.stamp
            heard[topic, stamp.sec * 10**9 + stamp.nanosec] = bytes(TYPES.serialize_cdr(message, kind))

        ros.outsider.create_subscription(CLASSES[kind], f"/{topic}", keep, QoSProfile(depth=20), raw=True)

    for topic, kind in OUTPUTS.items():
        listen(topic, kind)
    inputs = {topic: kind for topic, kind, _, _ in messages if kind in CLASSES}
    publishers = {
        topic: ros.outsider.create_publisher(CLASSES[kind], topic, QoSProfile(depth=20))
        for topic, kind in inputs.items()
    }
    # The depth node and the colours of the aligned cloud both want the images.
    wanted = {"/camera/image_raw": 2, "/camera/camera_info": 1, "/sensor": 1}
    ros.wait(lambda: all(publishers[topic].get_subscription_count() >= n for topic, n in wanted.items()))
    ros.wait(lambda: all(nodes[0].count_subscribers(f"/{topic}") >= 1 for topic in OUTPUTS))
    source = nodes[1].session.stream.reference
    for index, (topic, kind, _, data) in enumerate(messages):
        publishers[topic].publish(deserialize_message(data, CLASSES[kind]))
        frame = index // 3 + 1
        if topic == "/sensor":  # before its image, and an image before the next one
            ros.wait(lambda frame=frame: len(source.reference._buffer) == frame)
        elif topic == "/camera/image_raw":
            time.sleep(0.03)  # a node that did not wait would take the camera_info of the image before
        else:
            ros.wait(lambda frame=frame: len(heard) == frame * len(OUTPUTS))
    return heard


@pytest.mark.parametrize("recording", ["lidar", "depth"], indirect=True)
def test_the_nodes_and_mono_depth_bag_give_the_same_bytes(ros, recording, tmp_path):
    reference, maker = recording
    maker.write(tmp_path / "in.mcap")
    words = [f"--{name.replace('_', '-')}={value}" for name, value in {**MODEL, **ROBOT}.items()]
    words += ["--reference", reference, "--outputs", "depth,points,obstacles,scan,color,aligned"]
    assert main(["bag", str(tmp_path / "in.mcap"), "--out", str(tmp_path / "out"), *words]) == 0
    recorded = {}
    with AnyReader([tmp_path / "out"]) as reader:
        for connection, _, data in reader.messages():
            stamp = reader.deserialize(data, connection.msgtype).header.stamp
            recorded[connection.topic.strip("/"), stamp.sec * 10**9 + stamp.nanosec] = bytes(data)
    assert len(recorded) == FRAMES * len(OUTPUTS)
    heard = live(ros, reference, [item for item in maker.messages if item[1] in CLASSES])
    assert heard.keys() == recorded.keys()
    different = [key for key in recorded if heard[key] != recorded[key]]
    assert not different
