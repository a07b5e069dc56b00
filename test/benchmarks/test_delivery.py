# SPDX-License-Identifier: Apache-2.0
"""Stock drivers and viewers, processes without our profile: short forms of delivery.py and loss.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import delivery
import loss


@pytest.mark.slow
def test_depth_of_a_reliable_drivers_images_reaches_both_kinds_of_viewers() -> None:
    # Without the profile, or with a best-effort subscription, it is about a tenth; on an idle machine it is all.
    # A machine that is very busy may drop some itself, hence a second try.
    found = (delivery.measure("ros2 run", 5.0, "reliable", 3.0) for _ in range(2))
    assert any(min(item["percent"].values()) >= 60 for item in found)


@pytest.mark.slow
def test_the_reported_loss_of_large_images_is_the_true_one() -> None:
    found = loss.measure(loss.Case("best effort", 1920, 1080, 10.0, "best_effort", 20))
    assert found["holds"] and found["true_percent"] > 30, found


def table(cases: list[dict[str, Any]]) -> str:
    """The figures of delivery.json: percent to a reliable and to a best-effort viewer, for each start."""
    lines = ["| the driver publishes | at | started by launch | `ros2 run` | `python -m` |", "|---|--:|--:|--:|--:|"]
    for driver in delivery.RELIABILITIES:
        for rate_hz in sorted({case["rate_hz"] for case in cases}):
            row = [case["percent"] for case in cases if (case["driver"], case["rate_hz"]) == (driver, rate_hz)]
            cells = (f"{item['reliable']:.0f}, {item['best_effort']:.0f} %" for item in row)
            lines.append(f"| {driver.replace('_', ' ')} | {rate_hz:.0f} Hz | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def test_the_figures_of_the_docs_are_those_of_the_json_files_and_hold(repository: Path) -> None:
    found = json.loads((repository / "benchmarks" / "delivery.json").read_text())
    page = (repository / "docs" / "ros2.md").read_text()
    assert table(found["cases"]) in page and found["least_of_reliable_drivers"] >= 95
    losses = json.loads((repository / "benchmarks" / "loss.json").read_text())
    assert all(case["holds"] for case in losses["cases"])
    assert f"within {losses['worst_points']:g} points of the truth" in " ".join(page.split())
