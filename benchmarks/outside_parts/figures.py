# SPDX-License-Identifier: Apache-2.0
"""What is asked of the depth node, and whether what was measured holds it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_CLOUD_HZ = {"640x480": 25.0, "1280x720": 15.0, "1920x1080": 8.0}
_SIGNS: dict[str, Callable[[float, float], bool]] = {"at least": operator.ge, "at most": operator.le}
_DEPTH, _CLOUD = "depth/image", "depth/points"
_FLAT_MB_PER_MINUTE = 0.5


def figures(cases: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One for each figure whose cases, by name, were measured: what is asked, measured, and whether that holds."""
    found = []
    for name, sign, asked, measured in (*_rates(cases), *_latency(cases), *_flood(cases), *_outliers(cases)):
        holds = _SIGNS[sign](measured, asked)
        found.append(
            {"figure": name, "asked": f"{sign} {asked:g}", "measured": round(measured, 3), "holds": holds},
        )
    return found


_Figure = tuple[str, str, float, float]


def _rates(cases: Mapping[str, Mapping[str, Any]]) -> Iterator[_Figure]:
    for size, cloud_hz in _CLOUD_HZ.items():
        alone, both = cases.get(f"{size}/image"), cases.get(f"{size}/cloud")
        if alone and both and alone["topics"][_DEPTH]["hz"]:
            ratio = both["topics"][_DEPTH]["hz"] / alone["topics"][_DEPTH]["hz"]
            yield f"{size}: rate of depth with the cloud subscribed over that without", "at least", 0.9, ratio
        if both:
            yield f"{size}: clouds at that time, Hz", "at least", cloud_hz, both["topics"][_CLOUD]["hz"]


def _latency(cases: Mapping[str, Mapping[str, Any]]) -> Iterator[_Figure]:
    network = cases.get("640x480/network")
    for name in ("640x480/image", "640x480/cloud"):
        latency = _depth_latency(cases.get(name))
        if network and latency:
            forward = network["forward_p10_ms"]
            yield f"{name}: latency of depth, p50, ms (network + 12)", "at most", forward + 12, latency["p50"]
            yield f"{name}: latency of depth, p99, ms (2 x network + 30)", "at most", 2 * forward + 30, latency["p99"]


def _flood(cases: Mapping[str, Mapping[str, Any]]) -> Iterator[_Figure]:
    network, alone, both = (cases.get(name) for name in ("640x480/network", "flood/image", "flood/cloud"))
    latency = _depth_latency(both)
    if network and latency:
        most = 2 * network["forward_p10_ms"] + 30
        yield "flood/cloud: latency of depth, p99, ms (2 x network + 30)", "at most", most, latency["p99"]
    if alone and both and alone["topics"][_DEPTH]["hz"]:
        ratio = both["topics"][_DEPTH]["hz"] / alone["topics"][_DEPTH]["hz"]
        yield "flood: rate of depth with the cloud subscribed over that without", "at least", 0.9, ratio
    for name in ("flood/image", "flood/cloud"):
        slope = cases.get(name, {}).get("memory_mb", {}).get("slope_mb_per_minute")
        if slope is not None:
            yield f"{name}: growth of memory, MB a minute", "at most", _FLAT_MB_PER_MINUTE, slope


def _outliers(cases: Mapping[str, Mapping[str, Any]]) -> Iterator[_Figure]:
    names = ("640x480/image", "640x480/obstacles", "peer/cloud", "peer/outliers")
    found = [cases[name]["node_ms_per_result"] for name in names if name in cases]
    if len(found) == len(names):
        image, obstacles, cloud, outliers = found
        ratio = (outliers - cloud) / max(obstacles - image, 0.1)
        yield "640x480: processor time of statistical outlier removal over that of obstacles", "at least", 20.0, ratio


def _depth_latency(case: Mapping[str, Any] | None) -> Mapping[str, float]:
    found: Mapping[str, float] = case["topics"][_DEPTH].get("latency_ms", {}) if case else {}
    return found
