# SPDX-License-Identifier: Apache-2.0
"""Clouds are made behind the depth, in a thread of their own: they delay nothing, and are counted where left out."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from mono_depth_ros.frame import Frame
from mono_depth_ros.nodes.ros.session import Session


@pytest.fixture
def held(monkeypatch):
    """Clouds are not ready before `go` is set; `begun` has the frames of which one was begun."""
    make = Frame.packed_cloud

    def wait(frame, *out):
        wait.begun.append(frame)
        wait.go.wait(60)
        return make(frame, *out)

    wait.begun, wait.go = [], threading.Event()
    monkeypatch.setattr(Frame, "packed_cloud", wait)
    yield wait
    wait.go.set()


def stamp(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_depth_waits_for_no_cloud_and_the_newest_is_the_next_one(ros, rig, held):
    r = rig(diagnostics_period=0.1)
    cloud, depth = ros.listen(PointCloud2, "/depth/points"), ros.listen(Image, "/depth/image")
    info, status = ros.listen(CameraInfo, "/depth/camera_info"), ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: held.begun, poll=r.send)
    first, count = len(depth), 8
    ros.wait(lambda: len(depth) >= first + count and len(info) >= first + count, poll=r.send)
    assert not cloud and len(held.begun) == 1
    ros.wait(lambda: r.drops().get("cloud_superseded", 0) >= count - 2)
    held.go.set()
    ros.wait(lambda: len(cloud) >= 2)
    assert stamp(cloud[1]) == stamp(depth[-1]) == r.stamp_ns
    images = r.node.monitors[""].snapshot()
    assert images.dropped == images.drops.get("superseded", 0) and images.loss.lost == 0
    values = {pair.key: pair.value for pair in status[-1].status[0].values}
    assert values["dropped"] == str(images.dropped) and "dropped: cloud_superseded" in values


def test_what_goes_wrong_with_a_cloud_costs_that_cloud(ros, rig, monkeypatch):
    monkeypatch.setattr(Frame, "packed_cloud", lambda *_: 1 / 0)
    r = rig()
    depth, color = ros.listen(Image, "/depth/image"), ros.listen(Image, "/depth/color")
    ros.listen(PointCloud2, "/depth/points")
    ros.wait(lambda: r.drops().get("cloud_internal_error", 0) > 2 and len(depth) > 4, poll=r.send)
    assert "internal_error" not in r.drops() and r.node.monitors[""].snapshot().published > 4
    ros.wait(lambda: not color)


def test_what_cannot_be_published_as_the_process_ends_is_no_error(ros, rig, monkeypatch):
    r = rig()
    ros.listen(Image, "/depth/image")
    outputs = r.node.session.streams[0].outputs
    gone = SimpleNamespace(publish=lambda _: 1 / 0, get_subscription_count=lambda: 1)
    monkeypatch.setitem(outputs._publishers, "depth/points", gone)
    ros.wait(lambda: r.drops().get("cloud_internal_error", 0) > 0, poll=r.send)
    monkeypatch.setattr(outputs, "_node", SimpleNamespace(context=SimpleNamespace(ok=lambda: False)))
    ros.wait(lambda: r.drops().get("cloud_ended", 0) > 0, poll=r.send)
    monkeypatch.undo()


@pytest.mark.parametrize("transitions", [["deactivate"], ["deactivate", "cleanup"], ["shutdown"]], ids="-".join)
def test_a_cloud_that_is_ready_after_its_session_is_not_published(ros, rig, held, monkeypatch, transitions):
    monkeypatch.setattr(Session, "patience_s", 0.05)
    r = rig()
    cloud, depth = ros.listen(PointCloud2, "/depth/points"), ros.listen(Image, "/depth/image")
    ros.wait(lambda: held.begun, poll=r.send)
    count = len(depth)
    ros.wait(lambda: len(depth) > count, poll=r.send)
    session = r.node.session
    for name in transitions:
        assert getattr(r.node, f"trigger_{name}")().name == "SUCCESS"
    assert session.busy
    held.go.set()
    reason = "cloud_inactive" if transitions == ["deactivate"] else "cloud_ended"
    ros.wait(lambda: r.node.monitors[""].snapshot().drops.get(reason) == 2)  # that and the one that waited
    if reason == "cloud_ended":
        ros.wait(lambda: not session.busy)
    time.sleep(0.1)
    assert not cloud


def send_for(r, seconds, hz):
    begin, count = time.monotonic(), 0
    while (elapsed := time.monotonic() - begin) < seconds:
        if elapsed * hz >= count:
            r.send()
            count += 1
        time.sleep(0.002)
    return count


def test_cloud_rate_holds_and_is_live(ros, rig):
    r = rig(cloud_rate=1.0)
    cloud, depth = ros.listen(PointCloud2, "/depth/points"), ros.listen(Image, "/depth/image")
    ros.wait(lambda: cloud and depth, poll=r.send)
    assert r.node.set_parameters([Parameter("cloud_rate", value=10)])[0].successful
    cloud.clear(), depth.clear()
    count = send_for(r, 1.5, 40)
    assert 10 <= len(cloud) <= 17 < 0.7 * count < len(depth)
    assert r.node.set_parameters([Parameter("cloud_rate", value=0.0)])[0].successful
    cloud.clear()
    ros.wait(lambda: len(cloud) > 10, poll=r.send)


def test_max_rate_holds_and_what_is_skipped_is_not_lost(ros, rig):
    r = rig(max_rate=10.0)
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: depth, poll=r.send)
    calls = r.model.calls
    count = send_for(r, 1.5, 40)
    assert 12 <= r.model.calls - calls <= 17 and count > 40
    found = r.node.monitors[""].snapshot()
    ros.wait(lambda: r.drops()["max_rate"] >= count - 20)
    assert found.loss.lost == 0 and set(found.drops) <= {"max_rate", "no_camera_info"}
    assert r.node.set_parameters([Parameter("max_rate", value=0.0)])[0].successful
    skipped = r.drops()["max_rate"]
    ros.wait(lambda: r.model.calls - calls > 25, poll=r.send)
    assert r.drops()["max_rate"] == skipped


@pytest.mark.parametrize("name", ["max_rate", "cloud_rate"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_rates_that_are_none_are_refused(ros, rig, name, value):
    r = rig()
    (result,) = r.node.set_parameters([Parameter(name, value=value)])
    assert not result.successful and "expected 0 to 1000 Hz" in result.reason


def test_clouds_take_one_core_and_leave_the_networks_to_it(ros, rig, monkeypatch):
    threads, make = [], Frame.packed_cloud
    before = torch.get_num_threads()
    monkeypatch.setattr(Frame, "packed_cloud", lambda *of: (threads.append(torch.get_num_threads()), make(*of))[1])
    torch.set_num_threads(2)
    try:
        r = rig()
        cloud = ros.listen(PointCloud2, "/depth/points")
        ros.wait(lambda: cloud, poll=r.send)
        later = threading.Thread(target=lambda: threads.append(torch.get_num_threads()))
        later.start()
        later.join()
    finally:
        torch.set_num_threads(before)
    assert threads[0] == 1 and threads[-1] == 2


def test_cloud_stride_is_stride(ros, rig):
    r = rig(cloud_stride=4)
    cloud = ros.listen(PointCloud2, "/depth/points")
    ros.wait(lambda: cloud, poll=r.send)
    assert (cloud[0].width, cloud[0].height) == (16, 12)
    assert r.node.set_parameters([Parameter("cloud_stride", value=2)])[0].successful
    ros.wait(lambda: cloud[-1].width == 32, poll=r.send)
