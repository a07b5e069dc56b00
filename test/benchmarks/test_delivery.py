# SPDX-License-Identifier: Apache-2.0
"""Stock drivers and viewers, processes without our profile: short forms of delivery.py and loss.py."""

from __future__ import annotations

import pytest

import delivery
import loss


def test_depth_of_a_reliable_drivers_images_reaches_both_kinds_of_viewers() -> None:
    # Without the profile, or with a best-effort subscription, it is less than a tenth.
    found = delivery.measure("ros2 run", 5.0, "reliable", 4.0)
    assert found["images"] == 20 and min(found["percent"].values()) >= 70


@pytest.mark.parametrize(
    ("case", "least"),
    [
        (loss.Case("best effort", 1920, 1080, 10.0, "best_effort", 20), 30.0),
        (loss.Case("held up", 160, 120, 30.0, "reliable", 45, 0.2), 60.0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_reported_loss_is_the_true_one(case: loss.Case, least: float) -> None:
    found = loss.measure(case)
    assert found["holds"] and found["true_percent"] > least, found
