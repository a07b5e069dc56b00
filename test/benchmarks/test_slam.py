# SPDX-License-Identifier: Apache-2.0
"""Real RGB-D odometry on our depth of a drive through the synthetic world, and the measure of its error."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

import slam
from mono_depth_ros.alignment.projected_points import samples_from_points
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.geometry.rigid import quaternion, rigid_from_pose, transform_points
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.world import SpinningLidar, World
from slam import measure
from slam_odometry import ESTIMATE, accuracy, odometry, requirements
from slam_orb import BRANCHES, LEVELS, module, train_vocabulary
from slam_recording import Drive, SevenScenes, record

DRIVE = Drive("corridor", 20_000_001, frames=12, size=(160, 120), rate_hz=10.0, sweep_every=3)


def needs_slam(*more: str) -> None:
    for name in ("open3d", "evo", *more):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install open3d evo pyorbslam3")


def test_the_recording_is_true(tmp_path):
    """Lidar, static transform, images, poses and depth of the bag belong together."""
    depths = record(DRIVE, tmp_path / "bag")
    found = {}
    with AnyReader([tmp_path / "bag"]) as reader:
        for connection, _, data in reader.messages():
            found.setdefault(connection.topic, []).append(reader.deserialize(data, connection.msgtype))
    assert {topic: len(messages) for topic, messages in found.items()} == {
        **dict.fromkeys(("/camera/image_raw", "/camera/camera_info", "/pose", "/odom"), 12),
        "/lidar/points": 4,
        "/tf_static": 1,
    }
    base, moved = found["/tf_static"][0].transforms
    assert (base.header.frame_id, base.child_frame_id) == (found["/odom"][0].child_frame_id, "camera")
    t, q = moved.transform.translation, moved.transform.rotation
    camera_from_lidar = rigid_from_pose((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
    np.testing.assert_allclose(camera_from_lidar, SpinningLidar().camera_from_lidar, atol=1e-9)
    world = World.generate(DRIVE.kind, DRIVE.seed)
    for index in (0, 9):
        assert found["/camera/image_raw"][index].header.stamp == found["/pose"][index].header.stamp
        p, q = found["/pose"][index].pose.position, found["/pose"][index].pose.orientation
        pose = rigid_from_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
        np.testing.assert_allclose(pose, world.path().pose(index / DRIVE.rate_hz), atol=1e-9)
        np.testing.assert_array_equal(depths[index], world.render(DRIVE.camera, pose, normals=False).depth)
        cloud = found["/lidar/points"][index // 3]
        assert cloud.header.stamp == found["/pose"][index].header.stamp
        xyz = np.ndarray((cloud.width, 3), np.float32, bytes(cloud.data), strides=(cloud.point_step, 4))
        samples = samples_from_points(transform_points(camera_from_lidar, xyz), DRIVE.camera)
        errors = np.abs(depths[index][samples.rows, samples.columns] / samples.depth - 1)
        assert len(samples) > 200 and np.median(errors) < 0.01


def write(path: Path, positions: np.ndarray, turn: np.ndarray | None = None) -> Path:
    """A trajectory in TUM's format, one pose a second."""
    q = quaternion(np.eye(3) if turn is None else turn)
    rows = [" ".join(map(repr, (float(k), *map(float, xyz), *q))) for k, xyz in enumerate(positions)]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_vocabulary_is_a_tree_that_dbow2_reads(tmp_path, monkeypatch):
    monkeypatch.setattr("slam_orb.WORLDS", 2)
    train_vocabulary(tmp_path / "words.txt")
    head, *nodes = (tmp_path / "words.txt").read_text().splitlines()
    rows = [line.split() for line in nodes]
    assert head == f"{BRANCHES} {LEVELS} 0 0" and {len(row) for row in rows} == {35}
    parents, leaves = np.array([int(row[0]) for row in rows]), np.array([row[1] == "1" for row in rows])
    assert (parents < np.arange(1, len(rows) + 1)).all(), "a parent stands before its children"
    assert np.bincount(parents).max() <= BRANCHES
    assert not leaves[parents[parents > 0] - 1].any() and set(np.flatnonzero(~leaves) + 1) <= set(parents)
    assert all(float(row[34]) >= 0 for row in rows)


def test_the_error_of_a_trajectory_is_the_planted_one(tmp_path):
    needs_slam()
    k = np.arange(21.0)
    truth = np.stack([k - 10, np.cos(k), 0.1 * k**2], axis=1)
    length = np.linalg.norm(np.diff(truth, axis=0), axis=1).sum()
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    path = write(tmp_path / "truth.txt", truth)
    moved = accuracy(path, write(tmp_path / "moved.txt", truth @ turn.T + [3, 4, 5], turn), lost=2)
    assert moved.ate_m == pytest.approx(0, abs=1e-9) and moved.scale == pytest.approx(1, abs=1e-9)
    assert moved.length_m == pytest.approx(length) and (moved.poses, moved.lost) == (21, 2)
    smaller = accuracy(path, write(tmp_path / "smaller.txt", truth / 1.25))
    spread = np.sqrt(np.square(truth - truth.mean(axis=0)).sum(axis=1).mean())
    # Of a trajectory that is 1 / 1.25 as large, a fifth of the distance from the middle is left.
    assert smaller.ate_m == pytest.approx(0.2 * spread) and smaller.scale == pytest.approx(1.25)
    assert smaller.ate_scaled_m == pytest.approx(0, abs=1e-9)
    assert moved.rpe_m == pytest.approx(0, abs=1e-9) and smaller.scale_drift == pytest.approx(0, abs=1e-9)
    steps = np.linalg.norm(np.diff(truth, axis=0), axis=1)
    assert smaller.rpe_m == pytest.approx(0.2 * np.sqrt(np.square(steps).mean()))  # one pose a second
    halves = np.concatenate([truth[:10], truth[9] + 2 * (truth[10:] - truth[9])])
    drifting = accuracy(path, write(tmp_path / "drifting.txt", halves))
    assert drifting.scale_drift == pytest.approx(-0.5, abs=0.01)


def test_trajectories_that_do_not_meet_are_refused(tmp_path):
    needs_slam()
    truth = write(tmp_path / "truth.txt", np.eye(3))
    (tmp_path / "late.txt").write_text("99 1 1 1 0 0 0 1\n")
    with pytest.raises(DataError, match=r"late\.txt have no stamps in common"):
        accuracy(truth, tmp_path / "late.txt")


def test_frames_of_7_scenes_have_a_lidar_of_rows_and_their_own_poses(tmp_path, real_data):
    folder = tmp_path / "few"
    folder.mkdir()
    for path in sorted((real_data / "seven_scenes").glob("frame-00000[0-2]*")):
        (folder / path.name).symlink_to(path)
    first, *others = SevenScenes(folder).moments()
    assert len(others) == 2 and first.rgb.shape == (480, 640, 3)
    np.testing.assert_array_equal(first.odometry, first.pose)
    samples = samples_from_points(first.scan.xyz, SevenScenes(folder).camera)
    errors = np.abs(first.depth[samples.rows, samples.columns] / samples.depth - 1)
    assert len(samples) > 1000 and np.nanmedian(errors) < 0.01 and len(np.unique(first.scan.ring)) == 16


def test_both_methods_find_the_way_with_our_depth(tmp_path):
    needs_slam("pyorbslam3")
    drive = Drive("corridor", 20_000_001, frames=20, rate_hz=10.0, sweep_every=1)
    vocabulary = tmp_path / "vocabulary.txt"
    train_vocabulary(vocabulary)
    work, depths = tmp_path / "work", ("truth", "raw", "lidar")
    work.mkdir()
    model = load_model(ModelConfig(model="tiny", engine="torch", device="cpu"))
    found = measure(drive, work, model, vocabulary, depths)
    assert list(found) == [(depth, method) for depth in depths for method in ("odometry", "ORB-SLAM3")]
    assert {item.poses for item in found.values()} == {20} and {item.lost for item in found.values()} == {0}
    positions = np.loadtxt(work / "truth" / "groundtruth.txt")[:, 1:4]
    still = np.sqrt(np.square(positions - positions.mean(axis=0)).sum(axis=1).mean())  # the error of not moving
    for method in ("odometry", "ORB-SLAM3"):
        truth, raw, lidar = (found[depth, method] for depth in depths)
        assert truth.ate_m < 0.1 * still and truth.scale == pytest.approx(1, abs=0.05)
        assert lidar.ate_m < 0.2 * still and lidar.scale == pytest.approx(1, abs=0.1)
        assert raw.ate_m < 0.5 * still
    # Depth that is a quarter too large makes the way so, too.
    for path in (work / "truth" / "depth").iterdir():
        cv2.imwrite(str(path), (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) * 1.25).astype(np.uint16))
    odometry(work / "truth")
    larger = accuracy(work / "truth" / "groundtruth.txt", work / "truth" / ESTIMATE)
    assert larger.scale == pytest.approx(0.8, abs=0.03)


def test_a_folder_without_two_pairs_is_refused(tmp_path):
    needs_slam()
    (tmp_path / "associations.txt").write_text("1 rgb/1.png 1 depth/1.png\n")
    with pytest.raises(DataError, match="names 1 pairs of images, expected at least 2"):
        odometry(tmp_path)


def test_what_is_missing_is_said_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(ConfigError, match="pip install open3d evo"):
        requirements()
    monkeypatch.setitem(sys.modules, "pyorbslam3", None)
    with pytest.raises(ConfigError, match="pip install pyorbslam3"):
        module()
    assert slam.main(["--out", str(tmp_path)]) == 1
    assert "pip install open3d evo" in capsys.readouterr().err and not list(tmp_path.iterdir())
