# SPDX-License-Identifier: Apache-2.0
"""cam_from_reference by tf2: at the stamp of the image, and what is said where it is missing or late."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.rigid import rigid_from_text

CAM_FROM_LIDAR = rigid_from_text("0.1 0 0 0.5 -0.5 0.5 0.5")
POINTS = [(2.0, 0.1, 0.0)]
STAMP_NS = 1_700_000_000_000_000_000


@pytest.fixture
def lidar(reference, tf2, messages):
    rig = reference("lidar", tf_timeout=0.3)
    rig.deliver("/points", messages.cloud(POINTS))
    return rig


def test_tf2_at_the_stamp_of_the_image_where_no_parameter_is_given(lidar, tf2, messages):
    tf2.buffer.set("camera", "lidar", CAM_FROM_LIDAR)
    match = lidar.samples(late_s=0.05)
    assert (match.samples.rows, match.samples.columns) == ([30], [40]) and match.samples.depth == pytest.approx(2.0)
    # Until the image's stamp, and not until that of the points.
    tf2.buffer.set("camera", "lidar", CAM_FROM_LIDAR, until_ns=STAMP_NS + 100_000_000)
    lidar.deliver("/points", messages.cloud(POINTS, late_s=0.15))
    assert lidar.samples(late_s=0.1).fresh


def test_a_camera_that_pans_on_its_robot_takes_the_same_points_elsewhere(lidar, tf2):
    tf2.buffer.set("camera", "lidar", CAM_FROM_LIDAR)
    assert lidar.samples().samples.columns == [40]
    panned = np.array(CAM_FROM_LIDAR, float)
    panned[0, 3] += 0.2  # at the next image
    tf2.buffer.set("camera", "lidar", panned)
    match = lidar.samples(late_s=0.05)
    assert match.samples.columns == [47] and not match.fresh, "70 px * 0.2 m / 2 m to the right"


def test_with_an_odom_frame_the_way_of_the_robot_since_the_points_counts_too(reference, tf2, messages):
    rig = reference("lidar", odom_frame="odom")
    rig.deliver("/points", messages.cloud(POINTS, late_s=-0.1))
    tf2.buffer.set("odom", "lidar", np.eye(4))
    forward = np.array(CAM_FROM_LIDAR, float)
    forward[2, 3] -= 0.5  # the camera has gone half a metre ahead since
    tf2.buffer.set("camera", "odom", forward)
    assert rig.samples().samples.depth == pytest.approx(1.5)


def test_the_parameter_goes_before_tf2(reference, tf2, messages):
    rig = reference("lidar", cam_from_reference="0.1 0 0 0.5 -0.5 0.5 0.5")
    assert not hasattr(tf2, "buffer"), "tf2 is not even listened to"
    rig.deliver("/points", messages.cloud(POINTS))
    assert rig.samples().samples.columns == [40]


def test_a_missing_transform_names_both_frames_and_is_waited_for_once(lidar, tf2, messages):
    start = time.monotonic()
    for _ in range(3):
        with pytest.raises(SamplesError, match=r"from 'lidar' to 'camera': .*static_transform_publisher") as error:
            lidar.samples()
        assert error.value.reason == "transform_missing"
    assert time.monotonic() - start < 0.8 and tf2.buffer.waited == [pytest.approx(0.3), 0.0, 0.0]
    tf2.buffer.set("camera", "lidar", CAM_FROM_LIDAR)
    assert lidar.samples().fresh, "it counts once it can be used"


def test_trees_that_do_not_touch(lidar, tf2):
    tf2.buffer.set("base", "lidar", CAM_FROM_LIDAR)
    tf2.buffer.set("map", "camera", np.eye(4))
    with pytest.raises(SamplesError, match="not part of the same tree") as error:
        lidar.samples()
    assert error.value.reason == "transform_missing"


def test_a_late_transform_is_waited_for(lidar, tf2, messages):
    tf2.buffer.set("camera", "lidar", CAM_FROM_LIDAR, until_ns=STAMP_NS - 1)
    threading.Timer(0.1, tf2.buffer.set, ("camera", "lidar", CAM_FROM_LIDAR)).start()
    assert lidar.samples().fresh
    tf2.buffer.set("camera", "lidar", CAM_FROM_LIDAR, until_ns=STAMP_NS)
    lidar.deliver("/points", messages.cloud(POINTS, late_s=0.1))
    for _ in range(2):
        with pytest.raises(SamplesError, match=r"from 'lidar' to 'camera' at the stamp.*extrapolation") as error:
            lidar.samples(late_s=0.1)
        assert error.value.reason == "transform_late"
    assert tf2.buffer.waited[-2:] == [pytest.approx(0.3), 0.0]
    lidar.deliver("/points", messages.cloud(POINTS, late_s=0.2))
    with pytest.raises(SamplesError):
        lidar.samples(late_s=0.2)
    assert tf2.buffer.waited[-1] == pytest.approx(0.3), "the next points may have theirs in time"


def test_points_in_the_cameras_own_frame_need_no_transform(reference, tf2, messages):
    rig = reference("lidar")
    rig.deliver("/points", messages.cloud([(0.0, 0.0, 2.0)], frame="/camera"))
    assert rig.samples().samples.columns == [40] and tf2.buffer.waited == []


@pytest.mark.parametrize(("frame", "view", "whose"), [("", "camera", "the reference"), ("lidar", "", "the image")])
def test_frames_without_a_name(lidar, messages, frame, view, whose):
    lidar.deliver("/points", messages.cloud(POINTS, frame=frame, late_s=0.1))
    with pytest.raises(SamplesError, match=f"frame_id of {whose} is empty") as error:
        lidar.samples(late_s=0.1, frame=view)
    assert error.value.reason == "frame_missing"


def test_a_transform_that_is_no_rotation(lidar, tf2, monkeypatch):
    tf2.buffer.set("camera", "lidar", CAM_FROM_LIDAR)
    found = tf2.buffer.lookup_transform("camera", "lidar", type("T", (), {"nanoseconds": 0}))
    found.transform.rotation.w = 3.0
    monkeypatch.setattr(tf2.buffer, "lookup_transform", lambda *_: found)
    with pytest.raises(SamplesError, match="from 'lidar' to 'camera': the quaternion") as error:
        lidar.samples()
    assert error.value.reason == "transform_invalid"


def test_it_stops_listening_in_the_end(reference, tf2):
    rig = reference("lidar")
    assert tf2.listener.registered
    rig.source.close()
    assert not tf2.listener.registered and tf2.buffer.waited == [-1.0], "the buffer lets go of the clock, too"
