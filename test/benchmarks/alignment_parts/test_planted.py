# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from alignment_parts import planted


@pytest.fixture(scope="module")
def rows() -> dict[str, dict]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planted, "KINDS", ("room", "street"))
        patch.setattr(planted, "WORLDS", 2)
        return {row["name"]: row for row in planted.rows()}


def test_what_is_planted_is_found(rows: dict[str, dict]) -> None:
    asked = [row for name, row in rows.items() if row["asked"] is not None and "thread" not in name]
    assert len(asked) == 9 and all(row["holds"] is True for row in asked)
    assert all(set(row) == {"name", "measured", "asked", "unit", "holds"} for row in rows.values())


def test_plain_least_squares_is_shown_failing(rows: dict[str, dict]) -> None:
    plain = [row for name, row in rows.items() if "lstsq" in name]
    assert len(plain) == 5 and all(row["measured"] > 10 and row["holds"] is None for row in plain)


def test_outliers_are_as_many_as_said() -> None:
    depth = np.full(200, 5.0)
    found = planted._spoilt(depth, 0.0, np.random.default_rng(0))
    assert (found != 5.0).sum() == 60 and found.min() >= planted.NEAREST_M and found.max() <= planted.FARTHEST_M


def test_a_fit_that_is_off_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planted, "OUTLIERS", 0.5)
    depth = np.exp(np.random.default_rng(0).uniform(0, 3, 1000))
    found = planted._planted([depth], 40, 0.02, "robust")
    assert not all(row["holds"] for row in found)
