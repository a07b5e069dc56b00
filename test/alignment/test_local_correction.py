# SPDX-License-Identifier: Apache-2.0
"""The local correction on images of which the answer is known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.local_correction import local_correction
from mono_depth_ros.alignment.samples import Samples

HEIGHT, WIDTH = 240, 320


def scene() -> np.ndarray:
    """(240, 320) float32 m: a floor up to a wall 8 m away, and a box 2 m away before them."""
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    depth = np.minimum(8.0, 150.0 / np.maximum(rows - 100.0, 1.0)) * np.ones((1, WIDTH), dtype=np.float32)
    depth[90:170, 120:200] = 2.0
    return depth.astype(np.float32)


def distortion(seed: int, size: float = 0.25) -> np.ndarray:
    knots = np.random.default_rng(seed).uniform(-1.0, 1.0, (3, 4))
    field = cv2.resize(knots, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return (1.0 + size * field / np.abs(field).max()).astype(np.float32)


def drawn(depth: np.ndarray, count: int, seed: int = 0) -> Samples:
    pixels = np.random.default_rng(seed).choice(np.flatnonzero(np.isfinite(depth)), count, replace=False)
    rows, columns = np.divmod(pixels, depth.shape[1])
    return Samples(rows, columns, depth[rows, columns], depth.shape)


def abs_rel(depth: np.ndarray, truth: np.ndarray) -> float:
    known = np.isfinite(depth) & np.isfinite(truth)
    return float(np.abs(depth[known] / truth[known] - 1.0).mean())


def globally(prediction: np.ndarray, samples: Samples) -> np.ndarray:
    ratio = np.log(samples.depth / prediction[samples.rows, samples.columns])
    return prediction * np.float32(np.exp(np.median(ratio[np.isfinite(ratio)])))


def corrected(depth: np.ndarray, samples: Samples) -> np.ndarray:
    found = local_correction(torch.from_numpy(depth), samples)
    assert found.dtype == torch.float32 and found.shape == depth.shape and bool(torch.isfinite(found).all())
    return depth * np.exp(found.numpy())


@pytest.mark.parametrize("seed", range(4))
def test_a_smooth_distortion_is_taken_out_and_the_edges_stay(seed: int) -> None:
    truth = scene()
    samples = drawn(truth, 500, seed)
    whole = globally(truth * distortion(seed), samples)
    found = corrected(whole, samples)
    assert abs_rel(found, truth) < 0.15 * abs_rel(whole, truth)
    # Across the box's side: interpolation of depths alone would be between 2 m and what is behind for pixels on end.
    assert np.abs(found[100:160, 196:204] / truth[100:160, 196:204] - 1).max() < 0.25


def test_few_samples_never_make_it_worse() -> None:
    truth = scene()
    for seed in range(30):
        for count in (1, 3, 8, 20):
            samples = drawn(truth, count, seed)
            whole = globally(truth * distortion(seed), samples)
            assert abs_rel(corrected(whole, samples), truth) <= 1.02 * abs_rel(whole, truth), (seed, count)


def test_a_prediction_that_is_right_already_stays() -> None:
    truth = scene()
    assert abs_rel(corrected(truth, drawn(truth, 500)), truth) < 1e-3
    noisy = drawn(truth, 500)
    rng = np.random.default_rng(1)
    noisy = Samples(
        noisy.rows, noisy.columns, noisy.depth * np.exp(0.03 * rng.normal(size=500)).astype("f4"), truth.shape
    )
    assert abs_rel(corrected(truth, noisy), truth) < 0.01, "noise of the samples is no gain"


def test_a_prediction_without_edges_is_as_good_as_interpolation() -> None:
    """A network that saw nothing: the same depth everywhere. The samples alone must do."""
    truth = scene()
    samples = drawn(truth, 1000)
    found = corrected(np.full_like(truth, 4.0), samples)
    assert abs_rel(found, truth) < 0.05 and abs_rel(found[200:], truth[200:]) < 0.01


def test_the_shape_of_a_bad_prediction_is_forgotten() -> None:
    """It sees edges that are not there: squares of 0.6 and 1.4 times the depth. A wall and a floor need no shape."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    truth = scene()
    truth[90:170, 120:200] = truth[90:170, :1]
    samples = drawn(truth, 800)
    prediction = truth * np.where((rows // 25 + columns // 25) % 2, 1.4, 0.6).astype(np.float32)
    assert abs_rel(corrected(globally(prediction, samples), samples), truth) < 0.02


def test_unknown_and_infinite_depth() -> None:
    """NaN and sky are not corrected, samples there are not used, and what is around is as good as ever."""
    truth = scene()
    samples = drawn(truth, 500, 2)
    prediction = truth * distortion(2)
    prediction[:60], prediction[150:200, 40:90] = np.inf, np.nan
    whole = globally(prediction, samples)
    found = local_correction(torch.from_numpy(whole), samples).numpy()
    assert np.isfinite(found).all() and not found[:60].any() and not found[150:200, 40:90].any()
    assert abs_rel(whole * np.exp(found), truth) < 0.15 * abs_rel(whole, truth)


def test_nothing_known_is_no_correction() -> None:
    nothing = np.full((HEIGHT, WIDTH), np.nan, dtype=np.float32)
    assert not local_correction(torch.from_numpy(nothing), drawn(scene(), 100)).any()
    none = Samples(np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32), (HEIGHT, WIDTH))
    assert not local_correction(torch.from_numpy(scene()), none).any()


def test_far_from_all_samples_the_fit_counts_again() -> None:
    truth = scene()
    for seed in range(5):
        samples = drawn(truth, 600, seed)
        near = samples.select(samples.columns < 100)
        whole = globally(truth * distortion(seed), near)
        found = corrected(whole, near)
        assert abs_rel(found[:, :95], truth[:, :95]) < 0.2 * abs_rel(whole[:, :95], truth[:, :95])
        assert abs_rel(found[:, 200:], truth[:, 200:]) < 1.15 * abs_rel(whole[:, 200:], truth[:, 200:])


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (97, 203), (1, 50), (33, 1)])
def test_any_size(size: tuple[int, int]) -> None:
    truth = np.full(size, 3.0, dtype=np.float32)
    found = local_correction(torch.from_numpy(truth * 0.9), drawn(truth, min(30, truth.size)))
    assert found.shape == size and bool(torch.isfinite(found).all())
    assert float(found.max()) <= -math.log(0.9) + 1e-3 and float(found.min()) >= -1e-6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_is_the_same() -> None:
    truth = scene()
    samples = drawn(truth, 500)
    whole = torch.from_numpy(globally(truth * distortion(1), samples))
    assert torch.allclose(local_correction(whole.cuda(), samples).cpu(), local_correction(whole, samples), atol=1e-3)
