# SPDX-License-Identifier: Apache-2.0
"""Local correction of a prediction that is distorted smoothly: the synthetic world's depth times a planted field."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from alignment_parts.row import row
from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.local_correction import local_correction
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.world import KINDS, World

CAMERA = Camera.from_fov((640, 480), 70.0)
WORLDS = 3  # views, of each kind of scene
DRAWS = {20: 10, 50: 4, 100: 2, 500: 2}
"""Fields and choices of points in each view, for each number of points."""

OUTLIERS, ANYWHERE_M = 0.05, (0.5, 30.0)
DISTORTION = 0.25
KNOTS = (4, 5)  # of the field over the image, rows and columns: it turns every 130-160 pixels
EVERYTHING = AlignConfig(held_out=0.0, min_samples=min(DRAWS) // 2)

Depth = NDArray[np.float32]


def rows() -> list[dict[str, Any]]:
    """One dict a figure: held-out AbsRel of local over that of global, by the number of points; and time."""
    views = list(_views())
    found = []
    for count, outliers in (*((count, 0.0) for count in DRAWS), (max(DRAWS), OUTLIERS)):
        chosen = [(index, draw) for index in range(len(views)) for draw in range(DRAWS[count])]
        cases = [_case(views[seed[0]], count, outliers, seed) for seed in chosen]
        before, after = (np.array(column) for column in zip(*cases, strict=True))
        ratio = after / before
        wrong = f" ({100 * outliers:g} % of them anywhere)" if outliers else ""
        title = f"distorted by up to {100 * DISTORTION:g} %, {count} points{wrong}, {len(ratio)} cases"
        found.append(row(f"{title}: AbsRel of global, mean", float(before.mean()), None, "", None))
        found.append(row(f"{title}: AbsRel of local, mean", float(after.mean()), None, "", None))
        worst, mean = float(ratio.max()), float(after.mean() / before.mean())
        found.append(row(f"{title}: local / global, of the means", mean, *_bar(mean, 0.5 if count == 500 else None)))
        limit = {20: 1.02, 500: 0.5}.get(count)
        found.append(row(f"{title}: local / global, worst case", worst, *_bar(worst, limit)))
    return [*found, *_time(views[0])]


def distorted(depth: Depth, rng: np.random.Generator) -> Depth:
    """(H, W) metres times a smooth field whose largest departure from 1 is DISTORTION."""
    height, width = depth.shape
    field = cv2.resize(rng.uniform(-1.0, 1.0, KNOTS), (width, height), interpolation=cv2.INTER_CUBIC)
    found: Depth = (depth * (1.0 + DISTORTION * field / np.abs(field).max())).astype(np.float32)
    return found


def _bar(measured: float, limit: float | None) -> tuple[str | None, str, bool | None]:
    """(asked, unit, holds) of a ratio."""
    return (None, "", None) if limit is None else (f"<= {limit:g}", "", measured <= limit)


def _case(depth: Depth, count: int, outliers: float, seed: tuple[int, int]) -> tuple[float, float]:
    """AbsRel of (global, local) on all pixels that were not drawn; the prediction's scale is off as well."""
    rng = np.random.default_rng([*seed, count])
    prediction = 0.7 * distorted(depth, rng)
    given = _spoilt(_drawn(depth, count, rng), outliers, rng)
    aligned = align(prediction, given, EVERYTHING, kind=DepthKind.METRIC)
    assert aligned.correction is not None
    whole = aligned.fit.scale * prediction
    asked = np.ones(depth.shape, dtype=bool)
    asked[given.rows, given.columns] = False
    local = whole * np.exp(aligned.correction.numpy())
    return depth_metrics(whole, depth, asked).abs_rel, depth_metrics(local, depth, asked).abs_rel


def _time(depth: Depth) -> list[dict[str, Any]]:
    """Medians of the local correction alone: by the clock, and the processor time of one thread, which a busy machine
    does not change much."""
    threads = torch.get_num_threads()
    found = []
    for count in (20, 500, 5000):
        rng = np.random.default_rng(count)
        prediction, given = torch.from_numpy(distorted(depth, rng)), _drawn(depth, count, rng)
        title, work = f"local correction of 640x480, {count} points", partial(local_correction, prediction, given)
        torch.set_num_threads(min(2, threads))
        wall = _median_ms(work, time.perf_counter)
        asked = "<= 25" if count == 500 else None
        words = f"{title}, {torch.get_num_threads()} threads"
        found.append(row(words, wall, asked, "ms", wall <= 25.0 if asked else None))
        torch.set_num_threads(1)
        processor = _median_ms(work, time.process_time)
        found.append(row(f"{title}, processor time of one thread", processor, None, "ms", None))
    torch.set_num_threads(threads)
    return found


def _median_ms(work: Callable[[], Any], clock: Callable[[], float], repeats: int = 21) -> float:
    for _ in range(3):
        work()
    measured = []
    for _ in range(repeats):
        start = clock()
        work()
        measured.append(1e3 * (clock() - start))
    return statistics.median(measured)


def _drawn(depth: Depth, count: int, rng: np.random.Generator) -> Samples:
    rows, columns = np.nonzero(np.isfinite(depth))
    chosen = rng.choice(len(rows), count, replace=False)
    rows, columns = rows[chosen], columns[chosen]
    return Samples(rows, columns, depth[rows, columns], (depth.shape[0], depth.shape[1]))


def _spoilt(samples: Samples, share: float, rng: np.random.Generator) -> Samples:
    """A share of them with any depth of ANYWHERE_M."""
    wrong = rng.permutation(len(samples))[: round(share * len(samples))]
    depth = samples.depth.copy()
    depth[wrong] = rng.uniform(*ANYWHERE_M, len(wrong))
    return replace(samples, depth=depth)


def _views() -> Iterator[Depth]:
    """(480, 640) float32 metres, +inf sky."""
    for kind in KINDS:
        for seed in range(WORLDS):
            world = World.generate(kind, 4000 + seed)
            yield world.render(CAMERA, world.random_pose(np.random.default_rng(seed)), normals=False).depth
