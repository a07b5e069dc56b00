# SPDX-License-Identifier: Apache-2.0
"""Results that are combined over time (`fuse`): flicker, error and time, on synthetic drives, and 7-Scenes with --data.

`tiny` is aligned by the camera's own motion, as in benchmarks/motion.py. Flicker is the median, over points that the
truth shows in an image and in the one before, of |ln (d / t) - ln (d' / t')|, d the depth, t the true one: by how much
a static surface changes its depth other than it does. What walks is judged by itself.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch

from common import add_data, run
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.config import ModelConfig, MotionConfig
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import project, rays
from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.motion.fusion import Fusion
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.pipeline import Pipeline
from sequences import DRIVES, Image, drive, seven_scenes

CAMERA = Camera.from_fov((640, 480), 70.0)
RATE_HZ, IMAGES, SKIPPED = 15.0, 60, 15
SAME = 0.02  # of the true depth: a point is the same in both images
STEP = 2  # pixels between those that flicker is told by


@dataclass
class Figures:
    """One way of the two."""

    abs_rel: list[float] = field(default_factory=list)
    of_walkers: list[float] = field(default_factory=list)
    flicker: list[float] = field(default_factory=list)
    before: tuple[Image, np.ndarray] | None = None

    def add(self, image: Image, depth: np.ndarray, counts: bool) -> None:
        if counts:
            known = np.isfinite(image.truth) & (image.truth > 0) & np.isfinite(depth)
            error = np.abs(depth - image.truth) / np.where(known, image.truth, 1.0)
            self.abs_rel.append(float(error[known].mean()))
            if image.moves is not None and (walks := known & image.moves).sum() > 500:
                self.of_walkers.append(float(error[walks].mean()))
            if self.before is not None:
                self.flicker.append(flicker(image, depth, *self.before))
        self.before = image, depth


def flicker(image: Image, depth: np.ndarray, before: Image, depth_before: np.ndarray) -> float:
    """As the head of this file has it."""
    grid, camera = rays(image.camera)[::STEP, ::STEP].double().numpy(), image.camera
    truth = np.where(image.truth > 0, image.truth, np.nan)[::STEP, ::STEP].astype(np.float64)
    points = np.concatenate((grid, np.ones((*truth.shape, 1))), axis=2) * truth[..., None]
    then = inverse(before.pose) @ image.pose
    points = points @ then[:3, :3].T + then[:3, 3]
    pixels = np.rint(project(torch.from_numpy(points), camera).numpy())
    inside = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(axis=2)
    columns, rows = np.where(inside[..., None], pixels, 0).astype(int).transpose(2, 0, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        same = inside & (np.abs(np.log(before.truth[rows, columns] / points[..., 2])) < SAME)
        change = np.log(depth[::STEP, ::STEP] / truth)
        change -= np.log(depth_before[rows, columns] / before.truth[rows, columns])
    return float(np.median(np.abs(change[same & np.isfinite(change)])))


def judge(pipeline: Pipeline, images: Iterator[Image], skipped: int) -> dict[str, Any]:
    """One sequence, as it is aligned and fused."""
    window, aligner, fusion = MotionWindow(MotionConfig()), Aligner(), Fusion()
    aligned, fused, ms, shares = Figures(), Figures(), [], []
    for index, image in enumerate(images):
        prediction, stamp_ns, samples = (
            pipeline.estimate(image.rgb, image.camera).prediction,
            round(1e9 * image.stamp_s),
            None,
        )
        with suppress(DataError, FrameError):
            gray = np.asarray(cv2.cvtColor(image.rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            samples = window.update(gray, image.camera, image.pose, stamp_ns)
        found = aligner.update(prediction, samples, stamp_ns, guide=torch.from_numpy(image.rgb)).prediction
        if found is None:
            continue
        begin = time.thread_time()  # of one thread: others may have the core meanwhile
        combined = fusion.update(found, image.camera, image.pose, stamp_ns)
        ms.append(1e3 * (time.thread_time() - begin))
        shares.append(fusion.share)
        aligned.add(image, found.values.numpy(), index >= skipped)
        fused.add(image, combined.values.numpy(), index >= skipped)
    values = {"abs_rel": (aligned.abs_rel, fused.abs_rel), "flicker": (aligned.flicker, fused.flicker)}
    if aligned.of_walkers:
        values["abs_rel_of_walkers"] = (aligned.of_walkers, fused.of_walkers)
    result = {name: [round(statistics.mean(way), 5) for way in ways] for name, ways in values.items()}
    return result | {
        "flicker_ratio": round(statistics.mean(fused.flicker) / statistics.mean(aligned.flicker), 3),
        "images": len(aligned.abs_rel),
        "pixels_combined": round(statistics.mean(shares), 3),
        "ms_median": round(statistics.median(ms), 2),
    }


def fuse(arguments: argparse.Namespace) -> dict[str, Any]:
    """The measurement, as plain values; pairs are [aligned, fused]."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pipeline = Pipeline(
        load_model(ModelConfig(model="tiny", device="cpu", engine="torch", precision="fp32", threads=1))
    )
    found: dict[str, Any] = {
        "what": "tiny aligned by motion, and fused, 640x480, one thread; pairs are [aligned, fused]",
        "asked": {"flicker_ratio": 0.5, "ms_median": 10.0},
    }
    sequences = {f"{kind} {seed}": (drive(kind, seed, CAMERA, RATE_HZ, IMAGES), SKIPPED) for kind, seed in DRIVES}
    walked = drive("corridor", 20_000_001, CAMERA, RATE_HZ, IMAGES, walkers=2)
    sequences["corridor 20000001, two people walk"] = (walked, SKIPPED)
    if arguments.data is not None:
        sequences["seven_scenes"] = (seven_scenes(arguments.data / "seven_scenes"), 30)
    for name, (images, skipped) in sequences.items():
        if arguments.only and not any(word in name for word in arguments.only):
            continue
        found[name] = judge(pipeline, images, skipped)
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    return found


def options(parser: argparse.ArgumentParser) -> None:
    add_data(parser, "The folder that holds seven_scenes/")
    parser.add_argument("--only", nargs="+", default=(), help="Only sequences with these words are measured.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, fuse, argv, options)


if __name__ == "__main__":
    sys.exit(main())
