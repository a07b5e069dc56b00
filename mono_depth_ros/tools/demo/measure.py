# SPDX-License-Identifier: Apache-2.0
"""Figures of a demo run: speed from the arrivals, accuracy from the pixels of all its frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mono_depth_ros.metrics import DepthMetrics, MetricsSum, depth_metrics, valid_pairs
from mono_depth_ros.tools.demo.course import Course
from mono_depth_ros.tools.demo.frames import DemoFrame, Timing
from mono_depth_ros.tools.report.errors import ErrorDistribution


@dataclass(eq=False)
class Errors:
    """Accumulates the errors of frames with ground truth, pooled over all their pixels.

    Attributes:
        per_frame: errors of each frame, by its index.
        ratios: of each frame, by its index: the median of depth / truth.
    """

    total: MetricsSum = field(default_factory=MetricsSum)
    distribution: ErrorDistribution = field(default_factory=ErrorDistribution)
    per_frame: dict[int, DepthMetrics] = field(default_factory=dict)
    ratios: dict[int, float] = field(default_factory=dict)

    def add(self, frame: DemoFrame) -> None:
        """Count one frame; without ground truth, or where no pixel has both depths, it does not count."""
        if frame.truth is None:
            return
        depth, truth = valid_pairs(frame.depth, frame.truth)
        if not depth.size:
            return
        self.total.add(depth, truth)
        self.distribution.add(depth, truth)
        self.per_frame[frame.index] = depth_metrics(depth, truth)
        self.ratios[frame.index] = float(np.median(depth / truth))

    @property
    def known(self) -> bool:
        """Whether any pixel had ground truth."""
        return self.total.n > 0


def summary(
    model: str,
    timing: Timing,
    errors: Errors,
    aligned: Errors | None = None,
    motion: Errors | None = None,
    course: Course | None = None,
) -> dict[str, Any]:
    """The content of summary.json; without ground truth there is no `depth`, without results no latency.

    `aligned` and `motion`, the errors after the alignment by the lidar and by the camera's own motion, and `alignment`,
    the medians of `course`, are None where there is none.
    """
    latency = timing.latency_ms
    p50, p99 = np.percentile(latency, (50, 99)).tolist() if latency.size else (None, None)
    found: dict[str, Any] = {
        "model": model,
        "frames_in": timing.frames_in,
        "frames_out": timing.frames_out,
        "dropped": timing.frames_in - timing.frames_out,
        "rate_hz": _rounded(timing.rate_hz, 3),
        "latency_ms": {"p50": _rounded(p50, 3), "p99": _rounded(p99, 3)},
    }
    if errors.known:
        found["depth"] = _figures(errors)
    for name, after in (("aligned", aligned), ("motion", motion)):
        found[name] = _figures(after) if after is not None and after.known else None
    found["alignment"] = course.summary() if course is not None else None
    return found


def _figures(errors: Errors) -> dict[str, Any]:
    total = errors.total.result()
    return {
        **{name: _rounded(getattr(total, name), 6) for name in ("abs_rel", "rmse_m", "delta1", "mae_m")},
        "n": total.n,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
