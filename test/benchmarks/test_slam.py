# SPDX-License-Identifier: Apache-2.0
"""Real RGB-D odometry on our depth of a drive through the synthetic world, and the measure of its error."""

from __future__ import annotations

import json
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
from slam import DEPTHS, measure
from slam_odometry import ESTIMATE, accuracy, odometry, requirements
from slam_recording import Drive, record

DRIVE = Drive("corridor", 20_000_001, frames=12, size=(160, 120), rate_hz=10.0, sweep_every=3)
FOLDERS = ("truth", "tiny_raw", "tiny_aligned", "tiny_aligned_no_local")


def needs_slam() -> None:
    for name in ("open3d", "evo"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install open3d evo")


def test_the_recording_is_true(tmp_path):
    """Lidar, static transform, images, poses and depth of the bag belong together."""
    depths = record(DRIVE, tmp_path / "bag")
    found = {}
    with AnyReader([tmp_path / "bag"]) as reader:
        for connection, _, data in reader.messages():
            found.setdefault(connection.topic, []).append(reader.deserialize(data, connection.msgtype))
    assert {topic: len(messages) for topic, messages in found.items()} == {
        **dict.fromkeys(("/camera/image_raw", "/camera/camera_info", "/pose"), 12),
        "/lidar/points": 4,
        "/tf_static": 1,
    }
    moved = found["/tf_static"][0].transforms[0]
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


def test_trajectories_that_do_not_meet_are_refused(tmp_path):
    needs_slam()
    truth = write(tmp_path / "truth.txt", np.eye(3))
    (tmp_path / "late.txt").write_text("99 1 1 1 0 0 0 1\n")
    with pytest.raises(DataError, match=r"late\.txt have no stamps in common"):
        accuracy(truth, tmp_path / "late.txt")


def test_odometry_finds_the_way_with_our_depth(tmp_path):
    needs_slam()
    drive = Drive("corridor", 20_000_001, frames=20, rate_hz=10.0, sweep_every=1)
    found = measure(drive, tmp_path, load_model(ModelConfig(model="tiny", engine="torch", device="cpu")))
    assert list(found) == list(DEPTHS)
    assert {item.poses for item in found.values()} == {20} and {item.lost for item in found.values()} == {0}
    positions = np.loadtxt(tmp_path / "truth" / "groundtruth.txt")[:, 1:4]
    still = np.sqrt(np.square(positions - positions.mean(axis=0)).sum(axis=1).mean())  # the error of not moving
    assert found["truth"].ate_m < 0.1 * still and found["truth"].scale == pytest.approx(1, abs=0.03)
    assert found["tiny aligned"].ate_m < 0.2 * still and found["tiny aligned"].scale == pytest.approx(1, abs=0.1)
    assert found["tiny raw"].ate_m < 0.5 * still
    # The same images with all of them; depth that is a quarter too large makes the way so, too.
    images = {name: [path.read_bytes() for path in sorted((tmp_path / name).glob("rgb/*"))] for name in FOLDERS}
    assert len(images["truth"]) == 20 and images["truth"] == images["tiny_raw"] == images["tiny_aligned"]
    for path in (tmp_path / "truth" / "depth").iterdir():
        cv2.imwrite(str(path), (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) * 1.25).astype(np.uint16))
    odometry(tmp_path / "truth")
    larger = accuracy(tmp_path / "truth" / "groundtruth.txt", tmp_path / "truth" / ESTIMATE)
    assert larger.scale == pytest.approx(0.8, abs=0.03)


def test_a_folder_without_two_pairs_is_refused(tmp_path):
    needs_slam()
    (tmp_path / "associations.txt").write_text("1 rgb/1.png 1 depth/1.png\n")
    with pytest.raises(DataError, match="names 1 pairs of images, expected at least 2"):
        odometry(tmp_path)


def test_without_open3d_one_sentence_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(ConfigError, match="pip install open3d evo"):
        requirements()
    assert slam.main(["--out", str(tmp_path)]) == 1
    assert "pip install open3d evo" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_the_table_in_the_docs_is_that_of_the_measurement():
    repository = Path(__file__).parents[2]
    measured = json.loads((repository / "benchmarks" / "slam.json").read_text())
    assert list(measured["median"]) == list(DEPTHS)
    cells = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in (repository / "docs" / "slam.md").read_text().splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]
    table = {line[0]: dict(zip(DEPTHS, line[2:], strict=True)) for line in cells[1:]}
    assert cells[0][2:] == tuple(DEPTHS)
    assert table.pop("median") == {name: shown(row) for name, row in measured["median"].items()}
    expected = {}
    for row in measured["rows"]:
        expected.setdefault(row["world"], {})[row["depth"]] = shown(row)
    assert table == expected


def shown(row):
    return f"{row['ate_m']:.3f} m ({row['ate_percent']:.1f} %), scale {row['scale']:.2f}"
