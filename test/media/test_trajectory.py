# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.trajectory import read_trajectory


def test_stamps_of_today_keep_their_nanoseconds(tmp_path) -> None:
    (tmp_path / "poses.txt").write_text(
        "# stamp tx ty tz qx qy qz qw\n\n1700000000.123456789 1 2 3 0 0 0 1\n1700000000.2,2,2,3,0,0,1,0\n"
    )
    found = read_trajectory(tmp_path / "poses.txt")
    np.testing.assert_allclose(found.at(1_700_000_000_123_456_789)[:3, 3], (1, 2, 3))
    np.testing.assert_allclose(found.at(1_700_000_000_200_000_000)[:2, :2], -np.eye(2), atol=1e-12)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 2 3\n", "line 1 is '1 2 3', expected stamp tx"),
        ("1 0 0 0 0 0 0 2\n", "line 1: the quaternion .* has length 2"),
        ("x 0 0 0 0 0 0 1\n", "line 1 is"),
        ("nan 0 0 0 0 0 0 1\n", "line 1 is"),
        ("1 nan 0 0 0 0 0 1\n", "line 1: .*expected finite"),
        ("# nothing\n", "holds no pose"),
    ],
)
def test_other_files_are_named(tmp_path, text, sentence) -> None:
    (tmp_path / "poses.txt").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_trajectory(tmp_path / "poses.txt")


def test_absent_and_binary(tmp_path) -> None:
    (tmp_path / "bin").write_bytes(b"\xff\xfe\x00")
    for name in ("absent", "bin"):
        with pytest.raises(DataError, match="cannot be read"):
            read_trajectory(tmp_path / name)
