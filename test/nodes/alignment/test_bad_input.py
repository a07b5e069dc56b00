# SPDX-License-Identifier: Apache-2.0
"""Bad messages and parameters: one sentence each, nothing published that is not aligned, and the node goes on."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from sensor_msgs.msg import PointField

from mono_depth_ros.errors import ConfigError


@pytest.mark.parametrize(
    ("points", "changes", "words"),
    [
        (lambda good: good[:0], {}, "no points"),
        (lambda good: np.full_like(good, np.nan), {}, "960 points of the reference are NaN"),
        (lambda good: -good, {}, "behind the camera"),
        (lambda good: good[:10], {}, "to fit, expected 20 or more"),
        (
            lambda good: good,
            {"fields": [PointField(name=n, offset=4 * k, datatype=7, count=1) for k, n in enumerate("abc")]},
            "no field 'x'",
        ),
        (lambda good: good, {"late_s": 1000.0}, "another clock"),
        (lambda good: good, {"late_s": -0.5}, "expected at most tolerance"),
    ],
)
def test_a_bad_reference_is_told_and_the_node_goes_on(robot, points, changes, words):
    r = robot()
    r.drive(lambda: r.says(words) and r.values()["state"] == "unaligned", points=points(r.points()), **changes)
    assert not r.images and r.status().level == b"\x02"
    # What lies in another clock, or later, is forgotten once the time of the references jumps back.
    r.drive(lambda: r.images)
    r.newest_is()


@pytest.mark.parametrize(
    ("image", "info", "reason", "words"),
    [
        ({"encoding": "mono8"}, {}, "image_encoding", "'mono8', expected 32FC1 or 16UC1"),
        ({"data": b"123"}, {}, "image_truncated", "3 bytes of data"),
        ({"height": 0, "width": 0}, {}, "image_zero_size", "0x0"),
        ({}, {"height": 30, "width": 40}, "camera_info_size", "40x30"),
        ({}, {"k": [0.0] * 9}, "camera_uncalibrated", "calibrat"),
        ({}, {"distortion_model": "mirror", "d": [0.1] * 5}, "camera_invalid", "mirror"),
    ],
)
def test_bad_depth_is_told_and_the_node_goes_on(robot, image, info, reason, words):
    r = robot()
    r.drive(lambda: r.says(words), image=image, info=info)
    assert not r.images and r.status().level == b"\x02"
    assert reason in r.drops(), r.drops()
    r.drive(lambda: r.images)
    r.newest_is()


def test_relative_depth_in_millimetres_is_no_depth(robot):
    r = robot(relative=True)
    r.drive(lambda: r.says("'16UC1', expected 32FC1"), image={"encoding": "16UC1"})
    assert not r.images


def test_a_depth_without_camera_info_is_told(robot):
    r = robot()
    r.ros.wait(
        lambda: r.says("no camera_info: nothing has arrived on /depth/camera_info"),
        poll=lambda: r.depths.publish(r.depth_message()),
    )
    r.drive(lambda: r.images)


def test_a_depth_node_that_is_missing_or_silent_is_told(robot):
    r = robot(listen=False, input_timeout=0.4)
    r.ros.listen(type(r.depth_message()), "/aligned/image")
    r.ros.wait(
        lambda: r.says(
            "no depth: /depth/image, /depth/inverse or /depth/relative is advertised but nothing has arrived for"
        )
    )
    r.ros.outsider.destroy_publisher(r.depths)
    r.ros.wait(lambda: r.says("no depth: nothing publishes /depth/image, /depth/inverse or /depth/relative"))


def test_a_reference_that_changes_its_frame_is_refused(robot):
    r = robot()
    r.drive(lambda: r.images)
    r.drive(lambda: r.says("frame 'elsewhere', expected 'lidar'"), frame="elsewhere")
    assert r.status().level == b"\x01", "the scale is held"


def test_an_error_of_ours_costs_one_image(robot, monkeypatch):
    r = robot()
    align = r.node.session.aligner.update
    monkeypatch.setattr(r.node.session.aligner, "update", lambda *_, **__: 1 / 0)
    r.drive(lambda: r.says("every image is dropped: ZeroDivisionError"))
    monkeypatch.setattr(r.node.session.aligner, "update", align)
    r.drive(lambda: r.images)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"cam_from_reference": ""}, "give the parameter cam_from_reference"),
        ({"cam_from_reference": "0 0 0 1 1 0 0"}, "has length 1.414, expected 1"),
        ({"cam_from_reference": "0 0 0"}, "found 3 numbers"),
        ({"frozen": True}, "expected a calibration"),
        ({"frozen": True, "calibration": "/nowhere.yaml"}, "/nowhere.yaml cannot be read"),
        ({"reference": "none"}, "nothing gives a scale"),
        ({"reference": "ground"}, "give camera_height"),
    ],
)
def test_what_cannot_work_is_a_clean_configure_failure(refusal, parameters, words):
    if parameters.get("cam_from_reference") == "" and importlib.util.find_spec("tf2_ros"):
        pytest.skip("tf2_ros is installed: the transform is asked of it")
    said = refusal(**parameters)
    assert words in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scenes: {default: {curve: scale, scail: 2.0, shift: 0.0}}", "the unknown key 'scail'"),
        ("scenes: {hall: {curve: scale, scale: 2.0, shift: 0.0}}", "no scene 'default', it has: hall"),
        ("scenes: {default: {curve: scale, scale: -2.0, shift: 0.0}}", "is -2, expected more than 0"),
        ("nonsense", "expected the key 'scenes'"),
    ],
)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_calibration_that_is_none_is_a_clean_configure_failure(refusal, tmp_path, text, words, frozen):
    path = tmp_path / "calibration.yaml"
    path.write_text(text)
    said = refusal(calibration=str(path), frozen=frozen)
    assert words in said and "Traceback" not in said


def test_a_misspelt_parameter_is_an_error(refusal):
    with pytest.raises(ConfigError, match="did you mean tolerance"):
        refusal(tolerence=0.1)


def test_a_parameter_file_with_every_default_is_accepted(robot):
    # config/alignment.yaml is held equal to the configuration elsewhere; here: the node declares all of it.
    from pathlib import Path

    import yaml

    file = Path(__file__).resolve().parents[3] / "config" / "alignment.yaml"
    given = yaml.safe_load(file.read_text())["/**"]["ros__parameters"]
    node = robot(listen=False).node
    assert all(node.has_parameter(name) for name in given)
    missing = [name for name in node._parameters if name not in given and not name.startswith("qos_overrides.")]
    assert set(missing) <= {"use_sim_time", "start_type_description_service"}
