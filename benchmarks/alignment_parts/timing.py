# SPDX-License-Identifier: Apache-2.0
"""The time of one image of 640x480 in the alignment, everything included, as the node has it."""

from __future__ import annotations

import statistics
import time
from typing import Any

import cv2
import numpy as np
import torch

from alignment_parts.row import row
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world.world import World

LIMITS_MS = {500: 15.0, 20_000: 60.0}
"""By the number of samples."""

CAMERA = Camera.from_fov((640, 480), 70.0)
REPEATS = 25


def rows() -> list[dict[str, Any]]:
    """Medians of `Aligner.update`, with two threads; samples and images follow each other at 10 Hz."""
    world = World.generate("room", 21)
    view = world.render(CAMERA, world.path().pose(1.0), normals=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(min(2, threads))
    cv2.setNumThreads(min(2, threads))
    found = []
    for count, limit in LIMITS_MS.items():
        median = _median_ms(view.depth, torch.from_numpy(view.rgb), count)
        title = f"alignment of 640x480, {count} samples, {torch.get_num_threads()} threads"
        found.append(row(title, median, f"<= {limit:g}", "ms", median <= limit))
    torch.set_num_threads(threads)
    return found


def _median_ms(depth: np.ndarray, rgb: torch.Tensor, count: int) -> float:
    rng = np.random.default_rng(count)
    waves = cv2.resize(rng.normal(0, 0.1, (5, 6)), depth.shape[::-1], interpolation=cv2.INTER_CUBIC)
    prediction = DepthPrediction(torch.from_numpy((depth * np.exp(waves)).astype(np.float32)), DepthKind.METRIC)
    known_rows, known_columns = np.nonzero(np.isfinite(depth))
    aligner, times = Aligner(), []
    for k in range(REPEATS + 3):
        chosen = rng.choice(len(known_rows), count, replace=False)
        v, u = known_rows[chosen], known_columns[chosen]
        samples = Samples(v, u, depth[v, u], (depth.shape[0], depth.shape[1]))
        start = time.perf_counter()
        aligner.update(prediction, samples, k * 100_000_000, guide=rgb)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[3:])
