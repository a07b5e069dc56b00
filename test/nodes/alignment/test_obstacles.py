# SPDX-License-Identifier: Apache-2.0
"""Obstacles of aligned depth: in the metres of the reference, in the base frame, and only what is certain enough."""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from sensor_msgs.msg import LaserScan, PointCloud2

from mono_depth_ros.geometry.rigid import rigid_from_text, transform_points
from mono_depth_ros.streams import obstacles

LEVEL = "0.2 0 1 -0.5 0.5 -0.5 0.5"  # the camera looks ahead, 1 m above the floor
GIVEN = {"obstacles": True, "base_frame": "base", "base_from_camera": LEVEL}


def points(message):
    return np.frombuffer(bytes(message.data), np.float32).reshape(-1, 3)


def test_obstacles_are_where_the_reference_says_and_the_depth_does_not(robot, monkeypatch):
    given, find = [], obstacles.find_obstacles
    monkeypatch.setattr(obstacles, "find_obstacles", lambda *a, **k: (given.append(a[4]), find(*a, **k))[1])
    r = robot(**GIVEN)
    marked, scans = r.ros.listen(PointCloud2, "/aligned/obstacles"), r.ros.listen(LaserScan, "/aligned/scan")
    r.drive(lambda: marked and points(marked[-1]).size and scans)
    assert (marked[-1].header.frame_id, scans[-1].header.frame_id) == ("base", "base")
    assert r.ns(marked[-1]) in {r.ns(image) for image in r.images}
    # The robot stands before a slope: in the camera's frame y = 0.43 - 0.5 z. Depth before the alignment is half of it.
    seen = transform_points(np.linalg.inv(rigid_from_text(LEVEL)), points(marked[-1]))
    off = np.abs(seen[:, 1] - (30 - 35 * seen[:, 2]) / 70)
    assert len(seen) > 20 and np.median(off) < 0.02
    assert r.values()["obstacles in"] == "base"
    assert all(uncertainty is not None for uncertainty in given), "whether or not somebody subscribes to it"


def test_without_an_alignment_there_are_no_obstacles_in_wrong_metres(robot):
    r = robot(**GIVEN)
    marked = r.ros.listen(PointCloud2, "/aligned/obstacles")
    r.drive(lambda: r.drops().get("unaligned", 0) > 3, lidar=False)
    assert not marked


def test_what_is_known_too_badly_is_no_obstacle(robot):
    r = robot(**GIVEN)
    marked = r.ros.listen(PointCloud2, "/aligned/obstacles")
    r.drive(lambda: marked and points(marked[-1]).size)
    assert r.node.set_parameters([Parameter("max_relative_error", value=1e-6)])[0].successful
    r.drive(lambda: not points(marked[-1]).size)


def test_tf2_is_listened_to_once_for_the_reference_and_the_robot(robot, tf2):
    made = []
    listener = tf2.TransformListener
    tf2.TransformListener = lambda *given: made.append(listener(*given)) or made[-1]
    r = robot(cam_from_reference="", obstacles=True, base_frame="base", matched=False, tf_timeout=0.0)
    tf2.buffer.set("camera_optical", "lidar", rigid_from_text("0.1 0 0 0.5 -0.5 0.5 0.5"))
    marked, status = r.ros.listen(PointCloud2, "/aligned/obstacles"), r.ros.listen(DiagnosticArray, "/diagnostics")
    told = "no obstacles: tf2 has no transform from 'camera_optical' to 'base'"
    r.drive(lambda: status and told in status[-1].status[0].message)
    assert r.images and not marked and len(made) == 1
    tf2.buffer.set("base", "camera_optical", rigid_from_text(LEVEL))
    r.drive(lambda: marked)
