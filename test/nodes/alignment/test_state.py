# SPDX-License-Identifier: Apache-2.0
"""What the alignment node keeps: over images without a reference, on demand, and in a file."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from std_srvs.srv import SetBool, Trigger


def call(r, name, kind=Trigger, **request):
    client = r.ros.outsider.create_client(kind, f"/alignment/{name}")
    r.ros.wait(client.service_is_ready)
    future = client.call_async(kind.Request(**request))
    r.ros.wait(future.done)
    return future.result()


def test_a_reference_that_stops_is_held_then_unaligned_and_nothing_wrong_is_published(robot):
    r = robot(hold=1.0, input_timeout=0.5)
    r.drive(lambda: len(r.images) >= 2)
    count = len(r.images)
    r.drive(lambda: len(r.images) > count and r.says("held, the last fit is"), lidar=False)
    r.drive(lambda: r.says("no reference: /points has paused, nothing has arrived"), lidar=False)
    r.drive(lambda: r.says("; unaligned") and r.values()["state"] == "unaligned", lidar=False)
    for message in r.images:
        np.testing.assert_allclose(r.pixels(message), r.truth, rtol=5e-3)
    r.images.clear()
    unaligned = r.drops()["unaligned"]
    r.drive(lambda: r.drops()["unaligned"] > unaligned + 3, lidar=False)
    assert not r.images
    r.drive(lambda: r.images)
    r.newest_is()
    r.ros.outsider.destroy_publisher(r.clouds)
    r.drive(lambda: r.says("no reference: nothing publishes /points"), lidar=False)


def test_unaligned_metric_depth_is_published_where_that_is_asked_for(robot):
    r = robot(publish_unaligned=True)
    r.drive(lambda: r.images, lidar=False)
    r.newest_is(0.5, rtol=1e-6)


def test_unaligned_relative_depth_is_never_published(robot):
    r = robot(publish_unaligned=True, relative=True)
    r.drive(lambda: r.drops().get("unaligned", 0) > 3, lidar=False)
    assert not r.images


@pytest.mark.parametrize("publish_bad", [False, True])
def test_bad_results_are_marked_and_kept_back_where_that_is_asked_for(robot, publish_bad):
    r = robot(publish_bad=publish_bad, max_abs_rel=0.05)
    points = r.points()
    noisy = points * np.random.default_rng(0).uniform(0.6, 1.4, (len(points), 1)).astype(np.float32)
    r.drive(lambda: r.says("exceeds max_abs_rel, 0.05") and r.values()["trusted"] == "no", points=noisy)
    assert r.status().level == b"\x01"
    assert bool(r.images) is publish_bad and ("bad_alignment" in r.drops()) is not publish_bad
    assert r.says("so nothing is published") is not publish_bad


def test_freeze_reset_save_and_load(robot, tmp_path):
    path = tmp_path / "calibration.yaml"
    r = robot(calibration=str(path), calibration_scene="hall", hold=1.0)
    answer = call(r, "freeze", SetBool, data=True)
    assert not answer.success and "no scale to freeze" in answer.message
    assert not call(r, "save").success and not path.exists()
    assert "cannot be read" in call(r, "load").message
    r.drive(lambda: r.images)
    answer = call(r, "save")
    assert answer.success and yaml.safe_load(path.read_text())["scenes"]["hall"]["scale"] == pytest.approx(2, rel=5e-3)
    assert call(r, "freeze", SetBool, data=True).success
    r.drive(lambda: r.values().get("state") == "frozen" and r.values()["trusted"] == "no", points=r.points() * 3)
    r.newest_is()
    assert call(r, "freeze", SetBool, data=False).success
    r.drive(lambda: r.values()["state"] == "aligned" and r.values()["trusted"] == "yes", points=r.points() * 3)
    r.newest_is(3)
    assert call(r, "reset").success
    r.drive(lambda: r.values()["state"] == "unaligned", lidar=False)
    assert call(r, "load").success
    r.images.clear()
    r.drive(lambda: r.images, lidar=False)
    r.newest_is()


def test_without_a_file_save_and_load_say_what_is_missing(robot):
    r = robot()
    for name in ("save", "load"):
        answer = call(r, name)
        assert not answer.success and "set the parameter calibration" in answer.message


def test_a_robot_without_lidar_goes_by_a_calibration(robot, tmp_path):
    path = tmp_path / "calibration.yaml"
    path.write_text("scenes: {hall: {curve: scale, scale: 2.0, shift: 0.0}}\n")
    r = robot(
        calibration=str(path), calibration_scene="hall", frozen=True, reference="none", cam_from_reference="", hold=0.5
    )
    assert r.clouds.get_subscription_count() == 0
    r.drive(lambda: len(r.images) > 10 and r.says("frozen, publishing"), lidar=False)
    r.newest_is(rtol=1e-6)


def test_a_calibration_is_where_a_node_with_a_lidar_begins(robot, tmp_path):
    path = tmp_path / "calibration.yaml"
    path.write_text("scenes: {default: {curve: scale, scale: 2.0, shift: 0.0}}\n")
    r = robot(calibration=str(path))
    r.drive(lambda: r.images, lidar=False)
    r.newest_is(rtol=1e-6)
