# SPDX-License-Identifier: Apache-2.0
"""What the report says about a run, in plain words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mono_depth_ros.metrics import DepthMetrics
from mono_depth_ros.tools.demo.frames import DemoFrame, Timing

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
        depth, aligned, latency = summary.get("depth"), summary["aligned"], summary["latency_ms"]
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


def notes(
    source: str, truth: str, rate_hz: float, window_s: float, aligned: bool = False, waits: bool = False
) -> list[str]:
    """How the figures came about.

    Args:
        source: what published the images. truth: where the ground truth comes from, "" where there is none.
        rate_hz: of the source, as it arrived. window_s: how long it was measured. aligned: by the lidar, as well.
        waits: the source, for the depth of each image.
    """
    chain = f"{source}, the depth node{', the alignment node' if aligned else ''} and a recorder"
    found = [
        f"{chain} ran as separate processes that talked ROS 2 with each other; the recorder kept {window_s:.1f} s, in "
        f"which images came at {rate_hz:.1f} Hz.",
        "It began to count once all topics were connected and the first results had arrived: start-up does not count.",
        "Latency runs from the stamp of an image to the arrival of its depth image at the recorder, on the system "
        "clock that all processes of a machine share. It holds both transports, decoding, network and encoding.",
        "The camera node published the next image when the depth of the one before had come, so that none is dropped."
        if waits
        else "Dropped are images without a depth image: while the network is busy only the newest waiting one is kept.",
        "The cloud leaves out flying pixels at depth edges; figures are of all pixels of the depth image.",
    ]
    if truth:
        found.insert(
            3,
            f"Ground truth is {truth}. Figures are pooled over all pixels where both depths are known and finite; "
            "nothing was aligned or scaled to it.",
        )
    if aligned:
        found.append(
            "The alignment node is given the lidar's mounting and its points, with their noise, and nothing of the "
            "ground truth. It puts a tenth of the points aside, chosen by a hash, and measures its error on those."
        )
    return found


def alignment_words(
    before: dict[str, Any], after: dict[str, Any], alignment: dict[str, Any] | None, timing: Timing
) -> str:
    """What the alignment made of the errors; the dictionaries are `depth`, `aligned`, `alignment` of summary.json."""
    was, now = (f"{100 * figures['abs_rel']:.1f} %" for figures in (before, after))
    change = f"went from {was} to {now}" if was != now else f"stayed at {now}"
    found = f"By the points of the lidar the mean error {change} of the true distance."
    if alignment is not None:
        found += f" The alignment node multiplies all depth by {alignment['scale']:.3f}, corrects what is left locally"
        if alignment["held_out_abs_rel"] is not None:
            found += (
                f", and says itself how far that can be trusted: {100 * alignment['held_out_abs_rel']:.1f} % off, in "
                "the median, at lidar points that it did not use; between the lines of the lidar it may be more"
            )
        found += "."
    if len(timing.aligned_ns):
        delay = np.median((timing.aligned_ns[:, 1] - timing.aligned_ns[:, 0]) / 1e6)
        found += f" Aligned depth arrives {delay:.0f} ms after the stamp of its image."
    return found
