# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.rigid import compose, inverse, rigid_from_pose
from mono_depth_ros.geometry.transforms import Transforms

S = 1_000_000_000


def pose(x: float, turn: float = 0.0) -> np.ndarray:
    return rigid_from_pose([x, 0.0, 0.0], [0.0, 0.0, np.sin(turn / 2), np.cos(turn / 2)])


@pytest.fixture
def robot() -> Transforms:
    """map, odom and base move; the camera is on a mast that turns on the base."""
    found = Transforms({"camera": ("head", pose(0.1)), "lidar": ("base", pose(-0.5))}, {"head": "base", "base": "odom"})
    for i in range(11):
        found.add("odom", "base", i * S // 10, pose(0.1 * i))
        found.add("base", "head", i * S // 10 + S // 30, pose(0, 0.2 * i))
        found.add("map", "odom", i * S // 10, pose(5, 1))
    return found


def test_moving_frames_are_interpolated_each_by_its_own_stamps(robot) -> None:
    turn = 2.0 * (0.77 - 1 / 30)
    expected = compose(pose(5, 1), pose(0.77), pose(0, turn), pose(0.1))
    np.testing.assert_allclose(robot.lookup("map", "camera", round(0.77 * S)), expected, atol=1e-8)
    sideways = compose(inverse(compose(pose(0, turn), pose(0.1))), pose(-0.5))
    np.testing.assert_allclose(robot.lookup("camera", "lidar", round(0.77 * S)), sideways, atol=1e-8)


def test_what_moves_between_two_frames(robot) -> None:
    assert robot.moves("camera", "lidar") == {"head"}
    assert robot.moves("odom", "lidar") == {"base"} and robot.moves("base", "lidar") == set()
    assert robot.ancestors("camera") == ["camera", "head", "base", "odom", "map"]


@pytest.mark.parametrize(
    ("stamp_s", "sentence"),
    [
        (1.02, "'base' in 'odom': the last pose is 0.02 s before the image"),
        (0.01, "'head' in 'base': the first pose is 0.0233 s after the image"),
        (1.7e9, "another clock"),
    ],
)
def test_outside_there_is_no_transform(robot, stamp_s, sentence) -> None:
    with pytest.raises(DataError, match=sentence):
        robot.lookup("odom", "camera", round(stamp_s * S))


def test_frames_that_nothing_joins(robot) -> None:
    with pytest.raises(DataError, match=r"do not join 'camera' and 'world'; there is odom to base \(moving\), head to"):
        robot.lookup("world", "camera", 0)
    with pytest.raises(DataError, match="none at all"):
        Transforms({}).lookup("a", "b", 0)
    with pytest.raises(DataError, match="circle at 'a'"):
        Transforms({"a": ("b", pose(0))}, {"b": "a"}).lookup("c", "a", 0)


def test_a_fixed_frame_stays_and_a_new_parent_begins_anew(robot) -> None:
    robot.add("mast", "camera", 0, pose(9))
    assert robot.lookup("head", "camera", 0)[0, 3] == 0.1
    robot.add("odom2", "base", 2 * S, pose(7))
    assert robot.lookup("odom2", "lidar", 2 * S)[0, 3] == pytest.approx(6.5)
    with pytest.raises(DataError, match="do not join"):
        robot.lookup("odom", "lidar", S)
