# SPDX-License-Identifier: Apache-2.0
"""The recording that people keep: smaller, read by rosbags, with everything but the clouds."""

from __future__ import annotations

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from mono_depth_ros.bags.messages import POINT_FIELD, empty, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.bags.transforms import TF_STATIC, static_transform
from mono_depth_ros.bags.writer import BagFile, Channel
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.compressed import decode_compressed
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE
from mono_depth_ros.tools.demo.compact import compact
from mono_depth_ros.tools.demo.recording import Topics

TOPICS = Topics(truth="/truth", lidar="/lidar/points", aligned="/aligned/image", motion="/aligned_motion/image")
DEPTHS = (TOPICS.depth, TOPICS.aligned, TOPICS.motion, TOPICS.truth)
START_NS = 1_700_000_000_000_000_000


def header(k):
    time = TYPES.types["builtin_interfaces/msg/Time"](1_700_000_000, k * 100_000_000)
    return TYPES.types["std_msgs/msg/Header"](time, "camera_optical_frame")


def image(pixels, encoding, k):
    message = empty(IMAGE, header(k))
    fill_image(message, pixels, encoding)
    return bytes(TYPES.serialize_cdr(message, IMAGE))


@pytest.fixture
def recorded(tmp_path):
    """Three frames as the recorder keeps them, and the depth of each."""
    kinds = dict.fromkeys((TOPICS.image, *DEPTHS), IMAGE)
    kinds |= {TOPICS.camera_info: CAMERA_INFO, TOPICS.cloud: CLOUD, TOPICS.lidar: CLOUD}
    bag = BagFile(tmp_path / "raw", [TF_STATIC, *(Channel(*item) for item in kinds.items())], "mcap", "none")
    bag.write("/tf_static", START_NS, static_transform("camera_optical_frame", "lidar", np.eye(4), START_NS))
    dice, depths = np.random.default_rng(0), []
    for k in range(3):
        at = START_NS + k * 10**8
        rgb = np.full((48, 64, 3), (200, 60 + 20 * k, 30), np.uint8)
        bag.write(TOPICS.image, at + 1, image(rgb[..., ::-1], "bgr8", k))
        info = info_from(Camera(64, 48, 50.0, 50.0, 31.5, 23.5), header(k))
        bag.write(TOPICS.camera_info, at + 2, bytes(TYPES.serialize_cdr(info, CAMERA_INFO)))
        depth = (np.tile(np.linspace(1.0, 9.0, 64, dtype=np.float32), (48, 1)) + dice.random((48, 64))).astype(
            np.float32
        )
        depth[0], depth[1], depth[2] = np.nan, np.inf, 80.0
        depths.append(depth)
        for topic in DEPTHS:
            bag.write(topic, at + 3, image(depth, "32FC1", k))
        cloud = empty(CLOUD, header(k))
        fill_cloud(cloud, dice.random((48, 64, 4)).astype(np.float32), POINT_FIELD)
        for topic in (TOPICS.cloud, TOPICS.lidar):
            bag.write(topic, at + 4, bytes(TYPES.serialize_cdr(cloud, CLOUD)))
    return bag.close(), depths


def test_what_is_kept_and_how(recorded, tmp_path):
    source, depths = recorded
    path = compact(source, tmp_path / "small", TOPICS)
    assert path.stat().st_size < source.stat().st_size / 2
    with AnyReader([source]) as before, AnyReader([path]) as after:
        kinds = {connection.topic: (connection.msgtype, connection.msgcount) for connection in after.connections}
        first = {connection.topic: (at, data) for connection, at, data in reversed(list(after.messages()))}
        original = {connection.topic: (at, data) for connection, at, data in reversed(list(before.messages()))}
        (static,) = [item for item in after.connections if item.topic == "/tf_static"]
    images = dict.fromkeys(DEPTHS, (IMAGE, 3))
    assert kinds == images | {
        "/tf_static": ("tf2_msgs/msg/TFMessage", 1),
        "/camera/image_raw/compressed": ("sensor_msgs/msg/CompressedImage", 3),
        TOPICS.camera_info: (CAMERA_INFO, 3),
        TOPICS.lidar: (CLOUD, 3),
    }
    for topic in ("/tf_static", TOPICS.camera_info, TOPICS.lidar):
        assert first[topic] == original[topic], "the same bytes at the same time"
    assert static.ext.offered_qos_profiles[0].durability.name == "TRANSIENT_LOCAL"
    packed = TYPES.deserialize_cdr(first["/camera/image_raw/compressed"][1], "sensor_msgs/msg/CompressedImage")
    assert first["/camera/image_raw/compressed"][0] == original[TOPICS.image][0]
    assert (packed.header.stamp.sec, packed.header.frame_id) == (1_700_000_000, "camera_optical_frame")
    np.testing.assert_allclose(decode_compressed(packed)[20, 20], (200, 60, 30), atol=3)
    for topic in images:
        message = TYPES.deserialize_cdr(first[topic][1], IMAGE)
        depth = decode_depth(message)
        assert message.encoding == "16UC1" and np.isnan(depth[:3]).all()
        np.testing.assert_allclose(depth[3:], depths[0][3:], atol=5.1e-4)


def test_a_bag_that_cannot_be_written_leaves_nothing(recorded, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BagFile, "write", full)
    with pytest.raises(OSError, match="No space"):
        compact(recorded[0], tmp_path / "small", TOPICS)
    assert not (tmp_path / "small").exists()
