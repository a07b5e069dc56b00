# SPDX-License-Identifier: Apache-2.0
"""Depth above and below the beams of a lidar, and far from all samples."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from mono_depth_ros.alignment.extrapolation import around, around_each, to_grid
from mono_depth_ros.alignment.local_correction import local_correction
from mono_depth_ros.alignment.samples import Samples

HEIGHT, WIDTH = 240, 320
LINES = np.arange(60, 150, 6)


def room() -> np.ndarray:
    """(240, 320) float32 m: a floor from row 120 on, and two walls before the one behind."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    depth = np.minimum(6.0, 180.0 / np.maximum(rows - 100.0, 1.0))
    return np.minimum(depth, np.minimum(2.0 + columns / 40.0, 3.0 + (WIDTH - columns) / 60.0)).astype(np.float32)


def beams(depth: np.ndarray) -> Samples:
    rows, columns = (of.ravel() for of in np.meshgrid(LINES, np.arange(2, WIDTH, 5), indexing="ij"))
    return Samples(rows, columns, depth[rows, columns], depth.shape, np.searchsorted(LINES, rows))


def errors(prediction: np.ndarray, truth: np.ndarray, samples: Samples) -> np.ndarray:
    given = prediction * np.float32(np.median(samples.depth / prediction[samples.rows, samples.columns]))
    found = given * np.exp(local_correction(torch.from_numpy(given), samples).numpy())
    return np.abs(found / truth - 1)


def test_the_floor_below_the_beams_comes_nearer() -> None:
    """Within the beams hardly anything does: what samples there say of each other must not decide it."""
    truth, below = room(), []
    for seed in range(6):
        waves = np.random.default_rng(seed).normal(0, 0.05, (4, 5))
        waves = cv2.resize(waves, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        error = errors((truth * np.exp(waves)).astype(np.float32), truth, beams(truth))
        below.append(error[160:].mean())
    assert np.mean(below) < 0.04


def test_a_prediction_without_shape_leaves_the_depth_of_the_samples_around() -> None:
    truth = room()
    error = errors(np.full_like(truth, 4.0), truth, beams(truth))
    assert error[40:60].mean() < 0.03


def test_the_grid_and_single_places_see_the_same_samples() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.choice(HEIGHT * WIDTH // 2, 60, replace=False)
    rows, columns = np.divmod(pixels, WIDTH)
    values = [(rows / 100).astype(np.float32), (columns / 100).astype(np.float32)]
    grid = around(rows, columns, values, (HEIGHT, WIDTH))
    step = 4
    at = tuple(of.ravel() for of in np.mgrid[0:HEIGHT:step, 0:WIDTH:step])
    each = around_each(rows, columns, values, at)
    for coarse, exact in zip((grid.distance, *grid.mean), (each.distance, *each.mean), strict=True):
        off = np.abs(to_grid(np.ascontiguousarray(coarse), (HEIGHT, WIDTH), step) - exact)
        assert np.median(off) < 0.05 * np.ptp(exact) and np.isfinite(off).all()
