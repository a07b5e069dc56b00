# SPDX-License-Identifier: Apache-2.0
"""Planted scale and shift: what the fit finds of them, among samples of which many are wrong, and how fast."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alignment_parts.row import row
from mono_depth_ros.alignment.fit import fit_curve
from mono_depth_ros.alignment.result import Fit
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import FitError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.world.world import KINDS, World

Floats = NDArray[np.floating[Any]]

CAMERA = Camera.from_fov((160, 120), 70.0)
WORLDS, VIEWS, DRAWS = 3, 4, 5  # of each kind of scene, of each world, of samples of each view
OUTLIERS = 0.3
NEAREST_M, FARTHEST_M = 0.3, 40.0  # of the depths that outliers have, all alike likely
MANY = 20_000
SEEDS = 200


def rows() -> list[dict[str, Any]]:
    """One dict a figure: name, measured, asked (None: for information), unit, holds (None: nothing asked)."""
    depths = list(_depths())
    found = []
    for count, limit in ((200, 0.005), (40, 0.02)):
        found += _planted(depths, count, limit, "robust")
        found += _planted(depths, count, None, "lstsq")
    found += _planted(depths, 200, None, "robust", noise=0.02)
    return [*found, *_noisy(), *_metric(depths), *_time(depths)]


def _noisy() -> list[dict[str, Any]]:
    """Samples from 1 to 10 m, alike likely in 1/z."""
    found = []
    for noise, limit in ((0.01, 0.005), (0.03, 0.015)):
        errors = []
        for seed in range(SEEDS):
            rng = np.random.default_rng([seed, 500])
            scale, shift = float(np.exp(rng.uniform(-4.0, 1.0))), float(rng.uniform(0.02, 0.2) * rng.choice([-1, 1]))
            true = 1 / rng.uniform(0.1, 1.0, 500)
            x = ((1.0 / true - shift) / scale).astype(np.float32)
            fit = _fit(x, _spoilt(true, noise, rng, (1.0, 10.0)), DepthKind.INVERSE_AFFINE, AlignConfig(seed=seed))
            errors.append(abs(fit.scale / scale - 1) if fit else np.inf)
        measured = float(np.percentile(errors, 95))
        title = (
            f"planted, 500 samples of 1 to 10 m, 30 % outliers, inliers off by {100 * noise:g} %: error of the scale"
        )
        name = f"{title}, 95th percentile of {SEEDS}"
        found.append(row(name, 100 * measured, f"<= {100 * limit:g}", "%", measured <= limit))
    return found


def _planted(
    depths: list[Floats], count: int, limit: float | None, method: str, noise: float = 0.0
) -> list[dict[str, Any]]:
    """An unknown affine of 1/z: the worst of all draws of the robust fit, half the draws of plain least squares."""
    errors = []
    for k, depth in enumerate(depths):
        for draw in range(DRAWS):
            rng = np.random.default_rng([k, draw])
            scale, shift = float(np.exp(rng.uniform(-4.0, 1.0))), float(rng.uniform(0.02, 0.2) * rng.choice([-1, 1]))
            true = _drawn(depth, count, rng)
            x = ((1.0 / true - shift) / scale).astype(np.float32)
            config = AlignConfig(method=method, seed=draw)
            fit = _fit(x, _spoilt(true, noise, rng), DepthKind.INVERSE_AFFINE, config)
            errors.append((abs(fit.scale / scale - 1), abs(fit.shift / shift - 1)) if fit else (np.nan, np.nan))
    scatter = f", inliers off by {100 * noise:g} %" if noise else ""
    title = f"planted, {count} samples, {100 * OUTLIERS:g} % outliers{scatter}, {method}"
    asked = None if limit is None else f"<= {100 * limit:g}"
    found = []
    for name, error in zip(("scale", "shift"), np.array(errors).T, strict=True):
        known = error[np.isfinite(error)]
        measured = float(known.max() if limit else np.median(known))
        of = f"largest of {len(known)}" if limit else f"median of {len(known)}"
        holds = None if limit is None else measured <= limit
        found.append(row(f"{title}: error of the {name}, {of}", 100 * measured, asked, "%", holds))
    refused = float(np.isnan(np.array(errors)).any(axis=1).mean())
    if limit is not None:
        found.append(row(f"{title}: draws that were refused", 100 * refused, "<= 0", "%", refused == 0))
    return found


def _metric(depths: list[Floats]) -> list[dict[str, Any]]:
    """A metric prediction off by a factor: the worst of all draws, and half the draws of plain least squares."""
    found = []
    for method in ("robust", "lstsq"):
        errors = []
        for k, depth in enumerate(depths):
            rng = np.random.default_rng([k, 7])
            true, scale = _drawn(depth, 200, rng), float(np.exp(rng.uniform(-1.0, 1.0)))
            fit = _fit(true / scale, _spoilt(true, 0.0, rng), DepthKind.METRIC, AlignConfig(method=method))
            errors.append(abs(fit.scale / scale - 1) if fit else np.nan)
        robust = method == "robust"
        measured = float(np.max(errors) if robust else np.median(errors))
        title = f"planted, 200 samples, {100 * OUTLIERS:g} % outliers, metric prediction, {method}: error of the scale"
        title += f", {'largest' if robust else 'median'} of {len(errors)}"
        found.append(row(title, 100 * measured, "<= 0.5" if robust else None, "%", measured <= 0.005 or None))
    return found


def _time(depths: list[Floats]) -> list[dict[str, Any]]:
    """Median of one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    true = np.concatenate([_drawn(depth, MANY // len(depths) + 1, rng) for depth in depths])[:MANY]
    found = []
    for kind, x in ((DepthKind.INVERSE_AFFINE, 2.0 / true - 0.1), (DepthKind.METRIC, true / 1.3)):
        measured = []
        spoilt, values = _spoilt(true, 0.02, rng), x.astype(np.float32)
        for seed in range(31):
            start = time.perf_counter()
            fit_curve(values, spoilt, kind, AlignConfig(seed=seed))
            measured.append(1e3 * (time.perf_counter() - start))
        median = float(np.median(measured))
        name = "scale and shift" if kind is DepthKind.INVERSE_AFFINE else "scale alone"
        found.append(row(f"fit of {name} to {MANY:,} samples, one thread", median, "<= 3", "ms", median <= 3.0))
    torch.set_num_threads(threads)
    return found


def _depths() -> list[Floats]:
    """(N,) metres each: what is seen in views of the synthetic world, without the sky."""
    found = []
    for kind in KINDS:
        for seed in range(WORLDS):
            world, rng = World.generate(kind, 3000 + seed), np.random.default_rng(seed)
            for _ in range(VIEWS):
                depth = world.render(CAMERA, world.random_pose(rng), normals=False).depth
                found.append(depth[np.isfinite(depth) & (depth < 100.0)].astype(np.float64))
    return found


def _drawn(depth: Floats, count: int, rng: np.random.Generator) -> Floats:
    drawn: Floats = rng.choice(depth, count, replace=False)
    return drawn


def _spoilt(
    depth: Floats, noise: float, rng: np.random.Generator, anywhere_m: tuple[float, float] = (NEAREST_M, FARTHEST_M)
) -> NDArray[np.float32]:
    """With relative errors of a standard deviation, and exactly OUTLIERS of them anywhere, too near or too far."""
    found = depth * np.exp(noise * rng.normal(size=len(depth)))
    wrong = rng.permutation(len(depth))[: round(OUTLIERS * len(depth))]
    found[wrong] = rng.uniform(*anywhere_m, len(wrong))
    return found.astype(np.float32)


def _fit(values: Floats, depth: NDArray[np.float32], kind: DepthKind, config: AlignConfig) -> Fit | None:
    try:
        return fit_curve(values.astype(np.float32), depth, kind, config)
    except FitError:
        return None
