# SPDX-License-Identifier: Apache-2.0
"""What became of a bag, as JSON values and in words: above all, what was asked for and is not there, and why."""

from __future__ import annotations

from typing import Any

from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import SENTENCE, shown
from mono_depth_ros.streams.outputs import Output
from mono_depth_ros.streams.reasons import Reasons
from mono_depth_ros.tools.bag.align import Alignment
from mono_depth_ros.tools.bag.exports import PLY, TUM
from mono_depth_ros.tools.bag.map import MAP
from mono_depth_ros.tools.bag.poses import LINES
from mono_depth_ros.tools.bag.target import Progress


def results(
    topics: dict[str, Output], config: BagConfig, poses: bool, progress: Progress, alignment: Alignment | None
) -> dict[str, Any]:
    """The part of a summary that says what there is.

    Args:
        topics: that are written. poses: they were to become lines of an export.

    Returns:
        messages: by topic, and files or lines of exports. empty: what was asked for and has none of these. missing:
        sentences on what is not there for every image. doubts: on what is there and may be wrong.
    """
    exports = [*([TUM] if config.export_tum else []), *([PLY] if config.export_ply else [])]
    wanted = [*topics, *exports, *([LINES] if poses else []), *([MAP] if config.map else [])]
    # What was begun by an earlier version has not counted them.
    counted = bool(progress.messages) or not progress.written
    messages = {name: progress.messages.get(name, 0) for name in wanted} if counted else {}
    missing = [Reasons(progress.reasons).sentence("depth of", progress.written, progress.frames)]
    doubts: list[str] = []
    if count := len(without := Reasons(progress.without_obstacles)):
        missing.append(f"no obstacles of {count} results: {without.words(count)}")
    if alignment is not None and counted and progress.written:
        aligned = progress.written - len(alignment.unaligned)
        missing.append(alignment.unaligned.sentence("aligned", aligned, progress.written))
        if doubtful := len(alignment.untrusted):
            doubts = [f"{doubtful} of {aligned} aligned images are not trusted: {alignment.untrusted.first}"]
    return {
        "messages": messages,
        "empty": [name for name, count in messages.items() if not count],
        "missing": [*filter(None, missing), *progress.notes],
        "doubts": doubts,
    }


def failure(summary: dict[str, Any]) -> str:
    """Why a conversion that came to its end has the exit code 1: damage, or an output without any message; or ""."""
    if summary["damage"]:
        return str(summary["damage"])
    empty = ", ".join(summary.get("empty", ()))
    if not (empty or not summary["written"]):
        return ""
    why = "; ".join(summary.get("missing", ())) or "not one image became depth"
    return f"{why}; empty: {empty}" if empty else why


def in_words(summary: dict[str, Any]) -> str:
    """What became of one bag, in lines."""
    out, rate = shown(summary["out"], SENTENCE), f"{summary['frames_per_s']:g} a second"
    done = f"{summary['written']} of {summary['frames']} images, {rate}"
    lines = [f"{out}: {done}, {summary['model']} ({summary['engine']})"]
    lines += [*summary.get("missing", ()), *summary.get("doubts", ())]
    if (surface := summary.get("map")) and surface["vertices"]:
        lines.append(f"{surface['path']}: the surface of {surface['fused']} images, {surface['vertices']} points")
    if empty := summary.get("empty"):
        lines.append(f"nothing was written of: {', '.join(empty)}")
    if summary["damage"]:
        lines.append(f"{summary['damage']}; the rest is converted")
    return "\n".join(shown(line, SENTENCE) for line in lines)
