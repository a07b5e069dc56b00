# SPDX-License-Identifier: Apache-2.0
"""What a costmap knows of the obstacles before a robot: the plain cloud beside the obstacles that this package finds.

Unseen rooms, corridors, warehouses and yards of the synthetic world: 200 views from anywhere in them, and 200 frames of
drives through them, which see more that is open; each on an empty costmap of 5 cm cells, by Nav2's rules (costmap.py).
A cell is an obstacle where the true depth shows a surface .1 to 1.8 m above the floor, and free where it shows the
floor and no such surface. Found: an obstacle, up to 4 m away, that is marked within 5 cm or 5 % of the range. False:
marked farther than that from any obstacle, as a share of the free cells.

The depth is the true one, that of `tiny`, and that aligned by a lidar of 16 beams and, on drives, by motion. Cleared
and kept: on a costmap that is marked all over, the share of the voxels which true rays cross that become free, and of
the others that stay, of every tenth view.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from common import run
from costmap import AHEAD, CELL_M, ObstacleLayer, VoxelLayer, crossed
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.config import DepthConfig, ModelConfig, MotionConfig
from mono_depth_ros.config.obstacles import ObstacleConfig
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.frame import Frame
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import inverse, rigid_from_pose
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.obstacles.finder import Obstacles, find_obstacles
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world import SpinningLidar, World, WorldFrame

CAMERA = Camera.from_fov((640, 480), 70.0)
KINDS = ("room", "corridor", "warehouse", "yard")
SEED, WORLDS, FRAMES = 40_000_000, 10, 5  # of each kind, and views and frames in each
RATE_HZ, SKIPPED, EVERY = 15.0, 15, 5  # a drive: images before the first frame, and from one to the next
DRIFT, TURN_DEG_S = 0.01, 0.2  # of the wheels, as in motion.py
FARTHEST_M = 4.0
LOW_M, HIGH_M, FLOOR_M = 0.1, 1.8, 0.05  # heights of obstacles; a point nearer to the height 0 is the floor
CLEARED_EVERY = 10
SOURCES = ("true", "tiny", "lidar", "motion")
SETS = ("views", "drives")


@dataclass
class View:
    """One image. truth: (H, W) metres. base: (4, 4) base_from_camera, whose base is on the floor below the camera.

    depths: by source, (H, W) metres and their uncertainty, as predictions.
    """

    rgb: np.ndarray
    truth: np.ndarray
    base: np.ndarray
    depths: dict[str, DepthPrediction]


def base_from(pose: np.ndarray) -> np.ndarray:
    """(4, 4) base_from_camera of world_from_camera: the base is on the floor below the camera and turned as it is."""
    yaw = math.atan2(pose[1, 2], pose[0, 2])
    base = rigid_from_pose([*pose[:2, 3], 0.0], [0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)])
    return np.asarray(inverse(base) @ pose)


def metric(depth: np.ndarray) -> DepthPrediction:
    return DepthPrediction(torch.from_numpy(depth), DepthKind.METRIC)


def view_of(world: World, pose: np.ndarray, seen: WorldFrame, frame: Frame, seed: int) -> View:
    """One image as it is, and aligned by a sweep."""
    lidar = SpinningLidar()
    scan = lidar.scan(world, pose @ lidar.camera_from_lidar, seed)
    aligned = frame.align(scan.xyz, cam_from_lidar=lidar.camera_from_lidar)
    depths = {"true": metric(seen.depth), "tiny": frame.prediction, "lidar": aligned.prediction}
    return View(seen.rgb, seen.depth, base_from(pose), depths)


def views(pipeline: Pipeline, world: World) -> Iterator[View]:
    """From anywhere in a world."""
    rng = np.random.default_rng(world.seed)
    for index in range(FRAMES):
        pose = world.random_pose(rng)
        seen = world.render(CAMERA, pose, normals=False)
        yield view_of(world, pose, seen, pipeline.estimate(seen.rgb, CAMERA), index)


def drive(pipeline: Pipeline, world: World) -> Iterator[View]:
    """The frames of a drive, which motion aligns too."""
    path, rng = world.path(0), np.random.default_rng(world.seed)
    scale, turn = 1 + DRIFT * rng.normal(), math.radians(TURN_DEG_S) / RATE_HZ * rng.choice((-1, 1))
    drift = rigid_from_pose([0, 0, 0], [0, math.sin(turn / 2), 0, math.cos(turn / 2)])
    window, aligner, odom, before = MotionWindow(MotionConfig()), Aligner(), np.eye(4), None
    for index in range(SKIPPED + EVERY * (FRAMES - 1) + 1):
        pose, stamp_ns, samples = path.pose(index / RATE_HZ), round(1e9 * (1 + index / RATE_HZ)), None
        if before is not None:
            step = inverse(before) @ pose
            step[:3, 3] *= scale
            odom = odom @ step @ drift
        before = pose
        seen = world.render(CAMERA, pose, normals=False)
        with suppress(DataError, FrameError):
            gray = np.asarray(cv2.cvtColor(seen.rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            samples = window.update(gray, CAMERA, odom, stamp_ns)
        if index % EVERY:
            continue
        frame = pipeline.estimate(seen.rgb, CAMERA)
        moved = aligner.update(frame.prediction, samples, stamp_ns, guide=torch.from_numpy(seen.rgb)).prediction
        if index >= SKIPPED:
            view = view_of(world, pose, seen, frame, index)
            view.depths["motion"] = moved or frame.prediction
            yield view


def plain_points(view: View, prediction: DepthPrediction) -> np.ndarray:
    """(N, 3) of depth/points with the node's defaults, in the base frame."""
    frame = Frame(torch.from_numpy(view.rgb), CAMERA, prediction, DepthConfig())
    return _in_base(frame.cloud()[0].numpy(), view.base)


def obstacles_of(view: View, prediction: DepthPrediction) -> Obstacles:
    """With the node's defaults."""
    return find_obstacles(
        prediction.values, CAMERA, view.base, ObstacleConfig(), prediction.uncertainty,
        max_relative_error=DepthConfig().max_relative_error,
    )  # fmt: skip


def _in_base(points: np.ndarray, base: np.ndarray) -> np.ndarray:
    return np.asarray(points @ base[:3, :3].T.astype(np.float32) + base[:3, 3].astype(np.float32))


class Truth:
    """obstacle, free: (AHEAD, 2 * AHEAD) bool, what the true depth shows of the cells within FARTHEST_M."""

    def __init__(self, view: View) -> None:
        grid = rays(CAMERA).numpy()
        ray = np.concatenate([grid, np.ones_like(grid[..., :1])], axis=-1)
        self._depth, self._ray, self._base = view.truth, ray, view.base
        known = np.isfinite(view.truth)
        points = _in_base(ray[known] * view.truth[known][:, None], view.base)
        height = points[:, 2]
        surfaces, floor = VoxelLayer(), VoxelLayer()
        surfaces.mark(points, np.zeros(3), LOW_M, HIGH_M, math.inf)
        floor.mark(points[np.abs(height) < FLOOR_M] * (1, 1, 0), np.zeros(3), 0.0, 0.0, math.inf)
        x, y = np.meshgrid(np.arange(AHEAD) + 0.5, np.arange(2 * AHEAD) + 0.5 - AHEAD, indexing="ij")
        self.range = np.hypot(x, y) * CELL_M
        self.tolerance = np.maximum(CELL_M, 0.05 * self.range) + 1e-6
        self.within = self.range <= FARTHEST_M
        self.bearing = np.arctan2(y, x)
        self.surface = surfaces.cells()
        self.obstacle = self.surface & self.within
        self.free = floor.cells() & ~self.surface & self.within

    def score(self, marked: np.ndarray) -> np.ndarray:
        """(4,): obstacles, those of them found, false cells, free cells."""
        found = self.obstacle & (_distance(marked) <= self.tolerance)
        wrong = marked & self.within & (_distance(self.surface) > self.tolerance)
        return np.array([self.obstacle.sum(), found.sum(), wrong.sum(), self.free.sum()])

    def crossed(self) -> np.ndarray:
        """(AHEAD, 2 * AHEAD, LAYERS) bool: the voxels in which nothing is, as far as the true rays tell."""
        depth = self._depth[::2, ::2]
        far = np.where(np.isfinite(depth), depth, 2 * FARTHEST_M)[..., None]
        ends = _in_base((self._ray[::2, ::2] * far).reshape(-1, 3), self._base)
        seen = VoxelLayer()
        seen.marked[crossed(ends, self._base[:3, 3], math.inf)] = True
        return seen.marked


def _distance(cells: np.ndarray) -> np.ndarray:
    """(AHEAD, 2 * AHEAD) metres to the nearest of the cells."""
    if not cells.any():
        return np.full(cells.shape, np.inf)
    return cv2.distanceTransform((~cells).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * CELL_M


def marked_by_cloud(points: np.ndarray, origin: np.ndarray) -> np.ndarray:
    layer = VoxelLayer()
    layer.mark(points, origin, LOW_M, HIGH_M, math.inf)
    return layer.cells()


def marked_by_obstacles(found: Obstacles) -> np.ndarray:
    layer = VoxelLayer()
    layer.mark(found.points, np.zeros(3), -1.0, 2.0, math.inf)
    return layer.cells()


def clearing(truth: Truth, found: Obstacles, view: View) -> np.ndarray:
    """(8,) counts: voxels to clear and cleared, to keep and kept; cells to clear and cleared, to keep and kept."""
    layer, seen = VoxelLayer(marked=True), truth.crossed()
    layer.clear(found.free, view.base[:3, 3], 2 * FARTHEST_M)
    half = math.atan(CAMERA.width / 2 / CAMERA.fx)
    ahead = truth.within & (np.abs(truth.bearing) < half)
    to_clear, to_keep = seen & ahead[..., None], ~seen & ahead[..., None]
    counts = [to_clear.sum(), (to_clear & ~layer.marked).sum(), to_keep.sum(), (to_keep & layer.marked).sum()]
    flat, scan = ObstacleLayer(marked=True), found.scan
    assert scan is not None
    bearings = scan.angle_min + scan.angle_increment * np.arange(len(scan.ranges))
    flat.clear(scan.ranges, bearings, scan.range_max, scan.range_min)
    hidden = ahead & ~seen.any(axis=2) & (truth.range > 1.0)
    counts += [truth.free.sum(), (truth.free & ~flat.marked).sum(), hidden.sum(), (hidden & flat.marked).sum()]
    return np.array(counts)


def percent(part: float, whole: float) -> float:
    return round(100 * float(part) / max(float(whole), 1.0), 2)


def shares(counts: np.ndarray) -> dict[str, float]:
    return {"found": percent(counts[1], counts[0]), "false": percent(counts[2], counts[3])}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The measurement, as plain values."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    config = ModelConfig(model="tiny", device="cpu", engine="torch", precision="fp32", threads=1)
    pipeline = Pipeline(load_model(config))
    scores: dict[tuple[str, str, str, str], np.ndarray] = {}
    cleared: dict[str, np.ndarray] = {}
    frames = dict.fromkeys(SETS, 0)
    for kind in KINDS:
        for index in range(arguments.worlds):
            world = World.generate(kind, SEED + index)
            for name, seen in zip(SETS, (views(pipeline, world), drive(pipeline, world)), strict=True):
                for view in seen:
                    truth = Truth(view)
                    for source, prediction in view.depths.items():
                        found = obstacles_of(view, prediction)
                        cloud = marked_by_cloud(plain_points(view, prediction), view.base[:3, 3])
                        for what, marked in (("cloud", cloud), ("obstacles", marked_by_obstacles(found))):
                            key = (name, kind, source, what)
                            scores[key] = scores.get(key, 0) + truth.score(marked)
                        if name == SETS[0] and frames[name] % CLEARED_EVERY == 0:
                            cleared[source] = cleared.get(source, 0) + clearing(truth, found, view)
                    frames[name] += 1
        print(f"{kind}: {rows(scores, (kind,))}", file=sys.stderr, flush=True)
    return {
        "what": "cells of a costmap in percent: obstacles found, and false ones over the free cells in view",
        "asked": {
            "true": {"found": 98.0, "false": 0.3},
            "lidar": {"found": 95.0, "false": 1.0},
            "false of obstacles over those of cloud": 0.33,
        },
        "frames": frames,
        **rows(scores, KINDS),
        "kinds": {kind: rows(scores, (kind,)) for kind in KINDS},
        "clearing": {
            source: {
                "voxel layer, by free": {"cleared": percent(c[1], c[0]), "kept": percent(c[3], c[2])},
                "obstacle layer, by scan": {"cleared": percent(c[5], c[4]), "kept": percent(c[7], c[6])},
            }
            for source, c in cleared.items()
        },
    }


def rows(scores: dict[tuple[str, str, str, str], np.ndarray], kinds: Sequence[str]) -> dict[str, Any]:
    """By set, source and what marks: the shares over some kinds."""
    found: dict[str, Any] = {}
    for name, _, source, what in scores:
        counts = [scores[name, kind, source, what] for kind in kinds if (name, kind, source, what) in scores]
        if counts:
            found.setdefault(name, {}).setdefault(source, {})[what] = shares(np.sum(counts, axis=0))
    return found


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--worlds", type=int, default=WORLDS, metavar="N", help="So many worlds of each kind.")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, measure, argv, options)


if __name__ == "__main__":
    raise SystemExit(main())
