# SPDX-License-Identifier: Apache-2.0
"""Images that are taken as bytes are those that rclpy would take, and take no memory of their own."""

from __future__ import annotations

import array
import struct
import time

import numpy as np
import pytest
from rclpy.node import Node
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from mono_depth_ros.nodes.ros import bulk_taking
from mono_depth_ros.nodes.ros.bulk_taking import BulkTaker
from mono_depth_ros.nodes.ros.guard import GuardedExecutor
from mono_depth_ros.nodes.ros.subscribing import Input


def filled(kind, size, frame="camera"):
    message = kind(data=array.array("B", np.random.default_rng(size).bytes(size)))
    message.header.frame_id, message.header.stamp.sec, message.header.stamp.nanosec = frame, 7 + size, 8
    if kind is Image:
        message.width, message.height, message.step, message.encoding, message.is_bigendian = size, 1, size, "mono8", 1
    else:
        message.format = "bgr8; jpeg compressed"
    return message


@pytest.fixture
def reader(ros):
    """`reader(kind)` is a list of what an Input gets, a function to publish, and one turn of its executor."""
    made = []

    def make(kind):
        node, heard, errors = Node("reader"), [], []
        item = Input(node, kind, "/images", heard.append)
        item.open()
        executor = GuardedExecutor(errors.append)
        executor.add_node(node)
        made.append((executor, node))
        publisher = ros.outsider.create_publisher(kind, "/images", 1)

        def turn():
            executor.spin_once(timeout_sec=0.05)
            assert not errors

        ros.wait(lambda: heard, poll=lambda: (publisher.publish(filled(kind, 1)), turn()))
        ros.wait(lambda: item._previous is None, poll=turn)
        heard.clear()
        return item, heard, publisher, turn

    yield make
    for executor, node in made:
        executor.shutdown()
        node.destroy_node()


@pytest.mark.parametrize("found", [True, False], ids=["by rcl", "by rclpy, where rcl is not found"])
@pytest.mark.parametrize("kind", [Image, CompressedImage])
def test_what_is_taken_is_what_was_published(ros, reader, monkeypatch, kind, found):
    monkeypatch.setattr(bulk_taking, "_AVAILABLE", found)
    _, heard, publisher, turn = reader(kind)
    for size, frame in ((5000, ""), (3, "a"), (70_000, "camera"), (0, "odd")):
        sent = filled(kind, size, frame)
        publisher.publish(sent)
        ros.wait(lambda size=size: heard and len(heard[-1].data) == size, poll=turn)
        taken = heard[-1]
        assert isinstance(taken.data, np.ndarray) == found and bytes(taken.data) == sent.data.tobytes()
        taken.data = sent.data
        assert taken == sent


def test_a_flood_of_images_takes_the_memory_of_one_and_what_is_kept_is_not_written_again(ros, reader):
    item, heard, publisher, turn = reader(Image)
    buffers, count = item._current._bulk.buffers, 0
    first = filled(Image, 100_000)
    publisher.publish(first)
    ros.wait(lambda: len(heard[-1:]) and len(heard[-1].data) == 100_000, poll=turn)
    kept = heard[-1].data[10:]
    heard.clear()
    message = filled(Image, 200_000)
    begin = time.monotonic()
    while count < 300 and time.monotonic() < begin + 20:
        publisher.publish(message)
        turn()
        count += len(heard)
        heard.clear()
    assert count == 300 and len(buffers) <= 3
    assert kept.tobytes() == first.data.tobytes()[10:]


def test_memory_that_many_have_used_is_given_back(ros, reader):
    item, heard, publisher, turn = reader(Image)
    buffers = item._current._bulk.buffers
    ros.wait(lambda: len(heard) >= 12, poll=lambda: (publisher.publish(filled(Image, 1000)), turn()))
    assert len(buffers) >= 12
    heard.clear()
    ros.wait(lambda: len(buffers) <= bulk_taking._SPARE, poll=lambda: (publisher.publish(filled(Image, 1)), turn()))


def test_bytes_that_are_no_message_are_a_sentence():
    taker, whole = BulkTaker(Image), np.frombuffer(serialize_message(filled(Image, 100)), np.uint8)
    for length in (0, 1, 4, 11, 30, 60, len(whole) - 1):
        with pytest.raises(ValueError, match="bytes"):
            taker._message(whole[:length])
    longer = whole.copy()
    longer[12:16] = 255
    with pytest.raises(ValueError, match="ends before its data"):
        taker._message(longer)


def test_a_message_of_the_other_byte_order_is_read():
    header = b"\0\0\0\0" + struct.pack(">iII3s", 5, 6, 3, b"ab\0") + b"\0"
    image = header + struct.pack(">III6sB", 1, 2, 6, b"mono8\0", 0) + b"\0" + struct.pack(">II2s", 2, 2, b"xy")
    message = BulkTaker(Image)._message(np.frombuffer(image, np.uint8))
    assert (message.header.frame_id, message.header.stamp.nanosec, message.width, message.step) == ("ab", 6, 2, 2)
    assert message.encoding == "mono8" and bytes(message.data) == b"xy"
