# SPDX-License-Identifier: Apache-2.0
"""From a recording to the files of `demo_output/`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mono_depth_ros.atomic import write_whole
from mono_depth_ros.config import DemoConfig
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.media.arrays import write_png
from mono_depth_ros.media.ply import unpack_cloud, write_ply
from mono_depth_ros.tools.demo.adaptation import Adaptation
from mono_depth_ros.tools.demo.cloud_data import aligned_points
from mono_depth_ros.tools.demo.environment import facts
from mono_depth_ros.tools.demo.follow import bar
from mono_depth_ros.tools.demo.frames import DemoFrame, Timing
from mono_depth_ros.tools.demo.measure import Errors, summary
from mono_depth_ros.tools.demo.panels import panel
from mono_depth_ros.tools.demo.recording import Recording
from mono_depth_ros.tools.demo.report import Report
from mono_depth_ros.tools.demo.source import Source
from mono_depth_ros.tools.demo.words import OTHER_WORDS, TINY_WORDS, Words, notes
from mono_depth_ros.tools.report.pictures import DepthScale


def write_results(
    folder: Path, recording: Recording, source: Source, config: DemoConfig, adapted: Adaptation | None = None
) -> dict[str, Any]:
    """Measure the recording and write summary.json, report.html, frame_*.png and cloud.ply to a `folder` of theirs.

    Returns:
        The content of summary.json.

    Raises:
        MonoDepthError: no image has a result.
    """
    (errors, aligned, motion), shown, gained = _look(recording, source, config.pictures)
    cloud_frame = gained or _typical(shown, errors)
    parts = (part for frame in shown for part in (frame.depth, frame.aligned, frame.motion, frame.truth))
    scale = DepthScale.of(parts)
    for frame in shown:
        # Their numbers are those in the report; level 9 takes as long as the rest of the demo.
        write_png(folder / f"frame_{frame.index:04d}.png", panel(frame, scale))
    write_ply(folder / "cloud.ply", *_cloud(cloud_frame))
    found = summary(config.model, recording.timing, errors, aligned, motion, recording.course)
    if adapted is not None:
        found["adapted"] = adapted.as_json()
    words = _words(recording.timing, errors, source, config, cloud_frame)
    where = {"Device asked for": config.device, **facts()}
    page = Report(found, recording.timing, errors, shown, cloud_frame, words, where, aligned, motion, adapted).html()
    write_whole(folder / "report.html", page.encode(errors="backslashreplace"))
    write_whole(folder / "summary.json", f"{json.dumps(found, indent=2)}\n".encode())
    return found


def _look(
    recording: Recording, source: Source, pictures: int
) -> tuple[tuple[Errors, Errors, Errors], list[DemoFrame], DemoFrame | None]:
    """The errors of all frames as they came, by the lidar and by motion, the frames to show, evenly spread over the
    recording, and that of which the lidar divides the mean error by the largest factor; None without lidar or truth."""
    count = recording.complete()
    if count == 0:
        raise MonoDepthError("not one image of the recording has a depth image")
    chosen = set(np.linspace(0, count - 1, min(pictures, count)).round().astype(int).tolist())
    errors, aligned, motion, shown = Errors(), Errors(), Errors(), []
    gained, most = None, 1.0
    for k, frame in enumerate(bar(recording.frames(), total=count, unit="frame", desc="measuring")):
        if source.lookup is not None:
            frame = replace(frame, truth=source.lookup(frame.rgb))
        errors.add(frame)
        if frame.motion is not None:
            motion.add(replace(frame, depth=frame.motion))
        if frame.aligned is not None:
            aligned.add(replace(frame, depth=frame.aligned))
            before, after = errors.per_frame.get(frame.index), aligned.per_frame.get(frame.index)
            if before and after and frame.cloud is not None and before.abs_rel > most * after.abs_rel:
                gained, most = frame, before.abs_rel / max(after.abs_rel, 1e-9)
        if k in chosen:
            shown.append(frame)
    return (errors, aligned, motion), shown, gained


def _cloud(frame: DemoFrame) -> tuple[np.ndarray, np.ndarray]:
    """Points and colours of the cloud that the page opens on, with as many points as the node published."""
    if frame.cloud is None:
        return unpack_cloud(np.empty((0, 4), np.float32))
    xyz, rgb = unpack_cloud(frame.cloud)
    if frame.aligned is None:
        return xyz, rgb
    step = round(frame.rgb.shape[1] / frame.cloud.shape[1])
    return aligned_points(frame, step), frame.rgb[::step, ::step]


def _typical(frames: list[DemoFrame], errors: Errors) -> DemoFrame:
    """Of the frames with a cloud the one of middling error; without ground truth the one in the middle."""
    able = [frame for frame in frames if frame.cloud is not None] or frames
    if errors.known:
        able = sorted(
            able, key=lambda frame: errors.per_frame[frame.index].abs_rel if frame.index in errors.per_frame else np.inf
        )
    return able[(len(able) - 1) // 2]


def _words(timing: Timing, errors: Errors, source: Source, config: DemoConfig, frame: DemoFrame) -> Words:
    span_s = (timing.image_ns[-1] - timing.image_ns[0]) / 1e9
    rate_hz = (timing.frames_in - 1) / span_s if span_s > 0 else 0.0
    width, height = frame.camera.width, frame.camera.height
    day = datetime.now(timezone.utc).strftime("%-d %B %Y, %H:%M UTC")
    return Words(
        headline=f"Metric depth from one camera, {width}x{height} at {timing.rate_hz:.1f} Hz",
        lead=f"{source.title[:1].upper()}{source.title[1:]}: {timing.frames_in} images in {span_s:.1f} s; "
        f"model {config.model}; {day}.",
        honesty=TINY_WORDS if config.model == "tiny" else OTHER_WORDS,
        notes=notes(source, errors.known, rate_hz, span_s),
    )
