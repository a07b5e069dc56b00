# SPDX-License-Identifier: Apache-2.0
"""What is read from a bag, written here message by message."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.camera_info import fill_camera_info
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.tools.demo.recording import Recording, Topics

CAMERA = Camera(8, 6, 10.0, 10.0, 3.5, 2.5)
START_NS = 1_700_000_000_000_000_000
TYPES = get_typestore(Stores.ROS2_JAZZY)
KINDS = TYPES.types
TOPICS = Topics(truth="/truth", pose="/pose")


class Bag:
    def __init__(self, folder):
        self.path = folder / "bag" / "bag.mcap"
        self._writer = Writer(folder / "bag", version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._connections = {}

    def add(self, topic, message, stamp_ns, delay_ms=0):
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=TYPES)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        data = TYPES.serialize_cdr(message, kind)
        self._writer.write(self._connections[topic], stamp_ns + delay_ms * 1_000_000, data)

    def close(self):
        self._writer.close()
        return self.path


def header():
    return KINDS["std_msgs/msg/Header"](stamp=KINDS["builtin_interfaces/msg/Time"](0, 0), frame_id="camera")


def image(pixels, encoding):
    message = KINDS["sensor_msgs/msg/Image"](header(), 0, 0, "", 0, 0, np.empty(0, np.uint8))
    fill_image(message, pixels, encoding)
    return message


def info():
    empty = np.empty(0)
    roi = KINDS["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    numbers = (np.zeros(9), np.zeros(9), np.zeros(12))
    message = KINDS["sensor_msgs/msg/CameraInfo"](header(), 0, 0, "", empty, *numbers, 0, 0, roi)
    fill_camera_info(message, CAMERA)
    return message


def cloud(packed):
    message = KINDS["sensor_msgs/msg/PointCloud2"](header(), 0, 0, [], False, 0, 0, np.empty(0, np.uint8), False)
    fill_cloud(message, packed, KINDS["sensor_msgs/msg/PointField"])
    return message


def colour(k):
    return np.full((6, 8, 3), (k, 2 * k, 3 * k), np.uint8)


def metres(k):
    return np.full((6, 8), 1.0 + k, np.float32)


@pytest.fixture
def bag(tmp_path):
    return Bag(tmp_path)


def fill(bag, images=5, dropped=(3,)):
    for k in range(images):
        stamp = START_NS + k * 100_000_000
        bag.add(TOPICS.camera_info, info(), stamp, 1)
        bag.add(TOPICS.image, image(colour(k), "rgb8"), stamp, 2)
        bag.add(TOPICS.truth, image(metres(k), "32FC1"), stamp, 3)
        if k not in dropped:
            bag.add(TOPICS.cloud, cloud(np.full((3, 4, 4), k, np.float32)), stamp, 29)
            bag.add(TOPICS.depth, image(2 * metres(k), "32FC1"), stamp, 30 + k)
    return bag.close()


def test_timing(bag):
    timing = Recording(fill(bag), TOPICS).timing
    assert (timing.frames_in, timing.frames_out) == (5, 4)
    assert timing.latency_ms.tolist() == [30, 31, 32, 34]
    assert timing.rate_hz == pytest.approx(3 / 0.404)


def test_frames_with_all_their_parts(bag):
    recording = Recording(fill(bag), TOPICS)
    frames = list(recording.frames())
    assert recording.complete() == 4 and [frame.index for frame in frames] == [0, 1, 2, 4]
    for frame in frames:
        k = frame.index
        assert frame.stamp_ns == START_NS + k * 100_000_000 and frame.camera == CAMERA
        np.testing.assert_array_equal(frame.rgb, colour(k))
        np.testing.assert_array_equal(frame.depth, 2 * metres(k))
        np.testing.assert_array_equal(frame.truth, metres(k))
        assert frame.cloud.shape == (3, 4, 4) and (frame.cloud == k).all() and frame.lidar is None


def status(name, **values):
    pairs = [KINDS["diagnostic_msgs/msg/KeyValue"](key, value) for key, value in values.items()]
    one = KINDS["diagnostic_msgs/msg/DiagnosticStatus"](0, name, "", "", pairs)
    return KINDS["diagnostic_msgs/msg/DiagnosticArray"](header(), [one])


def test_aligned_depth_and_the_course_of_the_alignment(bag):
    topics = replace(TOPICS, aligned="/aligned/image", diagnostics="/diagnostics")
    for k in range(3):
        stamp = START_NS + k * 100_000_000
        bag.add(topics.camera_info, info(), stamp, 1)
        bag.add(topics.image, image(colour(k), "rgb8"), stamp, 2)
        bag.add(topics.depth, image(2 * metres(k), "32FC1"), stamp, 30)
        if k != 1:
            bag.add(topics.aligned, image(3 * metres(k), "32FC1"), stamp, 45)
        told = {"scale": f"{1.5 + k}", "shift": "0", "inliers (%)": "80.0", "held-out AbsRel after": "0.04"}
        bag.add(topics.diagnostics, status("depth", **{"rate in (Hz)": "10"}), stamp + 1, 50)
        bag.add(topics.diagnostics, status("alignment", **(told if k else {"state": "unaligned"})), stamp + 2, 50)
    recording = Recording(bag.close(), topics)
    frames = list(recording.frames())
    assert [frame.aligned is not None for frame in frames] == [True, False, True]
    np.testing.assert_array_equal(frames[2].aligned, 3 * metres(2))
    assert recording.timing.aligned_ns.tolist() == [
        [START_NS + k * 10**8, START_NS + k * 10**8 + 45 * 10**6] for k in (0, 2)
    ]
    assert recording.timing.frames_out == 3
    assert recording.course.stamp_ns.tolist() == [START_NS + k * 10**8 + 2 for k in (1, 2)]
    assert recording.course.values[:, 0].tolist() == [2.5, 3.5]
    assert recording.course.summary() == {"scale": 3.0, "shift": 0.0, "inliers": 0.8, "held_out_abs_rel": 0.04}


def test_results_may_overtake_and_truth_may_be_missing(bag):
    first, second = START_NS, START_NS + 100_000_000
    bag.add(TOPICS.camera_info, info(), first)
    bag.add(TOPICS.image, image(colour(1), "rgb8"), second)
    bag.add(TOPICS.depth, image(metres(1), "32FC1"), second)
    bag.add(TOPICS.truth, image(metres(0), "32FC1"), first, 300)
    bag.add(TOPICS.depth, image(metres(0), "32FC1"), first, 300)
    bag.add(TOPICS.image, image(colour(0), "rgb8"), first, 400)
    frames = list(Recording(bag.close(), TOPICS).frames())
    assert [(frame.index, frame.truth is not None) for frame in frames] == [(1, False), (0, True)]


def test_an_image_that_the_recorder_missed_counts_as_an_image(bag):
    bag.add(TOPICS.image, image(colour(0), "rgb8"), START_NS)
    bag.add(TOPICS.depth, image(metres(0), "32FC1"), START_NS, 20)
    bag.add(TOPICS.depth, image(metres(1), "32FC1"), START_NS + 100_000_000, 20)
    recording = Recording(bag.close(), TOPICS)
    assert (recording.timing.frames_in, recording.timing.frames_out, recording.complete()) == (2, 2, 1)


def test_nothing_recorded(bag):
    bag.add(TOPICS.camera_info, info(), START_NS)
    with pytest.raises(DataError, match="holds no image"):
        Recording(bag.close(), TOPICS)
