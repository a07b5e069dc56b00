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

Single things of a course, from 1 to 4 m: the share of their cells that is found; of a ramp, seen from below, the share
that is marked, as a robot could drive up there.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from common import run
from costmap import AHEAD, CELL_M, ObstacleLayer, VoxelLayer, crossed
from driving_views import CAMERA, View, approaches, drive, views
from mono_depth_ros.config import DepthConfig, ModelConfig
from mono_depth_ros.config.obstacles import ObstacleConfig
from mono_depth_ros.frame import Frame
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.obstacles.finder import Obstacles, find_obstacles
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthPrediction
from mono_depth_ros.world import World
from mono_depth_ros.world.scene import Thing

KINDS = ("room", "corridor", "warehouse", "yard")
SEED, WORLDS = 40_000_000, 10  # of each kind
FARTHEST_M = 4.0
LOW_M, HIGH_M, FLOOR_M = 0.1, 1.8, 0.05  # heights of obstacles; a point nearer to the height 0 is the floor
CLEARED_EVERY = 10
SETS = ("views", "drives")
COURSES = 6
HEIGHTS = {
    "lower than 5 cm": (0.005, 0.06), "pole": (0.1, 1.8), "table edge": (0.5, 1.8), "ramp": (-0.02, 1.0),
    "step down": (-0.02, 0.02),
}  # fmt: skip


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
        self._view, self._ray = view, rays_of_pixels()
        known = np.isfinite(view.truth)
        self._points = self._ray[known] * view.truth[known][:, None]
        points = _in_base(self._points, view.base)
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
        found = self.obstacle & (distance_to(marked) <= self.tolerance)
        wrong = marked & self.within & (distance_to(self.surface) > self.tolerance)
        return np.array([self.obstacle.sum(), found.sum(), wrong.sum(), self.free.sum()])

    def cells_of(self, thing: Thing) -> np.ndarray:
        """(AHEAD, 2 * AHEAD) bool: where it is seen."""
        points = _in_base(self._points, self._view.pose)
        x, y = points[:, 0] - thing.x, points[:, 1] - thing.y
        c, s = math.cos(thing.yaw), math.sin(thing.yaw)
        margin = -0.1 if thing.name == "ramp" else 0.02
        on = (np.abs(c * x + s * y) < thing.length / 2 + margin) & (np.abs(c * y - s * x) < thing.width / 2 + margin)
        low, high = HEIGHTS[thing.name]
        on &= (points[:, 2] > low) & (points[:, 2] < high)
        layer = VoxelLayer()
        layer.mark(_in_base(self._points[on], self._view.base), np.zeros(3), -1.0, HIGH_M, math.inf)
        return layer.cells() & (self.range < FARTHEST_M + 0.5)

    def crossed(self) -> np.ndarray:
        """(AHEAD, 2 * AHEAD, LAYERS) bool: the voxels in which nothing is, as far as the true rays tell."""
        depth = self._view.truth[::2, ::2]
        far = np.where(np.isfinite(depth), depth, 2 * FARTHEST_M)[..., None]
        ends = _in_base((self._ray[::2, ::2] * far).reshape(-1, 3), self._view.base)
        seen = VoxelLayer()
        seen.marked[crossed(ends, self._view.base[:3, 3], math.inf)] = True
        return seen.marked


def rays_of_pixels() -> np.ndarray:
    """(H, W, 3) of one metre of depth."""
    grid = rays(CAMERA).numpy()
    return np.concatenate([grid, np.ones_like(grid[..., :1])], axis=-1)


def distance_to(cells: np.ndarray) -> np.ndarray:
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


def marks(view: View, prediction: DepthPrediction, found: Obstacles) -> dict[str, np.ndarray]:
    """(AHEAD, 2 * AHEAD) bool, by what marks."""
    cloud = marked_by_cloud(plain_points(view, prediction), view.base[:3, 3])
    return {"cloud": cloud, "obstacles": marked_by_obstacles(found)}


def things(pipeline: Pipeline, courses: int) -> dict[str, Any]:
    """By name, source, what marks, and distance: percent of the cells that are found, or marked, of a ramp."""
    counts: dict[tuple[str, str, str, float], np.ndarray] = {}
    for index in range(courses):
        for thing, distance, view in approaches(pipeline, World.generate("course", SEED + index)):
            truth = Truth(view)
            cells = truth.cells_of(thing)
            for source, prediction in view.depths.items():
                for what, marked in marks(view, prediction, obstacles_of(view, prediction)).items():
                    there = marked if thing.name == "ramp" else distance_to(marked) <= truth.tolerance
                    key = (thing.name, source, what, distance)
                    counts[key] = counts.get(key, 0) + np.array([cells.sum(), (cells & there).sum()])
    found: dict[str, Any] = {}
    for (name, source, what, distance), (all_of, there) in sorted(counts.items()):
        row = found.setdefault(name, {}).setdefault(source, {}).setdefault(what, {})
        row[f"{distance:g} m"] = percent(there, all_of)
    return found


def percent(part: float, whole: float) -> float | None:
    return round(100 * float(part) / float(whole), 2) if whole else None


def shares(counts: np.ndarray) -> dict[str, float | None]:
    """Of the counts of `Truth.score`; None where there is nothing to find, or no free cell."""
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
                        for what, marked in marks(view, prediction, found).items():
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
        "things": things(pipeline, min(arguments.worlds, COURSES)),
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
