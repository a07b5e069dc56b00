# SPDX-License-Identifier: Apache-2.0
"""The map of `mono_depth bag --map` on 7-Scenes: of `tiny` as it is and aligned by motion, against that of true depth.

Every image is aligned, in order, by those before it; every second one is fused, where the truth is known, with the
options' defaults. Distances are from the points of one map to the nearest of the other, both ways.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from common import add_data, run
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.config import BagConfig, ModelConfig, MotionConfig
from mono_depth_ros.datasets import READERS
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.errors import ConfigError, DataError, FrameError
from mono_depth_ros.frame import Frame
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.tools.tsdf import TsdfMap, open3d

EVERY, NEAR_M = 2, 0.05
TRUE_ERROR = 0.01  # of the depth camera's metres


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything, as JSON values."""
    if args.data is None:
        raise ConfigError("expected --data DIR, a folder with seven_scenes/")
    dataset = READERS["seven_scenes"](Wanted(Path(args.data) / "seven_scenes"))
    assert dataset.pose is not None, "7-Scenes has poses"
    pipeline, window, aligner = Pipeline(load_model(ModelConfig(model="tiny"))), MotionWindow(MotionConfig()), Aligner()
    options = BagConfig()
    maps = {
        name: TsdfMap(options.map_voxel, options.map_range, options.map_error, options.map_memory)
        for name in ("truth", "raw", "motion")
    }
    fused, ms = 0, 0.0
    for index, item in enumerate(dataset.items):
        loaded, pose = dataset.load(item), dataset.pose(item)
        assert loaded.camera is not None and item.stamp_s is not None, "7-Scenes has a camera and times"
        frame, stamp_ns, samples = pipeline.estimate(loaded.rgb, loaded.camera), round(item.stamp_s * 1e9), None
        with suppress(DataError, FrameError):
            gray = np.asarray(cv2.cvtColor(loaded.rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            samples = window.update(gray, loaded.camera, pose, stamp_ns)
        found = aligner.update(
            frame.prediction, samples, stamp_ns, guide=torch.from_numpy(loaded.rgb), uncertainty=True
        )
        if index % EVERY or found.prediction is None:
            continue
        truth = torch.from_numpy(loaded.truth.astype(np.float32))
        depths = {
            "truth": DepthPrediction(truth, DepthKind.METRIC, uncertainty=TRUE_ERROR * truth),
            "raw": frame.prediction,
            "motion": found.prediction,
        }
        fused += 1
        for name, depth in depths.items():
            known = torch.where(torch.isfinite(truth) & (truth > 0), depth.values, torch.nan)
            begin = time.perf_counter()
            maps[name].add(Frame(frame.rgb, loaded.camera, replace(depth, values=known)), pose)
            ms += 1e3 * (time.perf_counter() - begin)
    points = {name: surface.surface()[0] for name, surface in maps.items()}
    distances = _distances(open3d(), points["truth"])
    return {
        "images": fused,
        "points": {name: len(found) for name, found in points.items()},
        "ms_per_image": round(ms / (fused * len(maps)), 1),
        **{name: distances(points[name]) for name in ("raw", "motion")},
    }


def _distances(o3d: Any, truth: np.ndarray) -> Callable[[np.ndarray], dict[str, float]]:
    """To the truth (N, 3) and from it: median, and share within 5 cm; chamfer is the mean of both means."""

    def cloud(points: np.ndarray) -> Any:
        return o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points.astype(np.float64)))

    def one(points: np.ndarray) -> dict[str, float]:
        if not len(points):
            raise ConfigError("the map has no points")
        there, back = (
            np.asarray(a.compute_point_cloud_distance(b))
            for a, b in ((cloud(points), cloud(truth)), (cloud(truth), cloud(points)))
        )
        return {
            "median_to_truth_m": round(float(np.median(there)), 4),
            "within_5_cm_of_truth": round(float((there < NEAR_M).mean()), 3),
            "median_from_truth_m": round(float(np.median(back)), 4),
            "truth_within_5_cm": round(float((back < NEAR_M).mean()), 3),
            "chamfer_m": round(float(there.mean() + back.mean()) / 2, 4),
        }

    return one


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, measure, argv, lambda parser: add_data(parser, "a folder with seven_scenes/"))


if __name__ == "__main__":
    sys.exit(main())
