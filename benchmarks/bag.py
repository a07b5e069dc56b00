# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag`: what a conversion costs beside the network, frames a second of `tiny`, and peak memory.

Overhead: the time of a conversion over that of a plain loop that only runs the network over the same decoded frames,
held in memory; in turns, and the fastest of each is taken, since other load only ever adds. Memory: in processes of
their own, a stand-in for the network and small frames, so that nothing hides what grows with the bag.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rosbags.rosbag2 import StoragePlugin, Writer

from common import run
from models import depth_anything, random_state
from mono_depth_ros.bags.messages import empty, header_of, info_from
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.config import BagConfig, ModelConfig
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, IMAGE
from mono_depth_ros.models.base import DepthModel, ModelSpec
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.bag.convert import Job, batch_size, convert
from mono_depth_ros.world import World

PEAK_MEMORY = "peak-memory"
_SIZE = (640, 480)
_ROUNDS = 3
_SMALL = (64, 48)
_SEGMENTS = BagConfig(segment_frames=200)


def bag() -> dict[str, Any]:
    """The measurement, as plain values."""
    with tempfile.TemporaryDirectory(prefix="mono_depth_bench-") as folder:
        where = Path(folder)
        return {
            "what": "mono_depth bag, 640x480 rgb8 in MCAP; overhead: conversion over the network alone, less 1",
            "depth_anything_v2_small": _overhead(where, _random_small(), 5, asked=0.10),
            "tiny": _rate(where, load_model(ModelConfig(model="tiny")), 200, asked=25.0),
            "memory": _memory(where, 1_000, 10_000, asked=0.10),
        }


def write_bag(path: Path, count: int, size: tuple[int, int]) -> list[np.ndarray]:
    """A bag of `count` images of the synthetic world and their camera_info at 30 Hz; returns at most 20 of the images.

    Twenty different ones are rendered, and take turns.
    """
    camera = Camera.from_fov(size, 70.0)
    world = World.generate("corridor", 3)
    course = world.path()
    images = [world.render(camera, course.pose(0.2 * k), normals=False).rgb for k in range(min(count, 20))]
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        image = writer.add_connection("/camera/image_raw", IMAGE, typestore=TYPES)
        info = writer.add_connection("/camera/camera_info", CAMERA_INFO, typestore=TYPES)
        for index in range(count):
            stamp_ns = 1_700_000_000_000_000_000 + index * 33_333_333
            header = _header(stamp_ns)
            message = empty(IMAGE, header)
            fill_image(message, images[index % len(images)], "rgb8")
            writer.write(image, stamp_ns, TYPES.serialize_cdr(message, IMAGE))
            writer.write(info, stamp_ns, TYPES.serialize_cdr(info_from(camera, header), CAMERA_INFO))
    return images


def _header(stamp_ns: int) -> Any:
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return header_of(SimpleNamespace(stamp=stamp, frame_id="camera"))


def _overhead(where: Path, model: DepthModel, count: int, asked: float) -> dict[str, Any]:
    images = write_bag(where / "overhead", count, _SIZE)
    job = Job(where / "overhead", where / "overhead_out.mcap", BagConfig(), force=True)
    camera = Camera.from_fov(_SIZE, 70.0)
    size = batch_size(job.bag, model)
    ready = [torch.from_numpy(np.stack(images[begin : begin + size])) for begin in range(0, count, size)]

    def network_alone() -> None:
        with torch.inference_mode():
            for rgb in ready:
                model.predict(rgb, [camera] * len(rgb))

    timed = _Timed(model)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other take processor time that says nothing
    network_alone()
    network: list[float] = []
    whole: list[float] = []
    inside, processor = [], []
    for _ in range(_ROUNDS):
        spent = []
        for times, work in ((network, network_alone), (whole, lambda: convert(job, timed))):
            start, busy = time.perf_counter(), time.process_time()
            work()
            times.append(time.perf_counter() - start)
            spent.append(time.process_time() - busy)
        inside.append(timed.taken())
        processor.append(spent[1] / spent[0] - 1)
    torch.set_num_threads(before)
    alone_s, whole_s = min(network), min(whole)
    overhead = whole_s / alone_s - 1
    return {
        "frames": count,
        "engine": model.engine,
        "threads": 1,
        "network_alone_s": round(alone_s, 3),
        "conversion_s": round(whole_s, 3),
        "overhead": round(overhead, 4),
        "overhead_of_processor_time": round(statistics.median(processor), 4),
        "time_without_network": round(1 - statistics.median(i / w for i, w in zip(inside, whole, strict=True)), 4),
        "asked": f"at most {asked:g}",
        "holds": max(overhead, statistics.median(processor)) <= asked,
    }


class _Timed:
    """A model, and how long it was busy."""

    def __init__(self, model: DepthModel) -> None:
        self._model, self._seconds = model, 0.0
        self.spec, self.device, self.engine = model.spec, model.device, model.engine

    def predict(self, rgb: torch.Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        start = time.perf_counter()
        found = self._model.predict(rgb, cameras)
        self._seconds += time.perf_counter() - start
        return found

    def taken(self) -> float:
        """Seconds since the last time this was asked."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds


def _rate(where: Path, model: DepthModel, count: int, asked: float) -> dict[str, Any]:
    write_bag(where / "rate", count, _SIZE)
    rates = []
    for _ in range(3):
        summary = convert(Job(where / "rate", where / "rate_out.mcap", BagConfig(), force=True), model)
        rates.append(summary["frames_per_s"])
    rate = statistics.median(rates)
    return {
        "frames": count,
        "engine": model.engine,
        "threads": torch.get_num_threads(),
        "outputs": "depth",
        "frames_per_s": rate,
        "asked": f"at least {asked:g}",
        "holds": rate >= asked,
    }


def _memory(where: Path, few: int, many: int, asked: float) -> dict[str, Any]:
    peaks = {}
    for count in (few, many):
        write_bag(where / f"memory_{count}", count, _SMALL)
        command = [sys.executable, __file__, PEAK_MEMORY, str(where / f"memory_{count}")]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise MonoDepthError(f"the measurement of memory ended with exit code {done.returncode}, expected 0")
        peaks[count] = json.loads(done.stdout)
    growth = peaks[many]["peak_mib"] / peaks[few]["peak_mib"] - 1
    return {
        "frames_of": "64x48",
        **{f"peak_mib_{count}": peak["peak_mib"] for count, peak in peaks.items()},
        "before_mib": peaks[few]["before_mib"],
        "growth_of": "peak resident memory of the process while it converts",
        "growth": round(growth, 4),
        "asked": f"at most {asked:g}",
        "holds": growth <= asked,
    }


class _Constant:
    """No network: one metre everywhere."""

    spec = ModelSpec("constant", "bench", DepthKind.METRIC, "none")
    device = torch.device("cpu")
    engine = "none"

    def predict(self, rgb: torch.Tensor, cameras: Any) -> list[DepthPrediction]:
        return [DepthPrediction(torch.ones(rgb.shape[1:3]), DepthKind.METRIC) for _ in rgb]


def _random_small() -> DepthModel:
    """Depth Anything V2 small, metric, with random weights: the time does not depend on them."""
    options = EngineOptions(torch.device("cpu"), "torch", "fp32")
    return depth_anything("small", random_state("small"), 20.0, options)


def peak_mib(path: Path) -> dict[str, float]:
    """Peak resident memory of this process while it converts a bag, and what it has before, without what imports took.

    Linux: writing 5 into clear_refs makes the present size the peak (man 5 proc).
    """
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_mib("VmRSS")
    convert(Job(path, path.with_name(f"{path.name}_out.mcap"), _SEGMENTS), _Constant())
    return {"before_mib": before, "peak_mib": _status_mib("VmHWM")}


def _status_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024, 1)


def main(argv: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == [PEAK_MEMORY]:
        print(json.dumps(peak_mib(Path(given[1]))))
        return 0
    return run(__file__, lambda _: bag(), argv)


if __name__ == "__main__":
    sys.exit(main())
