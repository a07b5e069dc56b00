# SPDX-License-Identifier: Apache-2.0
"""Time of the obstacles of an image, beside statistical outlier removal on its cloud, and how clean both are.

Processor time of one thread, free space and scan included; the removal is Open3D's `remove_statistical_outlier` with
20 neighbours and 2 standard deviations, on the cloud as `depth/points` has it. Views of unseen synthetic worlds, with
`tiny` aligned by a lidar of 16 beams; found and false as driving.py counts them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch

import driving_views
from common import run
from driving import Truth, marked_by_cloud, marked_by_obstacles, obstacles_of, plain_points, shares
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.config.obstacles import ObstacleConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.obstacles.finder import find_obstacles
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.world import World

KINDS = ("room", "corridor", "warehouse", "yard")
SEED, WORLDS, VIEWS = 44_000_000, 2, 2
REPEATS = 15
NEIGHBOURS, DEVIATIONS = 20, 2.0
LARGE = Camera.from_fov((1920, 1080), 70.0)


def processor_ms(work: Callable[[], Any]) -> float:
    """Median processor time of a call, all threads together, after one that is not counted."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1e3)
    return statistics.median(times)


def measure(_: argparse.Namespace) -> dict[str, Any]:
    """The measurement, as plain values."""
    try:
        import open3d
    except ImportError as error:
        raise ConfigError("statistical outlier removal needs Open3D: pip install open3d") from error
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = load_model(ModelConfig(model="tiny", device="cpu", engine="torch", precision="fp32", threads=1))
    pipeline = Pipeline(model)
    driving_views.FRAMES = VIEWS
    counts: dict[str, Any] = {}
    times: dict[str, list[float]] = {"obstacles": [], "statistical outlier removal": [], "obstacles of 1920x1080": []}
    for world in (World.generate(kind, SEED + index) for kind in KINDS for index in range(WORLDS)):
        for view in driving_views.views(pipeline, world):
            prediction, truth = view.depths["lidar"], Truth(view)
            found = obstacles_of(view, prediction)
            cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(plain_points(view, prediction)))
            start = time.process_time()
            cleaned = np.asarray(cloud.remove_statistical_outlier(NEIGHBOURS, DEVIATIONS)[0].points)
            times["statistical outlier removal"].append((time.process_time() - start) * 1e3)
            times["obstacles"].append(processor_ms(partial(obstacles_of, view, prediction)))
            large = torch.from_numpy(world.render(LARGE, view.pose, normals=False).depth)
            sigma = 0.03 * large
            work = partial(find_obstacles, large, LARGE, view.base, ObstacleConfig(), sigma)
            times["obstacles of 1920x1080"].append(processor_ms(work))
            origin = view.base[:3, 3]
            for name, marked in (
                ("cloud", marked_by_cloud(plain_points(view, prediction), origin)),
                ("statistical outlier removal", marked_by_cloud(cleaned, origin)),
                ("obstacles", marked_by_obstacles(found)),
            ):
                counts[name] = counts.get(name, 0) + truth.score(marked)
        print(f"{world.kind} {world.seed}", file=sys.stderr, flush=True)
    medians = {name: round(statistics.median(values), 2) for name, values in times.items()}
    return {
        "what": "640x480 where not said; median processor milliseconds of an image, and cells of a costmap in percent",
        "images": len(times["obstacles"]),
        "processor_ms": medians,
        "times_faster": round(medians["statistical outlier removal"] / medians["obstacles"], 1),
        "cells": {name: shares(count) for name, count in counts.items()},
    }


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, measure, argv)


if __name__ == "__main__":
    raise SystemExit(main())
