# SPDX-License-Identifier: Apache-2.0
"""The depth node measured from outside, in short, and what is asked of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outside
from mono_depth_ros.errors import ConfigError
from outside_parts.cases import Case, cases, chosen
from outside_parts.figures import figures


@pytest.mark.slow
def test_a_case_is_measured_over_dds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(outside, "_SETTLE_S", 0.2)
    found = outside.measure(Case("small", (160, 120), ("image", "cloud"), jpeg=True, cameras=("a", "b")), 1.0, tmp_path)
    depth, cloud = (found["topics"][topic] for topic in ("depth/image", "depth/points"))
    assert found["sent_hz"] > 0 and depth["hz"] > 0 and cloud["hz"] > 0 and depth["slowest_hz"] > 0
    assert 0 < depth["latency_ms"]["p50"] < depth["age_ms"]["p50"] < 20_000
    assert depth["mb"] == pytest.approx(0.08, abs=0.01) and cloud["mb"] == pytest.approx(0.31, abs=0.01)
    assert found["node_ms_per_result"] > 0 and found["memory_mb"]["end"] > 50
    assert {"decode", "estimate", "depth/image", "depth/points"} <= set(found["stages_p50_ms"])


def test_times_of_a_topic() -> None:
    ms = 1_000_000
    seen = np.array([[0, 0, 2 * ms, 3 * ms, 10**6], [0, 0, 4 * ms, 5 * ms, 10**6], [2, 0, 6 * ms, 7 * ms, 10**6]])
    topic = outside._topic(seen, 1.0, 2)
    assert topic["hz"] == 1.5 and topic["slowest_hz"] == 1.0 and topic["mb"] == 1.0
    assert topic["latency_ms"]["p50"] == 4.0 and topic["age_ms"]["p50"] == 5.0
    assert outside._topic(seen[:1], 1.0, 2)["slowest_hz"] == 0.0, "a camera without results counts"


def test_cases_are_chosen_by_name_and_say_what_is_missing() -> None:
    assert [case.name for case in chosen(["640x480/cl*", "peer/image"])] == ["640x480/cloud", "peer/image"]
    assert chosen([]) == cases() and len({case.name for case in cases()}) == len(cases())
    with pytest.raises(ConfigError, match="no case 'cloud', expected: 640x480/image"):
        chosen(["cloud"])
    monkeypatched = Case("x", (1, 1), ("image", "nothing"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(outside.VIEWS, "nothing", ("Image", "depth/nothing"))
        assert monkeypatched.missing == "this version of the node has no depth/nothing"


def _case(depth_hz: float, cloud_hz: float = 0.0, p50: float = 0.0, p99: float = 0.0, **rest: Any) -> dict[str, Any]:
    depth = {"hz": depth_hz, "latency_ms": {"p50": p50, "p99": p99}}
    return {"topics": {"depth/image": depth, "depth/points": {"hz": cloud_hz}}, **rest}


def test_figures_hold_or_not() -> None:
    measured = {
        "640x480/network": {"forward_p10_ms": 6.0},
        "640x480/image": _case(30.0, p50=18.0, p99=43.0, node_ms_per_result=20.0),
        "640x480/cloud": _case(26.0, 25.0, 19.0, 42.0),
        "640x480/obstacles": {"node_ms_per_result": 25.0},
        "peer/cloud": {"node_ms_per_result": 900.0},
        "peer/outliers": {"node_ms_per_result": 1100.0},
        "flood/cloud": _case(30.0, memory_mb={"slope_mb_per_minute": 0.1}),
    }
    found = [(item["measured"], item["holds"]) for item in figures(measured)]
    latency = [(18.0, True), (43.0, False), (19.0, False), (42.0, True)]
    assert found == [(0.867, False), (25.0, True), *latency, (0.0, True), (0.1, True), (40.0, True)]
    assert figures({}) == []
