# SPDX-License-Identifier: Apache-2.0
"""Recordings as sources: toy frames beside a depth camera, a lidar, odometry, or nothing that tells depth."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mono_depth_ros.bags.messages import empty, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.config import ALIGNMENT, BagConfig, ImageConfig
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.cloud import fill_cloud
from mono_depth_ros.messages.depth import encode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE, ODOMETRY
from mono_depth_ros.tools.adapt import progress
from mono_depth_ros.tools.adapt.recordings import RecordingSource
from mono_depth_ros.tools.adapt.source import Asked
from mono_depth_ros.tools.cli import main
from mono_depth_ros.training.adapt.tiny import TinyLearner

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
from toy import toy_frame

CAMERA = Camera.from_fov((64, 48), 70.0)
CONFIGS = {cls: cls() for cls in (*ALIGNMENT, ImageConfig)}


def record(maker, kit, path, *what, count=40, other_camera=False):
    """Images at 5 Hz with camera_info, and of `what`: depth, lidar; returns the true depths."""
    rng, truths = np.random.default_rng(0), []
    for k in range(count):
        stamp = kit.BEGIN_NS + 2 * k * kit.STEP_NS
        rgb, depth = toy_frame(CAMERA, rng)
        truths.append(np.where(depth < 20, depth, np.nan).astype(np.float32))
        image = empty(IMAGE, kit.header(stamp))
        fill_image(image, rgb, "rgb8")
        camera = replace(CAMERA, fx=2 * CAMERA.fx) if other_camera and k > count // 2 else CAMERA
        maker.add("/camera/image_raw", IMAGE, stamp, image)
        maker.add("/camera/camera_info", CAMERA_INFO, stamp, info_from(camera, kit.header(stamp)))
        if "depth" in what:
            message = empty(IMAGE, kit.header(stamp))
            fill_image(message, encode_depth(truths[-1], "16UC1"), "16UC1")
            maker.add("/camera/depth/image", IMAGE, stamp, message)
        if "lidar" in what:
            rows, columns = rng.integers(0, CAMERA.height, 200), rng.integers(0, CAMERA.width, 200)
            z = truths[-1][rows, columns]
            points = np.zeros((200, 4), np.float32)
            points[:, 0], points[:, 1], points[:, 2] = (
                (columns - CAMERA.cx) / CAMERA.fx * z, (rows - CAMERA.cy) / CAMERA.fy * z, z,
            )  # fmt: skip
            cloud = empty(CLOUD, kit.header(stamp))
            fill_cloud(cloud, points[np.isfinite(z)], TYPES.types["sensor_msgs/msg/PointField"])
            maker.add("/lidar/points", CLOUD, stamp, cloud)
    maker.write(path)
    return truths


def source(path, reference="auto", **asked) -> RecordingSource:
    return RecordingSource(path, Asked(reference, **asked), BagConfig(), CONFIGS)


@pytest.mark.parametrize(("what", "reference"), [(("depth", "lidar"), "depth"), (("lidar",), "lidar")])
def test_the_reference_that_knows_most_is_found_by_itself(tmp_path, maker, kit, what, reference) -> None:
    truths = record(maker, kit, tmp_path / "in.mcap", *what, count=6)
    found = source(tmp_path / "in.mcap")
    assert found.reference == reference
    frames = list(found.frames())
    assert [frame.index for frame in frames] == list(range(6))
    assert frames[1].stamp_s - frames[0].stamp_s == pytest.approx(2e-9 * kit.STEP_NS)
    for frame, truth in zip(frames, truths, strict=True):
        samples = frame.samples
        assert samples is not None and len(samples) > 50
        assert np.abs(samples.depth - truth[samples.rows, samples.columns]).max() < 2e-3


def test_a_part_of_the_frames_and_few_samples_of_each(tmp_path, maker, kit) -> None:
    record(maker, kit, tmp_path / "in.mcap", "depth", count=8)
    frames = list(source(tmp_path / "in.mcap", first=2, last=6, samples=30, max_frames=3).frames())
    assert [frame.index for frame in frames] == [2, 4, 6]
    pixels = [set(frame.samples.pixels.tolist()) for frame in frames]
    assert [len(one) for one in pixels] == [30, 30, 30]
    assert pixels[0] != pixels[1]


def test_a_recording_without_a_reference_is_refused_with_what_was_looked_for(tmp_path, maker, kit) -> None:
    record(maker, kit, tmp_path / "in.mcap", count=2)
    with pytest.raises(DataError, match=r"holds no reference that tells depth; depth: .*; lidar: .*; motion: "):
        source(tmp_path / "in.mcap")


def test_motion_of_a_camera_with_odometry(tmp_path, maker, kit) -> None:
    """A camera goes to its left along a wall, 3 m away."""
    camera, wall_m, step_m = Camera(160, 120, 130.0, 130.0, 80.0, 60.0), 3.0, 0.04
    texture = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (600, 900), dtype=np.uint8), (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    rows, columns = np.indices((camera.height, camera.width)).astype(np.float32)
    make = TYPES.types
    for k in range(16):
        stamp = kit.BEGIN_NS + k * kit.STEP_NS
        x = (columns - camera.cx) / camera.fx * wall_m - step_m * k
        y = (rows - camera.cy) / camera.fy * wall_m
        gray = cv2.remap(texture, x * 90 + 450, y * 90 + 300, cv2.INTER_LINEAR)
        image = empty(IMAGE, kit.header(stamp))
        fill_image(image, np.repeat(gray[..., None], 3, axis=2), "rgb8")
        maker.add("/camera/image_raw", IMAGE, stamp, image)
        maker.add("/camera/camera_info", CAMERA_INFO, stamp, info_from(camera, kit.header(stamp)))
        turn = make["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
        zero = make["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
        pose = make["geometry_msgs/msg/Pose"](make["geometry_msgs/msg/Point"](-step_m * k, 0.0, 0.0), turn)
        twist = make["geometry_msgs/msg/TwistWithCovariance"](make["geometry_msgs/msg/Twist"](zero, zero), np.zeros(36))
        covered = make["geometry_msgs/msg/PoseWithCovariance"](pose, np.zeros(36))
        maker.add("/odom", ODOMETRY, stamp, make[ODOMETRY](kit.header(stamp, "odom"), "camera", covered, twist))
    maker.write(tmp_path / "in.mcap")
    found = source(tmp_path / "in.mcap", "motion")
    known = [frame for frame in found.frames() if frame.samples is not None]
    assert len(known) > 5
    assert np.median(np.concatenate([frame.samples.depth for frame in known])) == pytest.approx(wall_m, rel=0.03)


def test_a_drive_becomes_a_model(tmp_path, maker, kit, monkeypatch, capsys) -> None:
    monkeypatch.setattr(TinyLearner, "sizes", lambda self, width, height: ((64, 64),))
    monkeypatch.setattr(progress, "synthetic", lambda config, learner: ((), ()))
    record(maker, kit, tmp_path / "in.mcap", "lidar", count=45)
    words = ["--steps", "14", "--batch", "4", "--learning-rate", "1e-3", "--workers", "1"]
    assert main(["adapt", str(tmp_path / "in.mcap"), "--out", str(tmp_path / "mine"), *words]) == 0
    said = capsys.readouterr().err
    assert "frames with a reference by lidar" in said and "is the model" in said
    assert (tmp_path / "mine" / "model.safetensors").is_file()


def test_a_camera_that_changes_is_refused(tmp_path, maker, kit, monkeypatch, capsys) -> None:
    monkeypatch.setattr(progress, "synthetic", lambda config, learner: ((), ()))
    record(maker, kit, tmp_path / "in.mcap", "depth", count=6, other_camera=True)
    assert main(["adapt", str(tmp_path / "in.mcap"), "--out", str(tmp_path / "mine")]) == 1
    assert "the camera changes from 64x48" in capsys.readouterr().err
