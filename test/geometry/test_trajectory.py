# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.rigid import rigid_from_pose
from mono_depth_ros.geometry.trajectory import Trajectory

S = 1_000_000_000


def pose(x: float, turn: float) -> np.ndarray:
    return rigid_from_pose([x, 0.0, 0.0], [0.0, 0.0, np.sin(turn / 2), np.cos(turn / 2)])


def path(**options) -> Trajectory:
    """Ten poses a second for a second, 1 m/s and 1 rad/s."""
    found = Trajectory(**options)
    for i in range(11):
        found.add(i * S // 10, pose(0.1 * i, 0.1 * i))
    return found


@pytest.mark.parametrize("stamp_s", [0.0, 0.25, 0.3, 0.777, 1.0])
def test_between_poses_way_and_turn_are_even(stamp_s) -> None:
    np.testing.assert_allclose(path().at(round(stamp_s * S)), pose(stamp_s, stamp_s), atol=1e-9)


def test_a_turn_takes_the_short_way() -> None:
    found = Trajectory()
    found.add(0, pose(0, 3.1))
    found.add(S // 10, pose(0, -3.1))
    np.testing.assert_allclose(found.at(S // 20), pose(0, np.pi), atol=1e-9)


def test_poses_in_any_order_and_twice() -> None:
    found = Trajectory()
    for i in (2, 0, 1, 1):
        found.add(i * S // 10, pose(0.1 * i, 0))
    assert len(found) == 3 and found.at(S // 20)[0, 3] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("stamp_s", "sentence"),
    [
        (1.2, "the last pose is 0.2 s before the image, expected poses before and after it"),
        (-0.5, "the first pose is 0.5 s after the image, expected"),
        (1.7e9, "before the image: the stamps of the poses are of another clock"),
    ],
)
def test_outside_there_is_no_pose(stamp_s, sentence) -> None:
    with pytest.raises(DataError, match=sentence):
        path().at(round(stamp_s * S))


def test_gaps_and_no_pose_are_told() -> None:
    found = path()
    found.add(3 * S, pose(0, 0))
    with pytest.raises(DataError, match=r"a gap of 2 s around the image"):
        found.at(2 * S)
    with pytest.raises(DataError, match="no pose has come yet"):
        Trajectory().at(0)


def test_only_the_newest_are_kept_and_time_that_jumps_back_begins_anew() -> None:
    assert len(path(kept=4)) == 4
    found = path()
    found.add(-5 * S, pose(0, 0))
    assert len(found) == 1
