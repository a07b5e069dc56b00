# SPDX-License-Identifier: Apache-2.0
"""What the depth node rests on while it runs: no late recording, one wait a frame, times of the device, its loss."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch

from gpu_parts.row import (
    SKIP,
    Bench,
    Row,
    camera_of,
    counted,
    figure,
    last_error,
    picture,
    recordings,
    verdict,
    warnings_of_the_product,
)
from gpu_parts.speed import ALL_TOPICS, TOPICS, published
from mono_depth_ros.config import DepthConfig
from mono_depth_ros.models.runtime.device_errors import DeviceWatch
from mono_depth_ros.models.runtime.device_time import DeviceTime
from mono_depth_ros.pipeline import Pipeline

_TURNS = 1000
_LOST = """
import sys, torch
from mono_depth_ros.models.runtime.device_errors import DeviceWatch
device = torch.device(sys.argv[1])
try:
    torch.ones(1, device=device)[torch.tensor([5], device=device)].cpu()
except Exception as error:
    print(DeviceWatch().failed(error))
"""


def recorded(bench: Bench) -> Iterator[Row]:
    """Recordings are made on the device asked for, one for each size, and leave the thread's stream alone."""
    if not bench.cuda:
        yield Row(SKIP, "recordings", "need a GPU")
        return
    before = torch.cuda.current_stream(bench.device)
    with recordings() as made, warnings_of_the_product() as said:
        model = bench.depth_anything()
        for size in ((640, 480), (518, 518), (1280, 720), (640, 480)):
            model.predict(torch.from_numpy(picture(*size))[None], [camera_of(*size)])
    same = torch.cuda.current_stream(bench.device) == before
    words = f"{len(made)} of 3 sizes, on {sorted(set(map(str, made)))}; stream left as it was: {same}; {said[:1]}"
    yield verdict(made == [bench.device] * 3 and same and not said, "recordings", words)


def prepared(bench: Bench) -> Iterator[Row]:
    """After `prepare`, as at configure, no first image of one to six cameras records or makes anything."""
    model = bench.depth_anything()
    pipeline, camera = Pipeline(model, DepthConfig(edge_ratio=0.1)), camera_of(1280, 720)
    model.prepare(1280, 720, 6)
    rgb = torch.from_numpy(picture(1280, 720)).to(bench.device)
    with recordings() as made:
        for count in range(1, 7):
            model.predict(rgb.expand(count, -1, -1, -1), [camera] * count)
    if not bench.cuda:
        yield verdict(True, "prepared sizes", "nothing is made ahead on a CPU")
        return
    first, later = (_timed(bench, pipeline, camera) for _ in range(2))
    yield verdict(not made, "prepared sizes", f"{len(made)} recordings after it in batches of 1 to 6")
    yield figure(first, "ms", "first image after configure", f"the second {later:.1f} ms")


def _timed(bench: Bench, pipeline: Pipeline, camera: object) -> float:
    bench.wait()
    start = time.perf_counter()
    published(pipeline, picture(1280, 720), camera, TOPICS["cloud"])  # type: ignore[arg-type]
    return (time.perf_counter() - start) * 1e3


def one_wait(bench: Bench) -> Iterator[Row]:
    """From pixels to filled messages the host waits once for the device, and pins nothing that it has not pinned."""
    if not bench.cuda:
        yield Row(SKIP, "one wait a frame", "needs a GPU")
        return
    model = bench.depth_anything()
    for width, height in ((640, 480), (1920, 1080)) if bench.real else ((320, 240),):
        rgb, camera = picture(width, height), camera_of(width, height)
        for name, topics in (*TOPICS.items(), ("all topics", ALL_TOPICS)):
            pipeline = Pipeline(model, DepthConfig(edge_ratio=0.1, cloud_normals=name == "all topics"))
            for _ in range(3):
                published(pipeline, rgb, camera, topics)
            with counted(bench) as counts:
                published(pipeline, rgb, camera, topics)
            words = f"{counts.waits} waits, {counts.pinned} allocations of pinned memory"
            yield verdict((counts.waits, counts.pinned) == (1, 0), f"one wait a frame, {name}, {width}x{height}", words)


def six_cameras(bench: Bench) -> Iterator[Row]:
    """Turns of one to six cameras in a random order: no recording once the first have come."""
    model = bench.depth_anything() if bench.real else bench.tiny()
    width, height = (640, 480) if bench.real else (64, 48)
    rgb, camera = torch.from_numpy(picture(width, height))[None].to(bench.device), camera_of(width, height)
    order = [int(v) for v in np.random.default_rng(0).integers(1, 7, _TURNS if bench.real else 60)]
    each, late = [], 0
    with recordings() as made:
        for turn, count in enumerate(order):
            before, start = len(made), time.perf_counter()
            model.predict(rgb.expand(count, -1, -1, -1), [camera] * count)
            bench.wait()
            each.append((time.perf_counter() - start) * 1e3)
            late += (len(made) - before) * (turn >= 30)
    half = each[len(each) // 2 :]
    words = f"{len(made)} recordings in {len(order)} turns, {late} of them after the 30th"
    yield verdict(not late, "six cameras, no recording late", words)
    yield figure(statistics.median(half), "ms", "six cameras, a turn", f"worst of the second half {max(half):.1f} ms")


def times(bench: Bench) -> Iterator[Row]:
    """A stage's time is that of the device, not that of giving it the work."""
    pipeline = Pipeline(bench.depth_anything())
    rgb, camera = picture(640, 480), camera_of(640, 480)
    for _ in range(3):
        pipeline.estimate(rgb, camera)
    bench.wait()
    start = time.perf_counter()
    with DeviceTime(bench.device) as took:
        pipeline.estimate(rgb, camera)
    given = (time.perf_counter() - start) * 1e3
    bench.wait()
    whole, found = (time.perf_counter() - start) * 1e3, took.seconds * 1e3
    words = f"{found:.2f} ms, the work was given after {given:.2f} ms and done after {whole:.2f} ms"
    yield verdict(not math.isnan(found) and 0.5 * whole <= found <= 1.1 * whole + 0.2, "time of a stage", words)


def lost(bench: Bench) -> Iterator[Row]:
    """A device that has failed for good is told from one that has not: in a process of its own, which it ends."""
    if bench.real:
        done = subprocess.run([sys.executable, "-c", _LOST, str(bench.device)], capture_output=True, text=True)
        said = done.stdout.strip().splitlines()[-1:] or done.stderr.strip().splitlines()[-1:]
        yield verdict("the device is lost" in done.stdout, "device that is lost", "; ".join(said))
        return
    model = bench.tiny()

    def run(*_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raise RuntimeError("CUDA error: device-side assert triggered")

    model.run = run  # type: ignore[assignment]
    try:
        Pipeline(model).estimate(picture(64, 48), camera_of(64, 48))
        found = None
    except Exception as error:
        found = DeviceWatch().failed(error)
    yield verdict(found is not None, "device that is lost", last_error(found) if found else "taken for a bad image")
