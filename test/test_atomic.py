# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from mono_depth_ros.atomic import atomic_path


def test_a_file_is_written_whole(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with atomic_path(target) as path:
        path.write_text("whole")
        assert not target.exists() and path.suffix == ".txt"
    assert target.read_text() == "whole" and [f.name for f in target.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as path:
        path.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
