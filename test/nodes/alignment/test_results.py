# SPDX-License-Identifier: Apache-2.0
"""What comes out of the alignment node: known answers."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, Range


@pytest.mark.parametrize("relative", [False, True])
def test_the_scale_is_right_and_stamp_and_frame_are_those_of_the_image(robot, relative):
    r = robot(relative=relative)
    infos = r.ros.listen(CameraInfo, "/aligned/camera_info")
    start_ns = r.stamp_ns
    r.drive(lambda: len(r.images) >= 3 and infos and r.values().get("state") == "aligned")
    for message in r.images:
        np.testing.assert_allclose(r.pixels(message), r.truth, rtol=5e-3)
        assert (r.ns(message) - start_ns) % 100_000_000 == 0 and start_ns < r.ns(message) <= r.stamp_ns
        assert message.header.frame_id == "camera_optical"
    assert infos[-1].k[0] == r.focal and infos[-1].header.frame_id == "camera_optical"
    assert {r.ns(message) for message in infos} <= {r.ns(message) for message in r.images}
    values = r.values()
    assert float(values["scale"]) == pytest.approx(0.5 if relative else 2.0, rel=5e-3)
    assert float(values["shift"]) == pytest.approx(0.02 if relative else 0.0, abs=1e-3)
    assert float(values["held-out AbsRel after"]) < 5e-3 and float(values["inliers (%)"]) > 90
    assert ("held-out AbsRel before" in values) is not relative
    if not relative:
        assert float(values["held-out AbsRel before"]) == pytest.approx(0.5, abs=1e-3)
    assert values["samples held out"] == values["samples fitted"] == "960", "each is held out once, and fitted"
    assert "held-out errors" in values and float(values["reference minus image (ms)"]) == pytest.approx(0, abs=1)
    assert "stage align p50 (ms)" in values and "latency p50 (ms)" in values and "rate out (Hz)" in values
    r.ros.wait(lambda: r.says("aligned, publishing"), poll=lambda: r.drive(lambda: True))


def test_every_image_at_30_hz_is_aligned_with_a_lidar_at_10_hz(robot):
    r = robot()
    r.drive(lambda: r.images)
    r.images.clear()
    sent = []
    for k in range(30):
        if k % 3 == 0:
            r.lidar(late_s=0.02)
        r.depth(step_s=1 / 30)
        sent.append(r.stamp_ns)
        time.sleep(1 / 30)
    # The newest wins: on a busy machine one may be superseded, but none is left out for want of a reference.
    dropped = sum(count for reason, count in r.drops().items() if reason != "superseded")
    r.ros.wait(lambda: sent[-1] in map(r.ns, r.images))
    aligned = set(map(r.ns, r.images))
    assert len(aligned & set(sent)) + r.drops().get("superseded", 0) >= 30 and len(aligned & set(sent)) >= 20
    assert dropped == sum(count for reason, count in r.drops().items() if reason != "superseded")
    for message in r.images:
        np.testing.assert_allclose(r.pixels(message), r.truth, rtol=1e-2)


def test_the_uncertainty_is_published_to_who_subscribes(robot):
    r = robot()
    heard = r.ros.listen(Image, "/aligned/uncertainty", 50)
    r.drive(lambda: heard and r.images)
    message = heard[-1]
    assert message.encoding == "32FC1" and message.header.frame_id == "camera_optical"
    sigma = r.pixels(message)
    assert sigma.shape == r.truth.shape and 0 < np.nanmedian(sigma / r.truth) < 0.05
    share = "image within reach of samples (%)"
    r.ros.wait(lambda: share in r.values(), poll=lambda: r.drive(lambda: True))
    assert float(r.values()[share]) > 90 and "AbsRel within reach" in r.values()


def test_the_image_in_millimetres(robot):
    r = robot(aligned_encoding="16UC1")
    r.drive(lambda: r.images)
    assert r.images[-1].encoding == "16UC1"
    np.testing.assert_allclose(np.frombuffer(r.images[-1].data, "<u2").reshape(r.size) / 1e3, r.truth, rtol=5e-3)


def colour_image(r, **changes):
    image = Image(height=r.size[0], width=r.size[1], encoding="rgb8", step=3 * r.size[1])
    image.data = np.tile(np.array([200, 100, 50], np.uint8), image.height * image.width).tobytes()
    for name, value in changes.items():
        setattr(image, name, value)
    return r.header(image)


def test_the_cloud_has_the_colours_of_the_image(robot):
    r = robot("-r", "image:=/cam/image_raw")
    clouds = r.ros.listen(PointCloud2, "/aligned/points")
    colours = r.ros.outsider.create_publisher(Image, "/cam/image_raw", qos_profile_sensor_data)
    r.ros.wait(colours.get_subscription_count)
    r.drive(lambda: clouds and len(clouds[-1].fields) == 4, before=lambda: colours.publish(colour_image(r)))
    cloud = clouds[-1]
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "rgb"] and (cloud.height, cloud.width) == r.size
    points = np.frombuffer(cloud.data, "<f4").reshape(*r.size, 4)
    known = np.isfinite(points[..., 2])
    assert known.mean() > 0.8
    np.testing.assert_allclose(points[..., 2][known], r.truth[known], rtol=5e-3)
    assert (points.view("<u4")[..., 3][known] == 0xC86432).all()


def test_without_colours_the_cloud_is_points_only_and_the_node_says_why(robot):
    r = robot()
    clouds = r.ros.listen(PointCloud2, "/aligned/points")
    r.drive(lambda: clouds and r.says("aligned/points has no colour: no image has come on /image"))
    points = np.frombuffer(clouds[-1].data, "<f4").reshape(*r.size, 3)
    assert [field.name for field in clouds[-1].fields] == ["x", "y", "z"] and clouds[-1].point_step == 12
    known = np.isfinite(points[..., 2])
    np.testing.assert_allclose(points[..., 2][known], r.truth[known], rtol=5e-3)
    colours = r.ros.outsider.create_publisher(Image, "/image", qos_profile_sensor_data)
    r.ros.wait(colours.get_subscription_count)
    small = {"height": 2, "width": 2, "step": 6, "data": bytes(12)}
    r.drive(lambda: r.says("is 2x2, expected 80x60"), before=lambda: colours.publish(colour_image(r, **small)))


def test_a_range_finder_fixes_a_scale_with_its_one_sample(robot):
    # Its beam runs along the lidar's x axis, 0.1 m beside the camera's.
    r = robot(reference="range", cam_from_reference="0 0 0 0.5 -0.5 0.5 0.5", matched=False)
    ranges = r.ros.outsider.create_publisher(Range, "/range", qos_profile_sensor_data)
    r.ros.wait(ranges.get_subscription_count)
    row = r.truth[30, 40]

    def send() -> None:
        message = r.header(Range(min_range=0.1, max_range=20.0, range=float(row)), "sonar", late_s=0.1)
        ranges.publish(message)
        time.sleep(0.02)
        r.depth()
        time.sleep(0.03)

    r.ros.wait(lambda: r.images, poll=send)
    np.testing.assert_allclose(r.pixels(r.images[-1]), r.truth, rtol=1e-2)
