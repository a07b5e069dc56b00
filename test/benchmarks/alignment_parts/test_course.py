# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from alignment_parts import course
from mono_depth_ros.config import TrackerConfig
from mono_depth_ros.prediction import DepthKind


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "STATIC_S", 3.0)
    monkeypatch.setattr(course, "JUMPS", 2)
    monkeypatch.setattr(course, "DRIVE_S", 0.5)
    monkeypatch.setattr(course, "DRIVES", (("room", 11),))


@pytest.mark.parametrize("kind", list(DepthKind))
def test_a_static_scene_is_calm_and_every_image_is_aligned(kind: DepthKind) -> None:
    share, restless, calm, part = course._static("", kind)
    assert share["measured"] == 100.0 and share["holds"] is True
    assert 0 < calm["measured"] < 0.25 * restless["measured"] and part["holds"] is True


def test_a_filter_without_memory_is_not_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "TrackerConfig", lambda bandwidth: TrackerConfig(bandwidth=0.0))
    *_, part = course._static("", DepthKind.METRIC)
    assert part["measured"] == pytest.approx(1.0) and part["holds"] is False


def test_a_jump_is_followed_by_the_third_lidar_frame() -> None:
    one, two, three = course._jump("", DepthKind.METRIC)
    assert one["measured"] < 10 < 90 < two["measured"] and (one["asked"], two["asked"]) == (None, None)
    assert 90 < three["measured"] < 110 and three["asked"] == "95 to 105"


def test_drives_compare_memories() -> None:
    rows = course._drives()
    assert len(rows) == 1 + len(course.BANDWIDTHS) and all(0.01 < row["measured"] < 0.5 for row in rows)
    assert rows[1]["measured"] < rows[0]["measured"], "a fit is better than none"
