# SPDX-License-Identifier: Apache-2.0
"""How good a trained network is: held-out synthetic frames, a per-row baseline, real frames, the forward time.

Depth is scored at every pixel that has a true depth, also where the network says sky: it cannot hide an error there.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from mono_depth_ros.datasets.dataset import LabelledFrame
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.metrics import DepthMetrics, MetricsSum, affine_inverse, median_scale
from mono_depth_ros.models.families.tiny import TinyModel, save_tiny
from mono_depth_ros.models.networks.tiny import TinyDepthNet
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.training.pool import Pool, PoolSpec, render_world


def shipped(network: TinyDepthNet) -> TinyModel:
    """The model that users get, with the weights of a network that is being trained."""
    with TemporaryDirectory(prefix="mono_depth_train-") as folder:
        weights = Path(folder) / "tiny.safetensors"
        save_tiny(network, weights)
        return TinyModel(EngineOptions(torch.device("cpu")), weights)


@torch.inference_mode()
def predict(model: TinyModel, rgb: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(depth (H, W) float32 metres, sky (H, W) bool) of one image (H, W, 3) uint8, by the model's own code.

    The depth is that of every pixel, also where the model's prediction is sky.
    """
    log_depth, sky_logit = model.run(*model.preprocess(torch.from_numpy(np.array(rgb))[None], [camera]))
    (prediction,) = model.postprocess((log_depth, sky_logit), [camera])
    (without_sky,) = model.postprocess((log_depth, torch.full_like(sky_logit, -1.0)), [camera])
    return without_sky.values.numpy(), np.isposinf(prediction.values.numpy())


def held_out(model: TinyModel, pool: Pool) -> dict[str, Any]:
    """Metrics over a pool, no alignment: `all`, one entry per kind of scene, and `sky_iou`."""
    total, kinds = MetricsSum(), {kind: MetricsSum() for kind in pool.kinds}
    both = either = 0
    for index in range(len(pool)):
        depth, sky = predict(model, pool.rgb[index], pool.camera(index))
        truth = pool.depth[index].astype(np.float32)
        total.add(depth, truth)
        kinds[pool.kinds[pool.meta[index]["kind"]]].add(depth, truth)
        both += int((sky & np.isposinf(truth)).sum())
        either += int((sky | np.isposinf(truth)).sum())
    per_kind = {kind: rounded(found.result()) for kind, found in kinds.items() if found.n}
    return {
        "frames": len(pool),
        "all": rounded(total.result()),
        "kinds": per_kind,
        "sky_iou": round(both / max(either, 1), 4),
    }


def other_cameras(model: TinyModel, spec: PoolSpec, frames: int) -> dict[str, Any]:
    """Metrics over the first `frames` worlds of `spec`, rendered at its size here and predicted at that size."""
    total = MetricsSum()
    for number in range(frames):
        for rgb, truth, camera in render_world(spec, number):
            total.add(predict(model, rgb, camera)[0], truth)
    return {"frames": frames * spec.views, "all": rounded(total.result())}


def row_baseline(training: Pool, frames: int = 4000, every: int = 8) -> np.ndarray:
    """(H,) metres: the depth of each image row that minimises AbsRel over the training frames.

    The minimiser of sum |c - t| / t is the median of t weighted by 1 / t. `frames` frames spread over the pool and one
    column in `every` are used.
    """
    chosen = np.unique(np.linspace(0, len(training) - 1, min(frames, len(training))).astype(int))
    depth = np.stack([training.depth[i, :, ::every] for i in chosen]).astype(np.float64)
    rows = np.empty(depth.shape[1])
    for row in range(len(rows)):
        t = np.sort(depth[:, row][np.isfinite(depth[:, row]) & (depth[:, row] > 0)])
        weight = np.cumsum(1 / t) if t.size else np.zeros(1)
        rows[row] = t[np.searchsorted(weight, weight[-1] / 2)] if t.size else np.nan
    return rows


def score_rows(rows: np.ndarray, pool: Pool) -> dict[str, float]:
    """Metrics of the constant-per-row predictor (H,) over a pool of the same height."""
    total = MetricsSum()
    for truth in pool.depth:
        total.add(np.broadcast_to(rows[:, None], truth.shape), truth)
    return rounded(total.result())


def real(model: TinyModel, frames: Iterable[LabelledFrame]) -> dict[str, Any]:
    """Metrics over real frames: as they are, scaled by the ratio of medians, and fitted in inverse depth, per frame."""
    sums = {name: MetricsSum() for name in ("metric", "median_scaled", "affine_inverse")}
    count, scales = 0, list[float]()
    for frame in frames:
        assert frame.camera is not None
        depth, _ = predict(model, frame.rgb, frame.camera)
        scale, (slope, shift) = median_scale(depth, frame.truth), affine_inverse(depth, frame.truth)
        inverse = slope / depth + shift
        with np.errstate(divide="ignore"):
            # a fit may cross zero: such pixels are beyond range, and count as the farthest the scene has
            fitted = np.minimum(np.where(inverse > 0, 1 / inverse, np.inf), np.nanmax(frame.truth))
        for name, value in (("metric", depth), ("median_scaled", depth * scale), ("affine_inverse", fitted)):
            sums[name].add(value, frame.truth)
        count, scales = count + 1, [*scales, scale]
    found: dict[str, Any] = {name: rounded(total.result()) for name, total in sums.items()}
    return {"frames": count, "median_of_scales": round(float(np.median(scales)), 3), **found}


def forward_ms(network: TinyDepthNet, width: int = 256, height: int = 192, repeats: int = 50) -> dict[str, float]:
    """Median and fastest time of one float32 forward of one image, after a warm-up; milliseconds."""
    rgb = torch.rand(1, 3, height, width).contiguous(memory_format=torch.channels_last)
    rays, times = torch.rand(1, 2, height, width) - 0.5, []
    with torch.inference_mode():
        for _ in range(repeats + 5):
            start = time.perf_counter()
            network(rgb, rays)
            times.append(1e3 * (time.perf_counter() - start))
    return {
        "median": round(float(np.median(times[5:])), 2),
        "fastest": round(min(times[5:]), 2),
        "threads": torch.get_num_threads(),
    }


def rounded(metrics: DepthMetrics) -> dict[str, float]:
    """The metrics as a dict with five digits behind the point."""
    return {name: round(value, 5) for name, value in dataclasses.asdict(metrics).items()}
