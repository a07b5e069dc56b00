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
from mono_depth_ros.messages.kinds import CAMERA_INFO, IMAGE, ODOMETRY, TF

POSE = "geometry_msgs/msg/PoseStamped"
CAMERA = Camera(160, 120, 130.0, 130.0, 80.0, 60.0)
WALL_M, STEP_M, FRAMES = 3.0, 0.04, 14
TEXTURE = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (600, 900), dtype=np.uint8), (0, 0), 2)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)
ROWS, COLUMNS = np.indices((CAMERA.height, CAMERA.width)).astype(np.float32)


@pytest.fixture
def drive(maker, kit):
    """The robot goes to its left, which is the camera's left too; the network says 2 m."""

    def record(begin_s=0.0, child="base", form="odometry"):
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
            add_pose(maker, kit, form, stamp + 9, stamp + late, STEP_M * (k + 0.3) / 2, child)
        return maker

    return record


def add_pose(maker, kit, form, log, stamp, y, child):
    """Of the base; of the optical frame, whose left is -x, for a PoseStamped."""
    make = TYPES.types
    turn, zero = (
        make["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0),
        make["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0),
    )
    header = kit.header(stamp, "odom")
    if form == "tf":
        moved = make["geometry_msgs/msg/Transform"](make["geometry_msgs/msg/Vector3"](0.0, y, 0.0), turn)
        wheel = make["geometry_msgs/msg/Transform"](zero, turn)
        found = [("odom", child, moved), ("base", "wheel", wheel)]
        stamped = [
            make["geometry_msgs/msg/TransformStamped"](kit.header(stamp, parent), name, transform)
            for parent, name, transform in found
        ]
        maker.add("/tf", TF, log, make[TF](stamped))
        return
    x, y = (-y, 0.0) if form == "camera" else (0.0, y)
    pose = make["geometry_msgs/msg/Pose"](make["geometry_msgs/msg/Point"](x, y, 0.0), turn)
    if form == "camera":
        maker.add("/pose", POSE, log, make[POSE](header, pose))
        return
    twist = make["geometry_msgs/msg/TwistWithCovariance"](make["geometry_msgs/msg/Twist"](zero, zero), np.zeros(36))
    covered = make["geometry_msgs/msg/PoseWithCovariance"](pose, np.zeros(36))
    maker.add("/odom", ODOMETRY, log, make[ODOMETRY](header, child, covered, twist))


WORDS = ("--outputs", "aligned", "--align", "motion", "--min-samples", "8")


@pytest.fixture
def file(kit, tmp_path):
    """The way of the base, a line for each image and one more, in disorder, as `child` moves."""
    lines = [f"{(kit.BEGIN_NS + k * kit.STEP_NS) / 1e9:.9f} 0 {STEP_M * k} 0 0 0 0 1" for k in range(-30, FRAMES + 1)]
    path = tmp_path / "poses.txt"
    path.write_text("\n".join(["# stamp tx ty tz qx qy qz qw", *reversed(lines)]))
    return path


BASE = "0 0 0 0.5 -0.5 0.5 0.5"  # the camera from the base: x = -y, y = -z, z = x


@pytest.mark.parametrize(
    ("form", "words", "said"),
    [
        ("odometry", (), "poses: /odom (30 messages, 'base' to 'camera' by /tf_static, "),
        ("odometry", ("--cam-from-reference", BASE), "poses: /odom (30 messages, camera_from_pose as given)"),
        ("odometry", ("--poses", "odom"), "poses: /odom (30 messages, 'base' to"),
        (
            "odometry",
            ("--poses", "FILE", "--cam-from-reference", BASE),
            "poses.txt (45 poses, camera_from_pose as",
        ),
        (
            "camera",
            ("--poses", "/pose", "--pose-frame", "camera"),
            "/pose (30 messages, of the camera 'camera')",
        ),
        (
            "odometry",
            ("--poses", "FILE", "--pose-frame", "base"),
            "poses.txt (45 poses, 'base' to 'camera'",
        ),
        ("tf", ("--poses", "/tf"), "poses: 'camera' in 'odom' by /tf, in which base moves"),
        ("tf", ("--odom-frame", "odom"), "poses: 'camera' in 'odom' by /tf, in which base moves"),
    ],
)
def test_the_wall_has_its_metres(form, words, said, drive, file, kit, use, tmp_path, capsys):
    use()
    maker, words = drive(form=form), (*WORDS, *(str(file) if word == "FILE" else word for word in words))
    if BASE not in words:
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
    assert said in printed.err


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


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ("--poses", "poses.txt", "--align", "lidar"),
            2,
            "poses is 'poses.txt', which align motion and map",
        ),
        (("--poses", "/odometry"), 1, "no file and no topic of .*; it has the topics with poses /tf_static, /odom"),
        (("--poses", "/camera/image_raw"), 1, "a sensor_msgs/msg/Image, expected nav_msgs/msg/Odometry or"),
        (
            ("--poses", "/tf"),
            1,
            "no transform on /tf moves the camera 'camera'; there is mast to camera, mast to lidar",
        ),
        (("--poses", "/tf_static", "--cam-from-reference", BASE), 1, "the transforms lead to the camera themselves"),
        (("--odom-frame", "map"), 1, "do not join 'camera' and 'map'; there is mast to camera"),
        (("--odom-frame", "map", "--poses", "/odom"), 1, "odom_frame is 'map' and poses '/odom': expected one of"),
    ],
)
def test_poses_that_are_not_there(words, code, sentence, drive, kit, use, tmp_path, capsys):
    use()
    drive().static(*kit.CHAIN).write(tmp_path / "in.mcap")
    try:
        ended = kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", *WORDS, *words)
    except SystemExit as error:
        ended = error.code
    said = capsys.readouterr().err
    assert ended == code and re.search(sentence, said, re.MULTILINE), said
    assert not (tmp_path / "out.mcap").exists()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("1700000000.0 0 0 0 0 0 1\n", "line 1 is '1700000000.0 0 0 0 0 0 1', expected stamp tx ty tz qx qy qz qw"),
        ("1700000000.0 0 0 0 0 0 nan 1\n", "line 1: the transform is 0 0 0 0 0 nan 1, expected finite numbers"),
        (
            "12.5 0 0 0 0 0 0 1\n",
            "are from 12.500 to 12.500 s, and the images begin at 1700000000.000 s: ",
        ),
        ("", "holds no pose"),
    ],
)
def test_files_that_hold_no_poses_of_the_recording(lines, sentence, drive, kit, use, tmp_path, capsys):
    use()
    drive().static(*kit.CHAIN).write(tmp_path / "in.mcap")
    (tmp_path / "poses.txt").write_text(lines)
    words = ("--out", tmp_path / "out.mcap", *WORDS, "--poses", tmp_path / "poses.txt")
    assert kit.bag(tmp_path / "in.mcap", *words) == 1
    assert sentence in capsys.readouterr().err


def test_a_file_that_ends_early_is_told(drive, file, kit, use, tmp_path, capsys):
    use()
    drive().write(tmp_path / "in.mcap")
    file.write_text("\n".join(file.read_text().splitlines()[13:]))
    words = ("--out", tmp_path / "out.mcap", *WORDS, "--poses", file, "--cam-from-reference", BASE)
    assert kit.bag(tmp_path / "in.mcap", *words) == 1
    said = capsys.readouterr().err
    assert re.search(r"warning: none for 1.\d of the 1.\d s of the images", said)
    assert "the last pose is" in said


@pytest.mark.parametrize("form", ["odometry", "tf", "memory"])
def test_a_run_that_was_killed_goes_on_without_any_difference(form, drive, kit, server, tmp_path):
    source = tmp_path / "in.mcap"
    drive(form="tf" if form == "tf" else "odometry").static(*kit.CHAIN).write(source)
    more = {"odometry": ("--fuse",), "tf": ("--poses", "/tf"), "memory": ("--align", "memory", "--fuse")}[form]
    words = (*WORDS, *more, "--segment-frames", "3", "--batch", "1")
    assert server.run(source, "--out", tmp_path / "whole.mcap", *words) == 0
    whole = kit.read(tmp_path / "whole.mcap")
    pid = server.start(source, "--out", tmp_path / "out.mcap", *words, step_s=0.03)
    time.sleep(0.03 * 11)
    os.kill(pid, signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL
    assert server.run(source, "--out", tmp_path / "out.mcap", *words, "--resume") == 0
    assert kit.read(tmp_path / "out.mcap") == whole and len(whole) > 6


def test_memory_needs_no_topic_and_says_what_it_promises(drive, kit, use, tmp_path, capsys):
    use()
    drive().write(tmp_path / "in.mcap")
    words = ("--out", tmp_path / "out.mcap", "--outputs", "aligned", "--align", "memory")
    assert kit.bag(tmp_path / "in.mcap", *words) == 0
    assert "memory holds one scale from image to image; it knows no metres" in capsys.readouterr().err
    depths = [decode_depth(message) for _, message in kit.decoded(tmp_path / "out.mcap", "/aligned/image")]
    assert len(depths) == FRAMES and np.nanmedian(depths[-1]) == pytest.approx(2.0, rel=0.03)
