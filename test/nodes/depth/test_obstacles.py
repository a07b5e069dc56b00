# SPDX-License-Identifier: Apache-2.0
"""Obstacles, free space and a scan of the depth node, over DDS: a wall as far ahead as the image is red."""

from __future__ import annotations

import math

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2

from mono_depth_ros.geometry.rigid import rigid_from_text
from mono_depth_ros.nodes.depth.node import DepthNode
from mono_depth_ros.streams import obstacles

LEVEL = "0.2 0 1 -0.5 0.5 -0.5 0.5"  # the camera looks ahead, 1 m above the floor
LEFT = "0.2 0 1 -0.7071068 0 0 0.7071068"
BY_HAND = {"obstacles": True, "base_frame": "base", "base_from_camera": LEVEL}
BY_TF2 = {"obstacles": True, "base_frame": "base", "diagnostics_period": 0.1}


def stamp(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def points(message):
    assert [field.name for field in message.fields] == ["x", "y", "z"] and message.point_step == 12
    return np.frombuffer(bytes(message.data), np.float32).reshape(message.height, message.width, 3)[0]


@pytest.fixture
def counted(monkeypatch):
    """The calls of find_obstacles."""
    calls, find = [], obstacles.find_obstacles
    monkeypatch.setattr(obstacles, "find_obstacles", lambda *a, **k: (calls.append(1), find(*a, **k))[1])
    return calls


def test_a_wall_is_marked_in_the_base_frame_and_the_ways_to_it_are_free(ros, rig, counted):
    r = rig(**BY_HAND)
    marked = ros.listen(PointCloud2, "/depth/obstacles", qos_profile_sensor_data)
    free, scans = ros.listen(PointCloud2, "/depth/free"), ros.listen(LaserScan, "/depth/scan")
    images = []
    ros.wait(lambda: marked and free and scans, poll=lambda: images.append(r.send(r.image(20))))
    common = {stamp(m) for m in marked} & {stamp(m) for m in free} & {stamp(m) for m in scans}
    assert common and common <= {stamp(image) for image in images}
    assert len(counted) == len({stamp(m) for m in (*marked, *free, *scans)}), "found once for all topics"
    frames = [heard[0].header.frame_id for heard in (marked, free, scans)]
    assert frames == ["base", "camera_optical", "base"]
    wall = points(marked[0])
    np.testing.assert_allclose(wall[:, 0], 2.2, atol=0.01)
    assert wall[:, 2].min() > 0.1 and wall[:, 2].max() < 1.8 and marked[0].is_dense and marked[0].height == 1
    scan = scans[0]
    angles = scan.angle_min + scan.angle_increment * np.arange(len(scan.ranges))
    assert angles[-1] == pytest.approx(scan.angle_max, abs=1e-4) and scan.range_max == 6.0
    seen = np.isfinite(scan.ranges)
    assert seen.sum() > 20 and np.abs(np.array(scan.ranges)[seen] * np.cos(angles[seen]) - 2.2).max() < 0.1


def test_where_nothing_stands_an_empty_cloud_says_so(ros, rig):
    r = rig(**BY_HAND, max_range=1.0)
    marked, scans = ros.listen(PointCloud2, "/depth/obstacles"), ros.listen(LaserScan, "/depth/scan")
    ros.wait(lambda: marked and scans, poll=lambda: r.send(r.image(100)))
    assert marked[0].width == 0 and len(marked[0].data) == 0
    assert any(math.isinf(value) for value in scans[0].ranges)


def test_options_are_live_and_wrong_ones_refused_with_the_range(ros, rig):
    r = rig(**BY_HAND)
    marked = ros.listen(PointCloud2, "/depth/obstacles")
    ros.wait(lambda: marked and marked[-1].width, poll=lambda: r.send(r.image(20)))
    (result,) = r.node.set_parameters([Parameter("max_range", value=0.0)])
    assert not result.successful and "0.5 to 100 m" in result.reason
    (result,) = r.node.set_parameters([Parameter("min_height", value=5.0)])
    assert not result.successful and "expected less than max_height" in result.reason
    assert r.node.set_parameters([Parameter("max_range", value=1.5)])[0].successful
    ros.wait(lambda: not marked[-1].width, poll=lambda: r.send(r.image(20)))


def test_nothing_is_found_while_nobody_listens_and_off_there_is_no_topic(ros, rig, counted):
    r = rig(**BY_HAND)
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: len(depth) > 3, poll=r.send)
    assert not counted
    ros.listen(LaserScan, "/depth/scan")
    ros.wait(lambda: counted, poll=r.send)
    r.node.destroy_node()
    rig(matched=False)
    ros.wait(lambda: "/depth/scan" not in dict(ros.outsider.get_publisher_names_and_types_by_node("depth", "/")))


def test_a_transform_that_is_missing_costs_the_obstacles_alone_until_it_comes(ros, rig, tf2):
    r = rig(**BY_TF2, tf_timeout=0.0)
    marked, depth = ros.listen(PointCloud2, "/depth/obstacles"), ros.listen(Image, "/depth/image")
    status = ros.listen(DiagnosticArray, "/diagnostics")
    said = "no obstacles: tf2 has no transform from 'camera_optical' to 'base'"
    ros.wait(lambda: depth and status and said in status[-1].status[0].message, poll=lambda: r.send(r.image(20)))
    assert status[-1].status[0].level == b"\x02" and not marked
    values = {pair.key: pair.value for pair in status[-1].status[0].values}
    assert values["images without obstacles"].partition(":")[0].isdigit() and values["obstacles in"] == "base"
    tf2.buffer.set("base", "camera_optical", rigid_from_text(LEVEL))
    ros.wait(lambda: marked, poll=lambda: r.send(r.image(20)))
    assert points(marked[-1])[:, 0] == pytest.approx(2.2, abs=0.01)
    tf2.buffer.set("base", "camera_optical", rigid_from_text(LEFT))  # it pans
    ros.wait(lambda: np.abs(points(marked[-1])[:, 1] - 2.0).max() < 0.01, poll=lambda: r.send(r.image(20)))
    ros.wait(lambda: status[-1].status[0].level == b"\x00", poll=lambda: r.send(r.image(20)))
    assert r.node.trigger_deactivate().name == r.node.trigger_cleanup().name == "SUCCESS"
    assert not tf2.listener.registered


def test_a_scan_without_a_base_frame_is_not_made_up(ros, rig):
    r = rig(obstacles=True, camera_height=1.0, pitch_deg="0", diagnostics_period=0.1)
    marked, scans = ros.listen(PointCloud2, "/depth/obstacles"), ros.listen(LaserScan, "/depth/scan")
    status = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(
        lambda: marked and status and "no scan: " in status[-1].status[0].message, poll=lambda: r.send(r.image(20))
    )
    assert marked[0].header.frame_id == "camera_optical" and not scans
    np.testing.assert_allclose(points(marked[0])[:, 2], 2.0, atol=0.01)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"base_frame": "base"}, "base_frame is 'base', but tf2_ros is not installed: give base_from_camera"),
        ({"base_from_camera": LEVEL}, "expected base_frame as well"),
        ({"mask": "/nowhere/mask.png"}, "mask is '/nowhere/mask.png', expected an image"),
        ({"base_frame": "base", "base_from_camera": LEVEL, "cameras": "[front, left]"}, "has 1 parts, expected 2"),
    ],
)
def test_what_cannot_be_used_fails_the_configuration(ros, plane_model, monkeypatch, capfd, parameters, words):
    monkeypatch.setitem(__import__("sys").modules, "tf2_ros", None)
    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", lambda *_: plane_model())
    overrides = [Parameter(name, value=value) for name, value in {**parameters, "obstacles": True}.items()]
    node = DepthNode(parameter_overrides=overrides)
    assert node.trigger_configure().name == "FAILURE"
    node.destroy_node()
    assert words in "".join(capfd.readouterr())


def test_each_of_several_cameras_has_its_own_in_the_base_frame(ros, plane_model, monkeypatch):
    monkeypatch.setattr("mono_depth_ros.nodes.depth.session.load_model", lambda *_: plane_model())
    given = {**BY_HAND, "base_from_camera": f"{LEVEL}; {LEFT}", "cameras": ["front", "left"]}
    node = DepthNode(parameter_overrides=[Parameter(name, value=value) for name, value in given.items()])
    assert node.trigger_configure().name == "SUCCESS" and node.trigger_activate().name == "SUCCESS"
    ros.add(node)
    marked = {name: ros.listen(PointCloud2, f"/{name}/depth/obstacles") for name in ("front", "left")}
    sent = {
        name: [ros.outsider.create_publisher(kind, f"/{name}/{topic}", 5) for kind, topic in _CAMERA] for name in marked
    }

    def send():
        for name, (images, infos) in sent.items():
            image = Image(height=48, width=64, encoding="rgb8", step=192, data=bytes([20] * 9216))
            info = CameraInfo(height=48, width=64, distortion_model="plumb_bob", d=[0.0] * 5)
            info.k = [60.0, 0, 31.5, 0, 60, 23.5, 0, 0, 1]
            for message in (info, image):
                message.header.frame_id, message.header.stamp.sec = f"{name}_optical", 7
            infos.publish(info), images.publish(image)

    ros.wait(lambda: all(heard and heard[-1].width for heard in marked.values()), poll=send)
    assert {heard[-1].header.frame_id for heard in marked.values()} == {"base"}
    assert points(marked["front"][-1])[:, 0] == pytest.approx(2.2, abs=0.01)
    assert points(marked["left"][-1])[:, 1] == pytest.approx(2.0, abs=0.01)


_CAMERA = ((Image, "image_raw"), (CameraInfo, "camera_info"))
