# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from alignment_parts import ground


@pytest.fixture(scope="module")
def rows() -> dict[str, dict]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ground, "KINDS", ("room", "street"))
        patch.setattr(ground, "WORLDS", 1)
        patch.setattr(ground, "VIEWS", 4)
        return {row["name"]: row for row in ground.rows()}


def test_what_is_asked_is_measured_and_holds(rows: dict[str, dict]) -> None:
    asked = {name: row for name, row in rows.items() if row["asked"] is not None}
    assert len(asked) == 3 and all(set(row) == {"name", "measured", "asked", "unit", "holds"} for row in rows.values())
    planted = [row for name, row in asked.items() if "within 3 %" in name]
    assert [row["measured"] for row in planted] == [100.0, 100.0]
    assert all(row["holds"] is True for row in planted)
    assert all(row["holds"] is None for name, row in rows.items() if name not in asked)


def test_frames_without_floor_are_there_and_refused(rows: dict[str, dict]) -> None:
    refused = [row for name, row in rows.items() if "without floor" in name]
    assert len(refused) == 3 and all(row["measured"] > 60 for row in refused)


def test_kitti(rows: dict[str, dict], real_data) -> None:
    assert not any("kitti" in name for name in rows), "no folder, no figure"
    row = ground._kitti(real_data / "kitti_depth")
    assert row["holds"] is True and 0 < row["measured"] <= 5
