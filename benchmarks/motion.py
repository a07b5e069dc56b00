# SPDX-License-Identifier: Apache-2.0
"""Depth of `tiny` aligned by the camera's own motion, against the truth: synthetic drives, and 7-Scenes with --data.

Odometry of the drives has a scale that is off by 1 % (one standard deviation over the drives) and turns by .2 degrees a
second. A drive counts from its 15th image on, and of its images every third is predicted and aligned; corners are
followed through all. Beside AbsRel as it is and aligned stands what the aligner says itself, and an image's CPU time.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from common import add_data, run
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.config import ModelConfig, MotionConfig
from mono_depth_ros.datasets import READERS
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import inverse, rigid_from_pose
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.world import World

CAMERA = Camera.from_fov((640, 480), 70.0)
RATE_HZ, SECONDS, SKIPPED = 15.0, 6.0, 15
DRIVES = [(kind, seed) for kind in ("room", "corridor", "warehouse") for seed in (20_000_001, 20_000_002)]
EVERY = 3  # images
FAULTY_DRIVES = DRIVES[::2]  # on which the cases are tried in which something is wrong
DRIFT, TURN_DEG_S = 0.01, 0.2


@dataclass(frozen=True)
class Case:
    """What is wrong with a drive: it stands after a time, a camera that is turned on the robot, wheels that slip."""

    stands_after_s: float = math.inf
    extrinsic_deg: float = 0.0
    slip: float = 0.0  # of the way, for a second in the middle
    turns_only: bool = False
    person: bool = False


CASES = {
    "drive": Case(),
    "stands after 3 s": Case(stands_after_s=3.0),
    "turns on the spot": Case(turns_only=True),
    "camera turned by 2 degrees": Case(extrinsic_deg=2.0),
    "wheels slip by 20 % for a second": Case(slip=0.2),
    "a person walks": Case(person=True),
}


class Judge:
    """One sequence: images in their order, as they are and aligned."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline, self._window, self._aligner = pipeline, MotionWindow(MotionConfig()), Aligner()
        self.raw: list[float] = []
        self.aligned: list[float] = []
        self.delta1: list[float] = []
        self.said: list[float] = []
        self.ms: list[float] = []

    def image(
        self,
        rgb: np.ndarray,
        camera: Camera,
        pose: np.ndarray,
        stamp_s: float,
        truth: np.ndarray,
        predicted: bool,
        counts: bool,
    ) -> None:
        stamp_ns, samples = round(stamp_s * 1e9), None
        begin = time.thread_time()
        with suppress(DataError, FrameError):
            gray = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            samples = self._window.update(gray, camera, pose, stamp_ns)
        corners_s = time.thread_time() - begin
        if not predicted:
            return
        frame = self._pipeline.estimate(rgb, camera)
        begin = time.thread_time()
        found = self._aligner.update(frame.prediction, samples, stamp_ns, guide=torch.from_numpy(rgb))
        self.ms.append(1e3 * (corners_s + time.thread_time() - begin))
        if not counts:
            return
        raw = frame.prediction.values.numpy()
        aligned = raw if found.prediction is None else found.prediction.values.numpy()
        mask = np.isfinite(truth) & np.isfinite(raw)
        self.raw.append(depth_metrics(raw, truth, mask).abs_rel)
        after = depth_metrics(aligned, truth, mask & np.isfinite(aligned))
        self.aligned.append(after.abs_rel)
        self.delta1.append(after.delta1)
        if found.alignment is not None and found.alignment.after is not None:
            self.said.append(found.alignment.after.abs_rel)

    def result(self) -> dict[str, Any]:
        worse = sum(b > max(1.1 * a, a + 0.015) for a, b in zip(self.raw, self.aligned, strict=True))
        return {
            "images": len(self.raw),
            "abs_rel_raw": round(statistics.mean(self.raw), 4),
            "abs_rel": round(statistics.mean(self.aligned), 4),
            "delta1": round(statistics.mean(self.delta1), 4),
            "abs_rel_said": round(statistics.mean(self.said), 4) if self.said else None,
            "images_worse_than_raw": worse,
            "ms_median": round(statistics.median(self.ms), 2),
        }


def drive(pipeline: Pipeline, kind: str, seed: int, case: Case) -> dict[str, Any]:
    """One synthetic drive."""
    world, rng = World.generate(kind, seed), np.random.default_rng(seed)
    path = world.path(0)
    scale, turn = 1 + DRIFT * rng.normal(), math.radians(TURN_DEG_S) * rng.choice((-1, 1))
    if case.person:
        world = world.with_walkers(1, path)
    camera_turned = rigid_from_pose([0, 0, 0], [0, math.sin(math.radians(case.extrinsic_deg) / 2), 0,
                                                math.cos(math.radians(case.extrinsic_deg) / 2)])  # fmt: skip
    judge, odom, before = Judge(pipeline), np.eye(4), None
    for index in range(round(SECONDS * RATE_HZ)):
        t_s = index / RATE_HZ
        pose = path.pose(min(t_s, case.stands_after_s))
        if case.turns_only:
            pose = path.pose(0.0) @ rigid_from_pose([0, 0, 0], [0, math.sin(0.1 * t_s), 0, math.cos(0.1 * t_s)])
        if before is not None:
            step = inverse(before) @ pose
            slips = case.slip if SECONDS / 2 <= t_s < SECONDS / 2 + 1 else 0.0
            step[:3, 3] *= scale * (1 + slips)
            moves = np.linalg.norm(step[:3, 3]) > 1e-9
            drift = turn / RATE_HZ * moves
            odom = odom @ step @ rigid_from_pose([0, 0, 0], [0, math.sin(drift / 2), 0, math.cos(drift / 2)])
        before = pose
        seen = world.at(t_s).render(CAMERA, pose, normals=False)
        counts = index >= SKIPPED
        judge.image(seen.rgb, CAMERA, odom @ camera_turned, t_s + 1, seen.depth, index % EVERY == 0, counts)
    return {"drive": f"{kind} {seed}", **judge.result()}


def seven_scenes(pipeline: Pipeline, folder: Path) -> dict[str, Any]:
    """The frames of 7-Scenes with their own poses, from the 30th on."""
    dataset = READERS["seven_scenes"](Wanted(folder))
    judge = Judge(pipeline)
    assert dataset.pose is not None
    for item in dataset.items:
        loaded = dataset.load(item)
        assert loaded.camera is not None and item.stamp_s is not None
        judge.image(loaded.rgb, loaded.camera, dataset.pose(item), item.stamp_s, loaded.truth, True, item.index >= 30)
    return judge.result()


def motion(arguments: argparse.Namespace) -> dict[str, Any]:
    """The measurement, as plain values."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pipeline = Pipeline(
        load_model(ModelConfig(model="tiny", device="cpu", engine="torch", precision="fp32", threads=1))
    )
    found: dict[str, Any] = {"what": "tiny aligned by motion, 640x480, one thread", "asked": {
        "seven_scenes": {"abs_rel": 0.12, "delta1": 0.85, "images_worse_than_raw": 2},
        "drive": {"abs_rel": 0.06}, "ms_median": 25.0,
    }}  # fmt: skip
    if arguments.data is not None:
        found["seven_scenes"] = seven_scenes(pipeline, arguments.data / "seven_scenes")
        print(f"seven_scenes: {found['seven_scenes']}", file=sys.stderr, flush=True)
    for name, case in CASES.items():
        if arguments.cases and name not in arguments.cases:
            continue
        rows = [drive(pipeline, *which, case) for which in (DRIVES if name == "drive" else FAULTY_DRIVES)]
        mean: dict[str, Any] = {
            key: round(statistics.mean(row[key] for row in rows), 4) for key in ("abs_rel_raw", "abs_rel", "ms_median")
        }
        mean["drives_worse_by_5_percent_untold"] = sum(
            row["abs_rel"] > max(1.05 * row["abs_rel_raw"], row["abs_rel_said"] or 0.0) for row in rows
        )
        found[name] = {**mean, "drives": rows}
        print(f"{name}: {mean}", file=sys.stderr, flush=True)
    return found


def options(parser: argparse.ArgumentParser) -> None:
    add_data(parser, "The folder that holds seven_scenes/")
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=(), help="Only these are measured.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, motion, argv, options)


if __name__ == "__main__":
    sys.exit(main())
