# SPDX-License-Identifier: Apache-2.0
"""What the report says about a run, in plain words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mono_depth_ros.metrics import DepthMetrics
from mono_depth_ros.tools.demo.frames import DemoFrame, Timing
from mono_depth_ros.tools.demo.source import Source

TINY_WORDS = (
    "The model tiny is demo-grade: it is small, it was trained on this package's synthetic world only, and that world "
    "is what it knows. For real scenes choose another model."
)
OTHER_WORDS = (
    "The figures below are this model's on this source, as they came: nothing was aligned or scaled afterwards."
)


@dataclass(frozen=True)
class Words:
    """The texts of the report that depend on the run."""

    headline: str
    lead: str
    honesty: str
    notes: list[str] = field(default_factory=list)

    def tiles(self, summary: dict[str, Any]) -> list[tuple[str, str, str, str]]:
        """Label, figure, unit and explanation of each headline figure."""
        depth, latency = summary.get("depth"), summary["latency_ms"]
        aligned = summary["aligned"] or summary["motion"]
        tiles = []
        if depth:
            now = aligned or depth
            was = {name: f"; {value} before alignment" for name, value in _shown(depth).items()} if aligned else {}
            shown = _shown(now)
            tiles += [
                ("AbsRel", shown["abs_rel"], "", f"mean error ÷ true distance{was.get('abs_rel', '')}"),
                ("δ1", shown["delta1"], "%", f"pixels within a factor of 1.25{was.get('delta1', '')}"),
                ("RMSE", shown["rmse_m"], "m", f"mean absolute error {now['mae_m']:.2f} m{was.get('rmse_m', '')}"),
            ]
        if latency["p50"] is not None:
            tiles.append(
                ("Latency", f"{latency['p50']:.0f}", "ms", f"median; 99 % arrive within {latency['p99']:.0f} ms")
            )
        dropped = summary["dropped"]
        drops = "none dropped" if dropped == 0 else f"{dropped} dropped: the newest frame wins"
        tiles += [
            ("Rate", f"{summary['rate_hz']:.1f}", "Hz", "depth images a second"),
            ("Frames", f"{summary['frames_out']}", f"of {summary['frames_in']}", drops),
        ]
        return tiles

    def cloud(
        self,
        frame: DemoFrame,
        data: dict[str, Any],
        before: DepthMetrics | None = None,
        after: DepthMetrics | None = None,
    ) -> str:
        """What is said about the clouds on the page; before and after alignment: the errors of their frame."""
        if not data["clouds"]:
            return "The depth node published no cloud."
        first = data["shown"]
        points = f"{data['clouds'][first]['n']:,}".replace(",", "\u202f")
        others = " and ".join(_CLOUDS[name] for name in data["clouds"] if name != first)
        found = f"Frame {frame.index}, {points} points of {_CLOUDS[first]}."
        if first == "aligned" and before and after:
            found += (
                f" Its mean error is {100 * before.abs_rel:.1f} % of the true distance before alignment and "
                f"{100 * after.abs_rel:.1f} % after: of all frames of the run it gains most."
            )
        part = " (show both to see where they part)" if "truth" in data["clouds"] else ""
        return f"{found} Beside it {others}{part}." if others else found


_CLOUDS = {
    "aligned": "the aligned depth",
    "node": "what the depth node published on depth/points",
    "truth": "the ground truth",
}


def _shown(figures: dict[str, Any]) -> dict[str, str]:
    return {
        "abs_rel": f"{figures['abs_rel']:.3f}",
        "delta1": f"{100 * figures['delta1']:.1f}",
        "rmse_m": f"{figures['rmse_m']:.2f}",
    }


def notes(source: Source, truth: bool, rate_hz: float, window_s: float) -> list[str]:
    """How the figures came about.

    Args:
        truth: whether the ground truth of any image is known. rate_hz: of the source, as it arrived. window_s: how long
            it was measured.
    """
    topics = source.topics
    alignments = (topics.aligned != "") + (topics.motion != "")
    between = ("", ", the alignment node", ", two alignment nodes")[alignments]
    chain = f"{source.publisher}, the depth node{between} and a recorder"
    found = [
        f"{chain} ran as separate processes that talked ROS 2 with each other; the recorder kept {window_s:.1f} s, in "
        f"which images came at {rate_hz:.1f} Hz.",
        "It began to count once all topics were connected and the first results had arrived: start-up does not count.",
        "Latency runs from the stamp of an image to the arrival of its depth image at the recorder, on the system "
        "clock that all processes of a machine share. It holds both transports, decoding, network and encoding.",
        "The camera node published the next image when the depth of the one before had come, so that none is dropped."
        if source.waits
        else "Dropped are images without a depth image: while the network is busy only the newest waiting one is kept.",
        "The cloud leaves out flying pixels at depth edges; figures are of all pixels of the depth image.",
    ]
    if truth:
        found.insert(
            3,
            f"Ground truth is {source.truth}. Figures are pooled over all pixels where both depths are known and "
            "finite; nothing was aligned or scaled to it.",
        )
    if topics.aligned:
        found.append(
            "The alignment node of the lidar is given its mounting and its points, with their noise, and nothing of "
            "the ground truth. It puts a tenth of the points aside, chosen by a hash, and measures its error on those."
        )
    if topics.motion:
        found.append(
            "The alignment node by motion is given the wheels' odometry, with its errors, and where the camera is on "
            "the robot, and has no other sensor. Where motion tells nothing yet, its depth is that of the depth node."
        )
    return found


def alignment_words(summary: dict[str, Any], timing: Timing) -> str:
    """What the alignments made of the errors."""
    was, alignment = _percent(summary["depth"]), summary["alignment"]
    found = ""
    if (after := summary["aligned"]) is not None:
        found += f"By the points of the lidar the mean error {_change(was, _percent(after))} of the true distance."
    if (after := summary["motion"]) is not None:
        found += (
            f"{' ' if found else ''}By the camera's own motion and the odometry of the wheels, which is off by about "
            f"1 % of the way and .2 degrees a second, without any other sensor, it {_change(was, _percent(after))}."
        )
    if summary["aligned"] is not None and alignment is not None:
        found += (
            f" The lidar's alignment node multiplies all depth by {alignment['scale']:.3f}, corrects the rest locally"
        )
        if alignment["held_out_abs_rel"] is not None:
            found += (
                f", and says itself how far that can be trusted: {100 * alignment['held_out_abs_rel']:.1f} % off, in "
                "the median, at lidar points that it did not use; between the lines of the lidar it may be more"
            )
        found += "."
    if len(timing.aligned_ns):
        delay = np.median((timing.aligned_ns[:, 1] - timing.aligned_ns[:, 0]) / 1e6)
        found += f" Its depth arrives {delay:.0f} ms after the stamp of the image."
    return found


def _percent(figures: dict[str, Any]) -> str:
    return f"{100 * figures['abs_rel']:.1f} %"


def _change(was: str, now: str) -> str:
    return f"went from {was} to {now}" if was != now else f"stayed at {now}"
