# SPDX-License-Identifier: Apache-2.0
"""Kriging of what a fit lacks, planted, by samples with noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.align import consistent
from mono_depth_ros.alignment.kriging import MOST, kriged, noisy
from mono_depth_ros.alignment.local_correction import corrected
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import FitError
from mono_depth_ros.prediction import DepthKind, DepthPrediction

HEIGHT, WIDTH = 120, 160


def planted(
    seed: int, deviation: float, wrong: int = 0, amplitude: float = 0.1, count: int = 200, shared: float = 0.03
):
    """(fitted depth, true ln of the factor, samples): a smooth error, and samples of two precisions."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    fitted = 2.0 + 0.01 * row + 0.01 * column
    lacks = amplitude * np.sin(column / 40) * np.cos(row / 50)
    place = rng.choice(HEIGHT * WIDTH, count, replace=False)
    noise = np.where(rng.random(count) < 0.5, deviation, deviation / 5)
    depth = fitted.ravel()[place] * np.exp(lacks.ravel()[place] + noise * rng.normal(size=count))
    depth[:wrong] *= 0.5
    sigma = depth * np.hypot(noise, shared)
    samples = Samples(place // WIDTH, place % WIDTH, depth.astype(np.float32), (HEIGHT, WIDTH), None,
                      sigma.astype(np.float32))  # fmt: skip
    return torch.from_numpy(fitted.astype(np.float32)), lacks, samples


def mean_error(found: torch.Tensor, lacks: np.ndarray) -> float:
    return float(np.abs(found.numpy() - lacks).mean())


def test_noise_is_averaged_and_the_error_of_the_prediction_is_found() -> None:
    depth, lacks, samples = planted(0, 0.1)
    assert noisy(samples)
    found, left_out = kriged(depth, samples)
    assert mean_error(found, lacks) < 0.3 * float(np.abs(lacks).mean())
    blind = Samples(samples.rows, samples.columns, samples.depth, samples.size)
    assert mean_error(found, lacks) < 0.7 * mean_error(corrected(depth, blind)[0], lacks)
    assert torch.equal(corrected(depth, samples)[0], found)
    said, true = float(np.abs(left_out.error).mean()), mean_error(found, lacks)
    assert 0.7 * true < said < 4 * true


def test_a_prediction_without_contrast_is_given_one() -> None:
    depth, _, samples = planted(6, 0.05, amplitude=0.0)
    flat = depth.sqrt()
    found, _ = kriged(flat, samples)
    left, right = (samples.columns < 40), (samples.columns > 120)
    few, _ = kriged(flat, samples.select(left | right))
    for result, most in ((found, 0.03), (few, 0.06)):
        assert float((flat.log() + result - depth.log()).abs().mean()) < most


def test_a_good_prediction_is_not_pulled_by_poor_samples() -> None:
    depth, lacks, samples = planted(1, 0.12, amplitude=0.0)
    found, _ = kriged(depth, samples)
    assert mean_error(found, lacks) < 0.015


def test_a_corner_on_a_silhouette_is_one_of_what_is_nearer() -> None:
    depth, _, _ = planted(7, 0.1)
    depth[:] = 4.0
    depth[:, :80] = 2.0
    rows = np.repeat(np.arange(5, 115, 10), 8)
    columns = np.tile([10, 30, 50, 81, 82, 100, 120, 140], 11)  # two of eight just beside the edge
    true = np.where(columns < 90, 2.2, 4.4) * np.exp(0.03 * np.random.default_rng(0).normal(size=len(rows)))
    sigma = true * np.where(columns % 20, 0.04, 0.06)
    samples = Samples(rows, columns, true.astype(np.float32), (HEIGHT, WIDTH), None, sigma.astype(np.float32))
    found, _ = kriged(depth, samples)
    assert float((found - np.log(1.1)).abs().max()) < 0.04


def test_corners_where_the_prediction_is_blurred_do_not_pull_what_is_around_them() -> None:
    """Things before a wall, whose edges a network blurs: there it is wrong, and right everywhere else."""
    column = np.broadcast_to(np.arange(WIDTH), (HEIGHT, WIDTH)).astype(np.float64)
    from_edge = np.abs(column % 40 - 20) - 10  # a post of 20 pixels every 40, nearer than the wall
    true = np.where(from_edge < 0, 2.0, 4.0)
    predicted = torch.from_numpy(np.exp(np.log(2) * (1 + np.clip(from_edge / 12 + 0.5, 0, 1))).astype(np.float32))
    rng = np.random.default_rng(3)
    rows = rng.integers(5, HEIGHT - 5, 160)
    columns = rng.permutation(
        np.concatenate((np.tile([10, 29, 50, 69, 90, 109, 130, 149], 15), np.tile([0, 20, 40, 60], 10)))
    )
    noise = np.where(rng.random(160) < 0.5, 0.02, 0.06)
    depth = true[rows, columns] * np.exp(noise * rng.normal(size=160))
    samples = Samples(
        rows, columns, depth.astype(np.float32), (HEIGHT, WIDTH), None, (depth * noise).astype(np.float32)
    )
    found, _ = kriged(predicted, samples)
    clear = np.abs(from_edge) > 7
    assert np.allclose(predicted.numpy()[clear], true[clear])
    assert float(np.abs(found.numpy()[clear]).mean()) < 0.03


def test_wrong_samples_lose_their_weight() -> None:
    depth, lacks, samples = planted(2, 0.05, wrong=10)
    found, left_out = kriged(depth, samples)
    clean, _ = kriged(depth, samples.select(np.arange(10, len(samples))))
    assert mean_error(found, lacks) < 1.5 * mean_error(clean, lacks) + 0.002
    assert not set(left_out.number.tolist()) & set(range(10))


def test_what_all_samples_share_is_no_noise() -> None:
    depth, _, samples = planted(3, 0.1)
    more, _, other = planted(3, 0.1, shared=0.05)
    np.testing.assert_allclose(kriged(depth, samples)[0], kriged(more, other)[0], atol=2e-3)


@pytest.mark.parametrize("case", ["no sigma", "exact", "few", "many"])
def test_other_samples_are_not_kriged(case) -> None:
    _, _, samples = planted(4, 0.1 if case != "exact" else 0.002, count=MOST + 1 if case == "many" else 200)
    if case == "no sigma":
        samples = Samples(samples.rows, samples.columns, samples.depth, samples.size)
    if case == "few":
        samples = samples.select(np.arange(8))
    assert not noisy(samples)


def test_unknown_depth_stays_uncorrected() -> None:
    depth, _, samples = planted(5, 0.1)
    depth[:30], depth[30:40] = float("nan"), float("inf")
    found, left_out = kriged(depth, samples)
    assert torch.isfinite(found).all() and (found[:40] == 0).all() and found[50:].abs().max() > 0.03
    assert (samples.rows[left_out.number] >= 40).all()
    assert kriged(torch.full_like(depth, float("nan")), samples)[1] is None


def test_noisy_samples_are_not_refused_in_groups(monkeypatch) -> None:
    def refused(*_):
        raise FitError("a part of them", "cluster")

    monkeypatch.setattr("mono_depth_ros.alignment.align.cluster", refused)
    depth, _, samples = planted(8, 0.05)
    prediction = DepthPrediction(depth, DepthKind.METRIC)
    assert len(consistent(prediction, samples, AlignConfig())[0]) > 0.9 * len(samples)
    with pytest.raises(FitError):
        consistent(prediction, replace(samples, sigma=None), AlignConfig())
