# SPDX-License-Identifier: Apache-2.0
"""How the alignment is doing: one plain sentence, and its figures. No ROS here."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from mono_depth_ros.alignment.align import Histogram
from mono_depth_ros.alignment.aligner import Aligned
from mono_depth_ros.metrics import DepthMetrics
from mono_depth_ros.streams.health import ERROR, OK, WARN, Feed, all_dropped, many_lost, no_obstacles, untrusted
from mono_depth_ros.streams.monitor import Snapshot


@dataclass(frozen=True)
class AlignmentFacts:
    """What the sentence is made from, beside the counts of the Monitor since the previous report.

    Attributes:
        depth, camera_info, reference: the inputs. depth_quarrel: a sentence where both kinds of depth come, or "".
        qos_conflict, camera_problem, colour_problem, reference_problem: a sentence, or "".
        last: what became of the last image; None before the first. remedy: what to do that large images arrive.
        fuse_problem: why results are not combined, a sentence or "".
        metric: samples are metres; else errors say how far the scale holds, and nothing of metres.
        no_depth, few: of `Usable`, a sentence or ""; of pictures and clocks the depth node speaks.
        no_obstacles, obstacle_concern: as of `Facts`.
        of_image: a network makes the depth here, of images: `depth` is how these are doing.
    """

    lazy: bool
    subscribers: int
    qos_conflict: str
    depth: Feed
    depth_quarrel: str
    camera_info: Feed
    camera_info_known: bool
    camera_problem: str
    colour_problem: str
    reference: Feed
    reference_problem: str
    last: Aligned | None
    max_abs_rel: float
    publish_bad: bool
    timeout_s: float
    remedy: str = ""
    no_depth: str = ""
    few: str = ""
    fuse_problem: str = ""
    metric: bool = True
    no_obstacles: str = ""
    obstacle_concern: str = ""
    of_image: bool = False


def judge_alignment(facts: AlignmentFacts, now: Snapshot, before: Snapshot) -> tuple[int, str]:
    """The diagnostic level and the sentence for an active node, by what hinders most."""
    if facts.qos_conflict:
        return ERROR, facts.qos_conflict
    if facts.lazy and facts.subscribers == 0:
        return OK, "idle: nobody subscribes to an output, so no depth is asked for"
    if facts.of_image and (silence := facts.depth.silence("image", facts.timeout_s, now.lost_since_last)):
        return WARN, f"{silence}; is the camera driver running?"
    if silence := facts.depth.silence("depth", facts.timeout_s, now.lost_since_last):
        running = "what does the depth node say on /diagnostics?" if facts.depth.publishers else ""
        return WARN, f"{silence}; {running or 'is the depth node running in this namespace?'}"
    if facts.of_image and not facts.camera_info_known and now.received > before.received:
        return WARN, (
            f"no camera_info: nothing has arrived on {facts.camera_info.topics}; the camera driver publishes it beside "
            "its images"
        )
    if not facts.camera_info_known and now.received > before.received:
        return WARN, (
            f"no camera_info: nothing has arrived on {facts.camera_info.topics}; "
            "the depth node publishes it beside the depth"
        )
    if facts.camera_problem:
        return ERROR, facts.camera_problem
    return _of_reference(facts) or _of_results(facts, now, before)


def _of_reference(facts: AlignmentFacts) -> tuple[int, str] | None:
    last = facts.last
    if last is not None and last.state == "frozen":
        return None
    problem = facts.reference.silence("reference", facts.timeout_s) or facts.reference_problem
    if not problem:
        return None
    level = WARN if last is None or last.prediction is not None else ERROR
    return level, problem + _state(last)


def _of_results(facts: AlignmentFacts, now: Snapshot, before: Snapshot) -> tuple[int, str]:
    last = facts.last
    if last is not None and last.prediction is None:
        return ERROR, f"unaligned: {last.reason}"
    if last is not None and last.alignment is not None and last.alignment.trusted is False:
        assert last.alignment.after is not None
        kept = "" if facts.publish_bad else ", so nothing is published"
        if not facts.metric:
            off, most = last.alignment.after.abs_rel, facts.max_abs_rel
            return (
                WARN,
                f"{off:.3f} off the images before exceeds max_abs_rel, {most:g}{kept}: does all move that is seen?",
            )
        return WARN, untrusted(last.alignment.after.abs_rel, facts.max_abs_rel, kept)
    if dropped := all_dropped("image", now, before):
        return ERROR, dropped
    if facts.no_depth:
        return ERROR, facts.no_depth
    if facts.no_obstacles:
        return ERROR, no_obstacles(facts.no_obstacles)
    if last is None:
        return OK, "working on the first images"
    lost = many_lost("depth images", now.recent_loss, facts.remedy)
    for problem in (
        facts.obstacle_concern,
        facts.few,
        facts.depth_quarrel,
        last.reason,
        facts.colour_problem,
        facts.fuse_problem,
        lost,
    ):
        if problem:
            return WARN, problem
    return OK, f"{last.state}, publishing {now.rate_out_hz:.1f} Hz{_error(last, facts.metric)}"


def alignment_figures(last: Aligned | None, offset_s: float, metric: bool = True) -> dict[str, str]:
    """Key-value pairs of the last image's alignment; `metric` is that of AlignmentFacts."""
    if last is None:
        return {"state": "unaligned"}
    found = {
        "state": last.state,
        "age of the fit (s)": f"{last.age_s:.2f}",
        "samples fitted": str(last.fitted),
        "samples held out": str(last.held_out),
        "reference minus image (ms)": f"{offset_s * 1e3:.1f}",
    }
    if not metric:
        found["errors are"] = "differences to the images before; how far the scale is from metres is not known"
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
    if (reach := alignment.reach) is not None:
        found |= {
            "image within reach of samples (%)": f"{100 * reach.share:.0f}",
            "reach (px)": f"{reach.distance_px:.0f}",
            "AbsRel within reach": f"{reach.abs_rel_within:.4f}",
            "AbsRel beyond reach": f"{reach.abs_rel_beyond:.4f}",
        }
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


def _error(last: Aligned, metric: bool) -> str:
    if last.alignment is None or last.alignment.after is None:
        return ""
    before, after = last.alignment.before, last.alignment.after
    if not metric:
        return f", {after.abs_rel:.3f} off the images before on average; how far from metres is not known"
    was = f" (before: {before.abs_rel:.3f})" if before is not None else ""
    return f", held-out AbsRel {after.abs_rel:.3f}{was}"
