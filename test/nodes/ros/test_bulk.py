# SPDX-License-Identifier: Apache-2.0
"""Messages that are published as bytes of our own are those that rclpy would publish."""

from __future__ import annotations

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField

from mono_depth_ros.messages.buffers import set_data
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.nodes.ros import bulk
from mono_depth_ros.nodes.ros.bulk import BulkMessage


def image(message, pixels):
    fill_image(message, pixels, "32FC1")


def cloud(message, pixels):
    fill_cloud(message, np.dstack([pixels] * 4), PointField, dense=True)


def compressed(message, pixels):
    message.format = "jpeg"
    set_data(message, pixels)


@pytest.mark.parametrize(("kind", "fill"), [(Image, image), (PointCloud2, cloud), (CompressedImage, compressed)])
@pytest.mark.parametrize("frame", ["", "a", "camera", "odd"])
def test_the_bytes_are_those_of_rclpy(kind, fill, frame):
    ours, theirs = BulkMessage(kind), kind()
    for width in (3, 8, 3):
        for message in (ours, theirs):
            message.header.frame_id, message.header.stamp.sec = frame, width
            fill(message, np.arange(5 * width, dtype=np.float32).reshape(5, width))
        found = ours._serialized().tobytes()
        # Bytes between two fields are what was there before.
        assert deserialize_message(found, kind) == theirs and len(found) == len(serialize_message(theirs))
        assert not len(ours.data), "what was published is not kept"


@pytest.fixture
def large(ros):
    heard = ros.listen(PointCloud2, "/cloud")
    publisher = ros.outsider.create_publisher(PointCloud2, "/cloud", 1)
    ros.wait(publisher.get_subscription_count)
    message = BulkMessage(PointCloud2)
    cloud(message, np.zeros((1, 1), np.float32))
    return publisher, message, heard


@pytest.mark.parametrize("found", [True, False], ids=["by rcl", "by rclpy, where rcl is not found"])
def test_what_is_published_arrives(ros, large, monkeypatch, found):
    publisher, message, heard = large
    if not found:
        monkeypatch.setattr(bulk, "_PUBLISH", None)
    values = np.random.default_rng(0).random((48, 64), dtype=np.float32)
    for time_s in (1, 2):
        cloud(message, values * time_s)
        message.publish(publisher)
        ros.wait(lambda time_s=time_s: len(heard) == time_s)
        expected = PointCloud2()
        cloud(expected, values * time_s)
        assert heard[-1] == expected
