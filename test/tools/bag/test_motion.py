# SPDX-License-Identifier: Apache-2.0
"""Recorded odometry and a camera that looks at a wall: the metres come from the robot's own motion."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import cv2
import numpy as np
import pytest

from mono_depth_ros.bags.messages import empty, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, IMAGE, ODOMETRY

CAMERA = Camera(160, 120, 130.0, 130.0, 80.0, 60.0)
WALL_M, STEP_M, FRAMES = 3.0, 0.04, 14
TEXTURE = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (600, 900), dtype=np.uint8), (0, 0), 2)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)
ROWS, COLUMNS = np.indices((CAMERA.height, CAMERA.width)).astype(np.float32)


@pytest.fixture
def drive(maker, kit):
    """The robot goes to its left, which is the camera's left too; the network says 2 m."""

    def record(begin_s=0.0, child="base"):
        for index in range(FRAMES):
            stamp = kit.BEGIN_NS + index * kit.STEP_NS
            x = (COLUMNS - CAMERA.cx) / CAMERA.fx * WALL_M - STEP_M * index
            y = (ROWS - CAMERA.cy) / CAMERA.fy * WALL_M
            rgb = np.repeat(cv2.remap(TEXTURE, x * 90 + 450, y * 90 + 300, cv2.INTER_LINEAR)[..., None], 3, axis=2)
            rgb[..., 0] = 20
            image = empty(IMAGE, kit.header(stamp))
            fill_image(image, rgb, "rgb8")
            maker.add("/camera/image_raw", IMAGE, stamp + 9, image)
            maker.add("/camera/camera_info", CAMERA_INFO, stamp + 9, info_from(CAMERA, kit.header(stamp)))
        for k in range(-1, 2 * FRAMES + 1):  # twice as often, and not when the images are taken
            stamp = kit.BEGIN_NS + round((k + 0.3) * kit.STEP_NS / 2)
            late = round(begin_s * 1e9)
            message = odometry(kit, stamp + late, STEP_M * (k + 0.3) / 2, child)
            maker.add("/odom", ODOMETRY, stamp + 9, message)
        return maker

    return record


def odometry(kit, stamp, y, child):
    make = TYPES.types
    pose = make["geometry_msgs/msg/Pose"](
        make["geometry_msgs/msg/Point"](0.0, y, 0.0), make["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    )
    zero = make["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
    twist = make["geometry_msgs/msg/TwistWithCovariance"](make["geometry_msgs/msg/Twist"](zero, zero), np.zeros(36))
    covered = make["geometry_msgs/msg/PoseWithCovariance"](pose, np.zeros(36))
    return make[ODOMETRY](kit.header(stamp, "odom"), child, covered, twist)


WORDS = ("--outputs", "aligned", "--reference", "motion", "--min-samples", "8")


@pytest.mark.parametrize("how", ["/tf_static", "given"])
def test_the_wall_has_its_metres(how, drive, kit, use, tmp_path, capsys):
    use()
    maker, words = drive(), WORDS
    if how == "given":  # the camera from the base: x = -y, y = -z, z = x
        words = (*WORDS, "--cam-from-reference", "0 0 0 0.5 -0.5 0.5 0.5")
    else:
        maker.static(*kit.CHAIN)
    maker.write(tmp_path / "in.mcap")
    out = tmp_path / "out.mcap"
    assert kit.bag(tmp_path / "in.mcap", "--out", out, "--json", *words) == 0
    printed = capsys.readouterr()
    depths = [decode_depth(message) for _, message in kit.decoded(out, "/aligned/image")]
    assert 6 < len(depths) < FRAMES, printed.err
    assert abs(np.nanmedian(depths[-1]) / WALL_M - 1) < 0.02
    summary = json.loads(printed.out)["alignment"]
    assert summary["states"]["aligned"] == len(depths)
    assert set(summary["unaligned"]) == {"motion_still", "motion_few"}
    assert "reference: /odom" in printed.err


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"begin_s": 1e8}, "the stamps of the poses are of another clock"),
        ({"begin_s": 2.0}, "pose is .* the image, expected poses before and after it"),
        ({"child": "elsewhere"}, "do not join 'elsewhere' and 'camera'"),
    ],
)
def test_odometry_that_cannot_be_used_is_told(made, sentence, drive, kit, use, tmp_path, capsys):
    use()
    drive(**made).static(*kit.CHAIN).write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", *WORDS) == 1

    said = capsys.readouterr().err
    assert re.search(sentence, said), said


def test_a_run_that_was_killed_goes_on_without_any_difference(drive, kit, server, tmp_path):
    source = tmp_path / "in.mcap"
    drive().static(*kit.CHAIN).write(source)
    words = (*WORDS, "--segment-frames", "3", "--batch", "1")
    assert server.run(source, "--out", tmp_path / "whole.mcap", *words) == 0
    whole = kit.read(tmp_path / "whole.mcap")
    pid = server.start(source, "--out", tmp_path / "out.mcap", *words, step_s=0.03)
    time.sleep(0.03 * 11)
    os.kill(pid, signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL
    assert server.run(source, "--out", tmp_path / "out.mcap", *words, "--resume") == 0
    assert kit.read(tmp_path / "out.mcap") == whole and len(whole) > 6
