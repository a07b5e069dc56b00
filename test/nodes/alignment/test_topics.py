# SPDX-License-Identifier: Apache-2.0
"""Which topics the alignment node listens to, and when: it is what makes a lazy depth node run."""

from __future__ import annotations

import threading

import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, PointCloud2
from std_srvs.srv import Trigger

from mono_depth_ros.frame import Frame
from mono_depth_ros.nodes.ros.session import Session


def test_depth_is_asked_for_only_while_somebody_wants_it_aligned(robot):
    r = robot(listen=False)
    r.ros.wait(lambda: r.says("idle: nobody subscribes"))
    topics = ("/depth/image", "/depth/inverse", "/image")
    r.ros.wait(lambda: not any(map(r.node.count_subscribers, topics)))  # nodes of earlier tests may be seen a while yet
    assert r.depths.get_subscription_count() == 0
    for _ in range(2):
        heard = []
        wish = r.ros.outsider.create_subscription(Image, "/aligned/image", heard.append, qos_profile_sensor_data)
        r.ros.wait(r.depths.get_subscription_count)
        r.drive(lambda heard=heard: heard)
        assert r.node.count_subscribers("/image") == 1, "it guides the alignment, whether a cloud is wanted or not"
        r.ros.outsider.destroy_subscription(wish)
        r.ros.wait(lambda: r.depths.get_subscription_count() == 0)


def test_without_lazy_depth_is_aligned_for_nobody(robot):
    r = robot(listen=False, lazy=False)
    r.ros.wait(r.depths.get_subscription_count)
    r.drive(lambda: r.node.monitors[""].snapshot().published > 1)


def test_a_node_that_is_not_active_asks_for_nothing(robot):
    r = robot()
    assert r.node.trigger_deactivate().name == "SUCCESS"
    r.ros.wait(lambda: r.depths.get_subscription_count() == 0 and r.says("not active"))
    assert r.node.trigger_activate().name == "SUCCESS"
    r.drive(lambda: r.images)
    assert r.node.trigger_deactivate().name == "SUCCESS" and r.node.trigger_cleanup().name == "SUCCESS"
    r.ros.wait(lambda: r.clouds.get_subscription_count() == 0)
    assert r.node.trigger_configure().name == "SUCCESS" and r.node.trigger_activate().name == "SUCCESS"
    r.images.clear()
    r.ros.wait(lambda: r.node.session.stream.outputs.subscribers() and r.clouds.get_subscription_count())
    r.drive(lambda: r.images)
    r.newest_is()


def test_of_two_kinds_of_depth_the_first_is_aligned_and_the_other_told(robot):
    r = robot()
    other = r.depth_publisher("/depth/inverse")
    r.ros.wait(other.get_subscription_count)
    r.drive(lambda: r.images)
    r.drive(
        lambda: r.says("depth comes on two topics: /depth/image is aligned and /depth/inverse is not"),
        before=lambda: other.publish(r.depth_message(relative=True)),
    )
    r.newest_is()


def test_a_depth_node_that_changes_from_metric_to_relative_is_followed(robot):
    r = robot(input_timeout=0.3)
    r.drive(lambda: r.images)
    r.depths, r.relative = r.depth_publisher("/depth/inverse"), True
    r.ros.wait(r.depths.get_subscription_count)
    r.drive(lambda: r.values().get("curve") == "inverse")
    r.drive(lambda: r.says("aligned, publishing"))
    r.newest_is()


@pytest.mark.parametrize(("given", "curve"), [("auto", "affine"), ("scale", "scale")])
def test_relative_depth_may_have_a_shift_unless_it_is_said_to_have_none(robot, given: str, curve: str):
    r = robot(listen=False, prediction=given)
    r.depths, r.images = r.depth_publisher("/depth/relative"), r.ros.listen(Image, "/aligned/image", 50)
    r.ros.wait(r.depths.get_subscription_count)
    r.drive(lambda: r.values().get("curve") == curve)
    r.newest_is()


def test_only_the_kind_that_is_asked_for_is_subscribed_to(robot):
    r = robot(relative=True, prediction="inverse")
    r.drive(lambda: r.images)
    assert r.node.count_subscribers("/depth/image") == 0


def test_camera_info_is_found_beside_a_depth_that_was_remapped(robot):
    r = robot("-r", "depth/image:=/other/depth", listen=False)
    r.ros.listen(Image, "/aligned/image")
    r.ros.wait(lambda: r.node.count_subscribers("/other/camera_info") == 1)


def test_a_qos_that_cannot_be_met_is_told(robot):
    r = robot(matched=False, **{"qos_overrides./points.subscription.reliability": "reliable"})
    r.ros.wait(lambda: r.says("QoS mismatch: a publisher of /points offers less"))


def test_old_depth_is_dropped_for_new_depth_and_counted(robot, monkeypatch):
    r = robot()
    r.drive(lambda: r.images)
    align, slow, done = r.node.session.aligner.update, [], []

    def sluggish(*words, **more):
        slow.append(r.ros.wait(lambda: done or r.drops().get("superseded", 0) > len(slow)))
        return align(*words, **more)

    monkeypatch.setattr(r.node.session.aligner, "update", sluggish)
    r.drive(lambda: r.drops().get("superseded", 0) > 3)
    done.append(True)
    assert 2 <= len(slow) <= r.drops()["superseded"]


def test_what_was_begun_before_a_cleanup_is_dropped_and_counted(robot, monkeypatch):
    monkeypatch.setattr(Session, "patience_s", 0.05)
    r = robot()
    r.drive(lambda: r.images)
    align, at_it, go = r.node.session.aligner.update, threading.Event(), threading.Event()

    def waits(*words, **more):
        at_it.set()
        go.wait(60)
        return align(*words, **more)

    monkeypatch.setattr(r.node.session.aligner, "update", waits)
    r.drive(at_it.is_set)
    for name in ("deactivate", "cleanup", "configure", "activate"):
        assert getattr(r.node, f"trigger_{name}")().name == "SUCCESS"
    before_ns = r.stamp_ns
    r.images.clear()
    r.ros.wait(lambda: r.node.session.stream.outputs.subscribers() and r.clouds.get_subscription_count())
    r.drive(lambda: r.images)
    ended = r.drops().get("ended", 0)
    go.set()
    r.ros.wait(lambda: r.drops().get("ended", 0) == ended + 1)
    r.drive(lambda: len(r.images) > 3)
    stamps = [r.ns(message) for message in r.images]
    assert stamps == sorted(set(stamps)) and stamps[0] > before_ns
    r.ros.wait(lambda: r.values().get("dropped: ended") == str(r.drops()["ended"]))


def test_services_of_a_node_without_a_configuration_say_so(robot):
    r = robot(listen=False)
    assert r.node.trigger_deactivate().name == "SUCCESS" and r.node.trigger_cleanup().name == "SUCCESS"
    client = r.ros.outsider.create_client(Trigger, "/alignment/reset")
    r.ros.wait(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    r.ros.wait(future.done)
    assert not future.result().success and "not configured" in future.result().message


def test_time_that_jumps_back_begins_anew(robot):
    r = robot()
    r.drive(lambda: len(r.images) > 2)
    r.stamp_ns -= 100_000_000_000
    r.images.clear()
    r.drive(lambda: len(r.images) > 2)
    assert r.drops()["time_backwards"] == 1
    r.newest_is()


def test_clouds_of_a_reliable_publisher_are_taken_too(ros, robot):
    r = robot()
    r.clouds = ros.outsider.create_publisher(PointCloud2, "/points", 5)
    ros.wait(r.clouds.get_subscription_count)
    r.drive(lambda: r.images)


def test_aligned_depth_waits_for_no_cloud(robot, monkeypatch):
    make, begun, go = Frame.packed_cloud, [], threading.Event()
    monkeypatch.setattr(Frame, "packed_cloud", lambda *of: (begun.append(of), go.wait(60), make(*of))[2])
    r = robot()
    points = r.ros.listen(PointCloud2, "/aligned/points")
    try:
        r.drive(lambda: begun)
        count = len(r.images)
        r.drive(lambda: len(r.images) >= count + 5)
        assert len(begun) == 1 and not points and r.drops()["cloud_superseded"] >= 3
    finally:
        go.set()
    r.ros.wait(lambda: len(points) >= 2)
    assert r.ns(points[1]) == r.ns(r.images[-1]) == r.stamp_ns
