# SPDX-License-Identifier: Apache-2.0
"""How the alignment is doing: one plain sentence, and its figures. No ROS here."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from mono_depth_ros.alignment.align import Histogram
from mono_depth_ros.alignment.aligner import Aligned
from mono_depth_ros.alignment.metrics import DepthMetrics
from mono_depth_ros.nodes.health import ERROR, OK, WARN
from mono_depth_ros.nodes.monitor import Snapshot


@dataclass(frozen=True)
class AlignmentFacts:
    """What the sentence is made from, beside the counts of the Monitor since the previous report.

    Attributes:
        reference_topics: "" for references without a sensor. reference_problem: why the last reference was of no use.
        last: what became of the last image; None before the first.
        max_abs_rel: beyond it a result is not to be trusted.
    """

    active: bool
    lazy: bool
    subscribers: int
    depth_topics: str
    depth_publishers: int
    conflict: str
    camera_problem: str
    reference_topics: str
    reference_publishers: int
    since_reference_s: float
    reference_problem: str
    last: Aligned | None
    max_abs_rel: float
    timeout_s: float


def judge_alignment(facts: AlignmentFacts, now: Snapshot, before: Snapshot) -> tuple[int, str]:
    """The diagnostic level and the sentence, by what hinders most."""
    if not facts.active:
        return WARN, "not active: waiting for a lifecycle manager to configure and activate the node"
    if facts.conflict:
        return ERROR, facts.conflict
    if facts.lazy and facts.subscribers == 0:
        return OK, "idle: nobody subscribes to an output, so no depth is asked for"
    if facts.depth_publishers == 0:
        return WARN, f"no depth: nothing publishes {facts.depth_topics}; is the depth node running in this namespace?"
    if now.since_received_s > facts.timeout_s:
        return WARN, f"no depth: nothing has arrived on {facts.depth_topics} for {now.since_received_s:.1f} s"
    if facts.camera_problem:
        return ERROR, facts.camera_problem
    return _of_reference(facts, now, before)


def _of_reference(facts: AlignmentFacts, now: Snapshot, before: Snapshot) -> tuple[int, str]:
    last = facts.last
    needed = last is None or last.state != "frozen"
    if facts.reference_topics and needed:
        if facts.reference_publishers == 0:
            return WARN, f"no reference: nothing publishes {facts.reference_topics}{_state(last)}"
        if facts.since_reference_s > facts.timeout_s:
            found = f"no reference: nothing has arrived on {facts.reference_topics} for {facts.since_reference_s:.1f} s"
            return WARN, found + _state(last)
    if last is None:
        return OK, "working on the first images"
    if last.prediction is None:
        return ERROR, f"unaligned: {facts.reference_problem or last.reason}"
    if needed and facts.reference_problem:
        return WARN, facts.reference_problem + _state(last)
    if last.alignment is not None and last.alignment.trusted is False:
        assert last.alignment.after is not None
        return WARN, (
            f"held-out AbsRel {last.alignment.after.abs_rel:.3f} exceeds max_abs_rel, {facts.max_abs_rel:g}: are the "
            "extrinsics and the time stamps right?"
        )
    if last.reason:
        return WARN, last.reason
    if now.published == before.published and now.received > before.received:
        return ERROR, f"every image is dropped: {now.last_drop}"
    return OK, f"{last.state}, {now.rate_out_hz:.1f} Hz{_error(last)}"


def alignment_figures(last: Aligned | None, offset_s: float) -> dict[str, str]:
    """Key-value pairs of the last image's alignment."""
    if last is None:
        return {"state": "unaligned"}
    found = {
        "state": last.state,
        "age of the fit (s)": f"{last.age_s:.2f}",
        "samples fitted": str(last.fitted),
        "samples held out": str(last.held_out),
        "reference minus image (ms)": f"{offset_s * 1e3:.1f}",
    }
    if last.reason:
        found["reason"] = last.reason
    alignment = last.alignment
    if alignment is None:
        return found
    fit = alignment.fit
    std = np.sqrt(np.maximum(np.diag(fit.covariance), 0.0))
    found |= {
        "curve": fit.curve.value,
        "scale": f"{fit.scale:.6g}",
        "shift": f"{fit.shift:.6g}",
        "scale std": f"{std[0]:.2g}",
        "shift std": f"{std[1]:.2g}",
        "inliers (%)": f"{100 * fit.inliers:.1f}",
        "trusted": {None: "unknown", True: "yes", False: "no"}[alignment.trusted],
    }
    found |= _metrics("before", alignment.before) | _metrics("after", alignment.after)
    if last.histogram is not None:
        found["held-out errors"] = histogram_words(last.histogram)
    return found


def histogram_words(histogram: Histogram) -> str:
    """`-10%: 3, -5%: 12, ...`: the count of samples up to each relative error, the last one beyond."""
    parts = []
    for (low, high), count in zip(pairwise(histogram.edges), histogram.counts, strict=True):
        edge = f"<{100 * math.expm1(high):+.0f}%" if math.isfinite(high) else f">{100 * math.expm1(low):+.0f}%"
        parts.append(f"{edge}: {count}")
    return ", ".join(parts)


def _metrics(when: str, metrics: DepthMetrics | None) -> dict[str, str]:
    if metrics is None:
        return {}
    values = asdict(metrics)
    names = {"mae_m": "MAE (m)", "rmse_m": "RMSE (m)", "abs_rel": "AbsRel", "delta1": "delta1"}
    return {f"held-out {label} {when}": f"{values[name]:.4f}" for name, label in names.items()}


def _state(last: Aligned | None) -> str:
    if last is None or last.prediction is None:
        return "; unaligned"
    return f"; {last.state}, the last fit is {last.age_s:.1f} s old"


def _error(last: Aligned) -> str:
    if last.alignment is None or last.alignment.after is None:
        return ""
    before, after = last.alignment.before, last.alignment.after
    was = f" (before: {before.abs_rel:.3f})" if before is not None else ""
    return f", held-out AbsRel {after.abs_rel:.3f}{was}"
