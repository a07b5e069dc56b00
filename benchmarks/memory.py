# SPDX-License-Identifier: Apache-2.0
"""One scale over time by `alignment:=memory`: `tiny` as it is and held, on synthetic drives, and 7-Scenes with --data.

The scale of an image is the median of ln(depth / truth). Its change from image to image, in the median, is what memory
is for; the mean over the sequence stays the network's. With Open3D and evo, the error of the way that RGB-D odometry
finds with true depth, raw and held (ATE after a similarity transform), and how much of the gap is closed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from common import add_data, run
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.config import ModelConfig, TrackerConfig
from mono_depth_ros.errors import ConfigError, SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.motion.memory import DepthMemory
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.tools.bag.exports import TUM_PER_METRE
from sequences import DRIVES, Image, drive, seven_scenes
from slam_odometry import ESTIMATE, accuracy, odometry, requirements

CAMERA, RATE_HZ, IMAGES = Camera.from_fov((320, 240), 70.0), 20.0, 80
GAP = 0.2  # of the error with true depth: where raw depth is not worse by more there is nothing to close
DEPTHS = ("truth", "raw", "memory")


def measure(images: Iterator[Image], pipeline: Pipeline, with_odometry: bool) -> dict[str, Any]:
    """Of one sequence."""
    memory, aligner = DepthMemory(), Aligner(tracker=TrackerConfig(bandwidth=0.0))
    scales: dict[str, list[float]] = {"raw": [], "memory": []}
    ms = []
    with tempfile.TemporaryDirectory(prefix="mono_depth_bench-") as place:
        for image in images:
            prediction, stamp_ns = pipeline.estimate(image.rgb, image.camera).prediction, round(image.stamp_s * 1e9)
            begin, samples = time.thread_time(), None  # of one thread: others may have the core meanwhile
            gray = np.asarray(cv2.cvtColor(image.rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            with suppress(SamplesError):
                samples = memory.update(gray, image.camera, prediction, stamp_ns)
            found = aligner.update(prediction, samples, stamp_ns, local=False)
            ms.append(1e3 * (time.thread_time() - begin))
            raw = prediction.values.numpy()
            held = raw if found.prediction is None else found.prediction.values.numpy()
            depths = {"truth": image.truth, "raw": raw, "memory": held}
            for name, values in scales.items():
                known = np.isfinite(image.truth) & (image.truth > 0) & np.isfinite(depths[name])
                values.append(float(np.median(np.log(depths[name][known] / image.truth[known]))))
            if with_odometry:
                for name, depth in depths.items():
                    _write(Path(place) / name, image, depth)
        ate = {}
        for name in DEPTHS if with_odometry else ():
            lost = odometry(Path(place) / name)
            where = Path(place) / name
            ate[name] = round(accuracy(where / "groundtruth.txt", where / ESTIMATE, lost).ate_scaled_m, 4)
    change = {name: statistics.median(np.abs(np.diff(values)).tolist()) for name, values in scales.items()}
    mean = {name: float(np.exp(statistics.mean(values))) for name, values in scales.items()}
    return {
        "images": len(ms),
        "scale_change_raw": round(change["raw"], 4),
        "scale_change": round(change["memory"], 4),
        "scale_change_of_raw": round(change["memory"] / change["raw"], 3),
        "mean_scale_raw": round(mean["raw"], 3),
        "mean_scale_of_raw": round(mean["memory"] / mean["raw"], 3),
        **{f"ate_{name}_m": value for name, value in ate.items()},
        "gap_closed": _closed(ate),
        "ms_median": round(statistics.median(ms), 2),
    }


def _closed(ate: dict[str, float]) -> float | None:
    """Part of the gap between raw and true depth; None where there is none."""
    if not ate or ate["raw"] < (1 + GAP) * ate["truth"]:
        return None
    return round((ate["raw"] - ate["memory"]) / (ate["raw"] - ate["truth"]), 3)


def _write(folder: Path, image: Image, depth: np.ndarray) -> None:
    """One image in the layout of TUM RGB-D, as `mono_depth bag --export-tum` writes it."""
    stamp = f"{image.stamp_s:.6f}"
    if not folder.exists():
        for name in ("rgb", "depth"):
            (folder / name).mkdir(parents=True)
        image.camera.to_yaml(folder / "camera.yaml")
    metres = np.where(np.isfinite(depth), depth, 0.0)
    pixels = np.where(metres * TUM_PER_METRE < 65535, metres * TUM_PER_METRE, 0.0).round().astype(np.uint16)
    cv2.imwrite(str(folder / "rgb" / f"{stamp}.png"), cv2.cvtColor(image.rgb, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(folder / "depth" / f"{stamp}.png"), pixels)
    pose = " ".join(f"{value:.9g}" for value in (*image.pose[:3, 3], *quaternion(image.pose[:3, :3])))
    for name, line in (
        ("associations.txt", f"{stamp} rgb/{stamp}.png {stamp} depth/{stamp}.png"),
        ("groundtruth.txt", f"{stamp} {pose}"),
    ):
        with (folder / name).open("a") as file:
            file.write(f"{line}\n")


def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    """The measurement, as plain values."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with_odometry = True
    try:
        requirements()
    except ConfigError as error:
        with_odometry = False
        print(error, file=sys.stderr)
    model = load_model(ModelConfig(model="tiny", device="cpu", engine="torch", precision="fp32", threads=1))
    sequences = {f"{kind} {seed}": drive(kind, seed, CAMERA, RATE_HZ, IMAGES) for kind, seed in DRIVES}
    if arguments.data is not None:
        sequences = {"seven_scenes": seven_scenes(arguments.data / "seven_scenes"), **sequences}
    rows = {}
    for name, images in sequences.items():
        rows[name] = measure(images, Pipeline(model), with_odometry)
        print(f"{name}: {rows[name]}", file=sys.stderr, flush=True)
    return {
        "what": "tiny held by memory, one thread; ATE by Open3D and evo after a similarity transform",
        "asked": {
            "scale_change_of_raw": 0.25, "mean_scale_of_raw": [0.95, 1.05], "gap_closed": 0.5, "ms_median": 25.0,
        },
        "sequences": rows,
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, memory, argv, lambda parser: add_data(parser, "The folder that holds seven_scenes/"))


if __name__ == "__main__":
    sys.exit(main())
