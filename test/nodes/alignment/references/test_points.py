# SPDX-License-Identifier: Apache-2.0
"""Clouds, scans and rangers as references: where their points fall in the image, and what is said of bad ones."""

from __future__ import annotations

import array
import math

import numpy as np
import pytest
from sensor_msgs.msg import LaserScan, PointField, Range

from mono_depth_ros.errors import ConfigError, SamplesError

# x forward, y left, z up, 0.1 m to the right of the camera.
EXTRINSIC = "0.1 0 0 0.5 -0.5 0.5 0.5"
# In front of the camera at 2 and 4 m, in the frame of the lidar.
POINTS = [(2.0, 0.1, 0.0), (4.0, 0.1 - 4 * 10 / 70, -4 * 5 / 70)]


@pytest.fixture
def lidar(reference):
    return reference("lidar", cam_from_reference=EXTRINSIC)


def test_a_cloud_falls_into_the_image_where_its_points_are(lidar, messages):
    assert lidar.source.samples(lidar.view()) is None, "nothing has come yet"
    lidar.deliver("/points", messages.cloud(POINTS, late_s=-0.04))
    match = lidar.samples()
    assert sorted(zip(match.samples.rows, match.samples.columns, match.samples.depth, strict=True)) == [
        (30, 40, pytest.approx(2.0)),
        (35, 50, pytest.approx(4.0)),
    ]
    assert match.offset_s == pytest.approx(-0.04) and match.fresh and match.local


def test_samples_know_their_beam(lidar, messages, reference):
    message = messages.cloud([(2.0, 0.1, 0.0, 7), (4.0, 0.1 - 4 * 10 / 70, -4 * 5 / 70, 3)], names="xyzr")
    message.fields[3].name, message.fields[3].datatype = "ring", PointField.INT32
    data = np.frombuffer(bytes(message.data), dtype="<f4").reshape(2, 4).copy()
    data[:, 3] = np.int32([7, 3]).view(np.float32)
    message.data = data.tobytes()
    lidar.deliver("/points", message)
    assert lidar.samples().samples.group.tolist() == [7, 3], "as the driver says"
    rays = [(math.cos(a), math.sin(a), e) for e in (-0.1, 0.0, 0.1) for a in np.linspace(-0.4, 0.4, 40)]
    lidar.deliver("/points", messages.cloud([(3 * x, 3 * y, 3 * z) for x, y, z in rays], late_s=0.1))
    assert len(np.unique(lidar.samples(late_s=0.1).samples.group)) == 3, "by their elevation"


def test_a_message_is_new_once_and_read_once(lidar, messages, monkeypatch):
    reads = []
    read = lidar.source.reference.read
    monkeypatch.setattr(lidar.source.reference, "read", lambda message: reads.append(1) or read(message))
    lidar.deliver("/points", messages.cloud(POINTS))
    first, second, third = (lidar.samples(late_s=late_s) for late_s in (0.0, 0.03, 0.06))
    assert (first.fresh, second.fresh, third.fresh) == (True, False, False)
    assert first.samples is second.samples is third.samples and len(reads) == 1
    lidar.deliver("/points", messages.cloud(POINTS, late_s=0.1))
    assert lidar.samples(late_s=0.09).fresh and len(reads) == 2


def test_the_nearest_in_time_is_taken_and_not_from_too_far(lidar, messages):
    for late_s in (-0.3, -0.2, 0.06):
        lidar.deliver("/points", messages.cloud([(2 + late_s, 0.1, 0)], late_s=late_s))
    assert lidar.samples().samples.depth == pytest.approx(2.06)
    with pytest.raises(SamplesError, match=r"0\.6 s before the image, expected at most tolerance") as error:
        lidar.samples(late_s=0.66)
    assert error.value.reason == "reference_time"
    with pytest.raises(SamplesError, match="of another clock"):
        lidar.samples(late_s=1e6)


def test_points_with_times_of_their_own_are_taken_and_it_is_said_once(lidar, messages, monkeypatch):
    said = []
    monkeypatch.setattr(type(lidar.node.get_logger()), "info", lambda _, text, **__: said.append(text))
    for late_s in (0.0, 0.1):
        cloud = messages.cloud([(2, 0.1, 0, 0.05)], late_s=late_s, names="xyzt")
        lidar.deliver("/points", cloud)
        assert len(lidar.samples(late_s=late_s).samples) == 1
    assert len(said) == 1 and "times of their own (t), which are ignored" in said[0]


def broken(messages, kind):
    cloud = messages.cloud(POINTS)
    if kind == "fields":
        cloud.fields = [PointField(name="range", offset=0, datatype=7, count=1)]
    elif kind == "short":
        cloud.data = array.array("B", bytes(5))
    elif kind == "datatype":
        cloud.fields[0].datatype = 99
    return cloud


@pytest.mark.parametrize(
    ("points", "reason", "words"),
    [
        ([], "reference_empty", "no points"),
        ([(math.nan,) * 3] * 4, "reference_not_finite", "all 4 points"),
        ([(-3.0, 0, 0), (-1.0, 0.2, 0)], "reference_behind", "behind the camera"),
        ([(2.0, 50, 0)], "reference_outside", "falls into the image"),
        ([(2000.0, 0.1, 0)], "reference_limits", "are they in metres"),
        ("fields", "reference_unreadable", "/points: the cloud has no field 'x', it has: range"),
        ("short", "reference_unreadable", "5 bytes of data, expected 24"),
        ("datatype", "reference_unreadable", "datatype 99"),
    ],
)
def test_a_bad_cloud_is_refused_in_a_sentence_and_the_next_one_serves(lidar, messages, points, reason, words):
    cloud = broken(messages, points) if isinstance(points, str) else messages.cloud(points)
    lidar.deliver("/points", cloud)
    with pytest.raises(SamplesError, match=words) as error:
        lidar.samples()
    assert error.value.reason == reason
    lidar.deliver("/points", messages.cloud(POINTS, late_s=0.1))
    match = lidar.samples(late_s=0.1)
    assert len(match.samples) == 2 and match.fresh


def test_a_dense_reference_is_thinned_evenly(reference, messages):
    rig = reference("lidar", cam_from_reference=EXTRINSIC, reference_samples=200, occlusion_window=0)
    rows, columns = np.indices((60, 80)).reshape(2, -1)
    z = np.full(len(rows), 3.0)
    points = np.stack([z, 0.1 - (columns - 40) / 70 * z, -(rows - 30) / 70 * z], 1)
    rig.deliver("/points", messages.cloud(points))
    found = rig.samples().samples
    assert 150 < len(found) < 250
    assert abs(found.rows.mean() - 29.5) < 4 and abs(found.columns.mean() - 39.5) < 5
    fitted, held_out = found.split(0.1, 0)
    assert 5 < len(held_out) < 40 and len(fitted) > 120


def test_a_scan(reference, messages):
    rig = reference("scan", "scan:=/front/scan", cam_from_reference=EXTRINSIC)
    scan = LaserScan(angle_min=-0.2, angle_increment=0.1, range_min=0.1, range_max=30.0)
    scan.ranges = array.array("f", [math.inf, math.nan, 2.0, 0.01, math.inf])
    rig.deliver("/front/scan", messages.stamped(scan, "laser"))
    found = rig.samples().samples
    # The beam straight ahead, 0.1 m to the right of the camera.
    assert found.depth == pytest.approx(2.0) and found.columns == [40 + round(70 * 0.1 / 2)] and found.rows == [30]
    bad = LaserScan(angle_min=-0.2, angle_increment=0.0, range_max=30.0, ranges=scan.ranges)
    rig.deliver("/front/scan", messages.stamped(bad, "laser", 0.1))
    with pytest.raises(SamplesError, match="angle_increment is 0"):
        rig.samples(late_s=0.1)


def test_a_ranger(reference, messages):
    rig = reference("range", cam_from_reference=EXTRINSIC)
    message = Range(range=3.0, min_range=0.1, max_range=10.0)
    rig.deliver("/range", messages.stamped(message, "sonar"))
    assert rig.samples().samples.depth == pytest.approx(3.0)
    message = Range(range=math.inf, min_range=0.1, max_range=10.0)
    rig.deliver("/range", messages.stamped(message, "sonar", 0.1))
    with pytest.raises(SamplesError, match="no points"):
        rig.samples(late_s=0.1)


def test_a_static_extrinsic_is_for_one_frame(lidar, messages):
    lidar.deliver("/points", messages.cloud(POINTS, frame="/lidar"))
    assert len(lidar.samples().samples) == 2
    lidar.deliver("/points", messages.cloud(POINTS, frame="other", late_s=0.1))
    with pytest.raises(SamplesError, match="the frame 'other', expected 'lidar' as before") as error:
        lidar.samples(late_s=0.1)
    assert error.value.reason == "reference_frame"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cam_from_reference, 'x y z qx qy qz qw', or install tf2_ros"),
        ("0 0 0 0 0 0 2", "cam_from_reference: the quaternion .* has length 2, expected 1"),
        ("1 0 0 0  0 2 0 0  0 0 1 0", "cam_from_reference: the transform is not a rotation"),
        ("0 0 0", "found 3 numbers"),
    ],
)
def test_without_extrinsics_or_with_wrong_ones_nothing_starts(reference, no_tf2, text, words):
    with pytest.raises(ConfigError, match=words):
        reference("lidar", cam_from_reference=text)


def test_feed_and_topics(lidar, messages):
    assert lidar.source.topics() == ["/points"]
    before = lidar.source.feed()
    assert (before.topics, before.publishers, before.conflict) == ("/points", 0, "")
    assert lidar.source.samples(lidar.view()) is None
    lidar.deliver("/points", messages.cloud(POINTS))
    assert lidar.source.feed().silent_s < before.silent_s and lidar.samples() is not None


def test_it_listens_only_while_it_is_asked_to(lidar, messages):
    lidar.source.listen(True)
    assert [item.topic_name for item in lidar.node.subscriptions] == ["/points"]
    lidar.deliver("/points", messages.cloud(POINTS))
    lidar.source.listen(False)
    assert not list(lidar.node.subscriptions) and lidar.source.topics() == ["/points"]
    lidar.source.listen(True)
    lidar.deliver("/points", messages.cloud(POINTS, late_s=0.1))
    assert lidar.samples(late_s=0.1).fresh


def test_a_bag_that_starts_again(lidar, messages):
    lidar.deliver("/points", messages.cloud(POINTS, late_s=50.0))
    lidar.samples(late_s=50.0)
    lidar.deliver("/points", messages.cloud(POINTS))
    assert lidar.samples().fresh
    with pytest.raises(SamplesError):
        lidar.samples(late_s=50.0)
