# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from alignment_parts import local
from mono_depth_ros.alignment.result import Alignment

KEYS = {"name", "measured", "asked", "unit", "holds"}


def small_local(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(local, "KINDS", ("room", "street"))
    patch.setattr(local, "WORLDS", 1)
    patch.setattr(local, "DRAWS", {20: 2, 500: 1})
    patch.setattr(local, "_time", lambda depth: [])


def test_the_planted_field_is_as_large_as_it_says() -> None:
    found = local.distorted(np.full((480, 640), 2.0, np.float32), np.random.default_rng(0)) / 2.0
    assert np.abs(found - 1.0).max() == pytest.approx(local.DISTORTION, abs=1e-5)
    assert np.abs(np.diff(found, axis=1)).max() < 0.01, "it is smooth"


def test_a_distorted_prediction_is_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    small_local(monkeypatch)
    rows = {row["name"]: row for row in local.rows()}
    asked = {name: row for name, row in rows.items() if row["asked"] is not None}
    assert len(asked) == 5 and all(set(row) == KEYS for row in rows.values())
    assert all(row["holds"] is True for row in asked.values()), asked


def test_without_a_correction_the_bars_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    small_local(monkeypatch)
    whole = local.align

    def spoilt(*args, **options) -> Alignment:
        found = whole(*args, **options)
        return Alignment(found.fit, 0.0 * found.correction + 0.3)

    monkeypatch.setattr(local, "align", spoilt)
    assert [row["holds"] for row in local.rows() if row["asked"] is not None] == [False] * 5
