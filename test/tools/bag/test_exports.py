# SPDX-License-Identifier: Apache-2.0
"""The layout of TUM RGB-D and point clouds, read back by what others use: OpenCV and plain text."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import quaternion, rigid_from_pose
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.tools.bag.exports import tum_depth

POSE, ODOMETRY = "geometry_msgs/msg/PoseStamped", "nav_msgs/msg/Odometry"


def add_poses(maker, kit, kind, count=4):
    make = TYPES.types
    for index in range(count):
        stamp = kit.BEGIN_NS + index * kit.STEP_NS
        pose = make["geometry_msgs/msg/Pose"](
            make["geometry_msgs/msg/Point"](float(index), 2.0, 0.0),
            make["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0),
        )
        if kind == POSE:
            message = make[POSE](kit.header(stamp, "world"), pose)
        else:
            zero = make["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
            with_covariance = make["geometry_msgs/msg/PoseWithCovariance"](pose, np.zeros(36))
            twist = make["geometry_msgs/msg/TwistWithCovariance"](
                make["geometry_msgs/msg/Twist"](zero, zero), np.zeros(36)
            )
            message = make[ODOMETRY](kit.header(stamp, "odom"), "base", with_covariance, twist)
        maker.add("/poses", kind, stamp, message)


def table(path):
    return [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]


def test_the_layout_of_tum(tmp_path, maker, use, kit):
    use()
    maker.frames(4)
    add_poses(maker, kit, POSE)
    maker.write(tmp_path / "in.mcap")
    folder = tmp_path / "tum"
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out.mcap", "--export", "tum", folder) == 0
    stamps = [f"1700000000.{index}00000000" for index in range(4)]
    assert table(folder / "rgb.txt") == [[stamp, f"rgb/{stamp}.png"] for stamp in stamps]
    assert table(folder / "depth.txt") == [[stamp, f"depth/{stamp}.png"] for stamp in stamps]
    assert table(folder / "associations.txt") == [[s, f"rgb/{s}.png", s, f"depth/{s}.png"] for s in stamps]
    truth = table(folder / "groundtruth.txt")
    assert [line[0] for line in truth] == stamps
    assert [[float(x) for x in line[1:]] for line in truth] == [[k, 2, 0, 0, 0, 0, 1] for k in range(4)]
    depth = cv2.imread(str(folder / table(folder / "depth.txt")[2][1]), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16 and depth[0, 0] == 0 and (depth[1:] == 6000).all()  # red 12: 1.2 m
    rgb = cv2.imread(str(folder / table(folder / "rgb.txt")[2][1]))
    assert rgb[3, 3].tolist() == [9, 9, 12]
    assert Camera.from_yaml(folder / "camera.yaml") == kit.CAMERA
    assert not list(folder.rglob(".*")) and len(kit.read(tmp_path / "out.mcap")) == 8


def test_odometry_is_of_the_base_and_led_to_the_camera(tmp_path, maker, use, kit, capsys):
    use()
    maker.frames(4)
    add_poses(maker, kit, ODOMETRY)
    maker.write(tmp_path / "without.mcap")
    words = ("--out", tmp_path / "out.mcap", "--export", "tum", tmp_path / "tum")
    assert kit.bag(tmp_path / "without.mcap", *words) == 1
    assert "do not join 'camera' and 'base'" in capsys.readouterr().err
    maker.static(*kit.CHAIN).write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", *words) == 0
    found = np.array([[float(x) for x in line[1:]] for line in table(tmp_path / "tum" / "groundtruth.txt")])
    np.testing.assert_allclose(found[3, :3], (3.2, 2, 1), atol=1e-8)  # the mast is 1 m up, the camera 0.2 m before it
    np.testing.assert_allclose(found[3, 3:], (-0.5, 0.5, -0.5, 0.5), atol=1e-8)


def test_without_poses_there_is_no_ground_truth(tmp_path, maker, use, kit, capsys):
    use()
    maker.frames(2).write(tmp_path / "in.mcap")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out", "--export", "tum", tmp_path / "tum") == 0
    assert "no groundtruth.txt" in capsys.readouterr().err and not (tmp_path / "tum" / "groundtruth.txt").exists()


def test_clouds_and_the_aligned_depth(tmp_path, maker, use, kit):
    use()
    maker.frames(4, red=20).lidar(4).static(*kit.CHAIN).write(tmp_path / "in.mcap")
    words = ("--outputs", "aligned", "--no-local", "--occlusion-window", "0")
    exports = ("--export", "tum", tmp_path / "tum", "--export", "ply", tmp_path / "ply")
    assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out", *words, *exports) == 0
    clouds = sorted((tmp_path / "ply").iterdir())
    assert [path.name for path in clouds] == [f"1700000000.{k}00000000.ply" for k in range(4)]
    assert (
        clouds[0].read_bytes().split(b"\n")[3] == b"element vertex 190"
    )  # not the unknown pixel, nor the one beside it
    depth = cv2.imread(str(next((tmp_path / "tum" / "depth").iterdir())), cv2.IMREAD_UNCHANGED)
    assert abs(int(depth[5, 5]) - 15000) < 20  # 2 m by the network, 3 m by the lidar


def test_a_folder_with_something_in_it_needs_force(tmp_path, maker, use, kit, capsys):
    use()
    maker.frames(2).write(tmp_path / "in.mcap")
    folder = tmp_path / "tum"
    (folder / "rgb").mkdir(parents=True)
    (folder / "rgb" / "1.000000000.png").write_text("old")
    (folder / "notes.txt").write_text("mine")
    words = (tmp_path / "in.mcap", "--out", tmp_path / "out", "--export", "tum", folder)
    assert kit.bag(*words) == 1
    assert "is not empty" in capsys.readouterr().err
    assert kit.bag(*words, "--force") == 0
    assert len(list((folder / "rgb").iterdir())) == 2 and (folder / "notes.txt").read_text() == "mine"


def test_what_cannot_be_exported(tmp_path, maker, use, kit, capsys):
    use(kind=DepthKind.INVERSE_AFFINE)
    maker.frames(2).write(tmp_path / "in.mcap")
    words = (tmp_path / "in.mcap", "--out", tmp_path / "out")
    assert kit.bag(*words, "--export", "tum", tmp_path / "tum") == 1
    assert "--export needs metres" in capsys.readouterr().err
    assert kit.bag(*words, "--export", "euroc", tmp_path / "x") == 2
    assert "expected tum DIR and ply DIR" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_depth_that_sixteen_bits_do_not_hold_is_unknown():
    depth = np.array([[np.nan, np.inf, 0, -1, 1, 13.107, 13.2, 0.00009, 0.0002]], np.float32)
    assert tum_depth(depth).tolist() == [[0, 0, 0, 0, 5000, 65535, 0, 0, 1]]


@pytest.mark.parametrize("seed", range(20))
def test_quaternions_of_rotations(seed):
    q = np.random.default_rng(seed).normal(size=4)
    if seed == 0:
        q = np.array([1.0, 0, 0, 0])  # half a turn
    q /= np.linalg.norm(q)
    found = np.array(quaternion(rigid_from_pose((0, 0, 0), q)[:3, :3]))
    assert min(np.abs(found - q).max(), np.abs(found + q).max()) < 1e-12 and found[3] >= 0
