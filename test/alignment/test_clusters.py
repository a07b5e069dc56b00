# SPDX-License-Identifier: Apache-2.0
"""A part of the image whose samples all err alike is found; things that the network missed are not taken for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.clusters import cluster
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.errors import FitError
from mono_depth_ros.prediction import DepthKind, DepthPrediction

SIZE = (240, 320)


def scene() -> tuple[np.ndarray, np.ndarray]:
    """(truth, prediction that is off by a tenth, smoothly): a floor, a wall and two boxes."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    truth = np.minimum(8.0, 400 / np.maximum(rows - 40.0, 1.0))
    truth[60:160, 40:100], truth[100:200, 200:260] = 2.5, 1.8
    return truth.astype(np.float32), (truth * (1 + 0.1 * np.sin(columns / 60) * np.cos(rows / 50))).astype(np.float32)


def drawn(truth: np.ndarray, count: int = 500, seed: int = 0) -> Samples:
    rows, columns = np.divmod(np.random.default_rng(seed).choice(truth.size, count, replace=False), SIZE[1])
    return Samples(rows, columns, truth[rows, columns], SIZE)


def spoilt(samples: Samples, share: float, factor: float) -> Samples:
    apart = np.hypot(samples.rows - 120, samples.columns - 130)
    depth = samples.depth.copy()
    depth[np.argsort(apart)[: round(share * len(samples))]] *= factor
    return Samples(samples.rows, samples.columns, depth, SIZE)


@pytest.mark.parametrize(("share", "factor"), [(0.3, 2.0), (0.3, 0.5), (0.1, 2.0)])
def test_a_part_that_stands_apart_is_found(share: float, factor: float) -> None:
    truth, prediction = scene()
    samples = spoilt(drawn(truth), share, factor)
    found = cluster(samples, prediction[samples.rows, samples.columns])
    assert found is not None
    assert found.share == pytest.approx(share, abs=0.05) and found.factor == pytest.approx(factor, rel=0.15)
    dense = spoilt(drawn(truth, 5000), share, factor)
    wrong = dense.depth != truth[dense.rows, dense.columns]
    found = cluster(dense, prediction[dense.rows, dense.columns])
    assert found is not None and np.mean(found.part == wrong) > 0.95, "all samples, though not all were looked at"


def test_nothing_stands_apart_in_a_clean_scene_nor_does_what_a_network_missed() -> None:
    truth, prediction = scene()
    flat = np.full(SIZE, 4.0, dtype=np.float32)
    for seed in range(5):
        samples = drawn(truth, 500, seed)
        for what in (prediction, prediction * np.where(prediction < 3, 1.3, 1.0), flat):
            assert cluster(samples, what[samples.rows, samples.columns]) is None


def test_an_alignment_with_one_is_refused_and_says_why() -> None:
    truth, prediction = scene()
    wrong = spoilt(drawn(truth), 0.3, 2.0)
    with pytest.raises(FitError, match="30 % of the samples, all of one part of the image, say") as caught:
        align(prediction, wrong)
    assert caught.value.reason == "cluster"
    aligner = Aligner()
    image = DepthPrediction(torch.from_numpy(prediction), DepthKind.METRIC)
    assert aligner.update(image, drawn(truth), 0).state == "aligned"
    found = aligner.update(image, wrong, 10**8)
    assert found.state == "aligned" and "one part of the image" in found.reason and found.fitted == 0


def test_a_small_part_is_left_out_whole_and_said() -> None:
    truth, prediction = scene()
    wrong = spoilt(drawn(truth), 0.1, 2.0)
    found = align(prediction, wrong)
    assert found.fit.note.startswith("left out: 10 % of the samples, all of one part of the image, which say 2 times")
    assert found.fit.inliers < 0.91
    error = np.abs(found.apply(prediction).values.numpy() / truth - 1)
    clean = np.abs(align(prediction, drawn(truth)).apply(prediction).values.numpy() / truth - 1)
    assert error.mean() < 2 * clean.mean()
    aligned = Aligner().update(DepthPrediction(torch.from_numpy(prediction), DepthKind.METRIC), wrong, 0)
    assert aligned.state == "aligned" and aligned.reason == found.fit.note
    assert aligned.alignment is not None and aligned.alignment.fit.inliers < 0.91


def test_the_picture_tells_a_thing_that_the_network_missed_from_samples_that_err() -> None:
    """Of a flat prediction both jump alike; a thing has edges in the picture where the depth jumps."""
    rng = np.random.default_rng(0)
    flat, truth = np.full(SIZE, 4.0, dtype=np.float32), np.full(SIZE, 6.0, dtype=np.float32)
    thing = np.zeros(SIZE, dtype=bool)
    thing[60:180, 90:240] = True
    truth[thing] = 3.0
    texture = rng.integers(60, 100, (SIZE[0] // 8, SIZE[1] // 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
    samples = drawn(truth)
    there = torch.from_numpy((texture + 100 * thing[:, :, None]).astype(np.uint8))
    assert cluster(samples, flat[samples.rows, samples.columns], there) is None
    found = cluster(samples, flat[samples.rows, samples.columns], torch.from_numpy(texture.astype(np.uint8)))
    assert found is not None and found.factor == pytest.approx(0.5, rel=0.1)


def test_few_samples_have_no_parts() -> None:
    truth, prediction = scene()
    samples = spoilt(drawn(truth, 40), 0.3, 2.0)
    assert cluster(samples, prediction[samples.rows, samples.columns]) is None


def test_single_wrong_samples_that_all_err_alike_are_no_part() -> None:
    """Every fifth of a dense map, anywhere, by the same factor: a matter for the fit, which is robust."""
    rng = np.random.default_rng(0)
    rows, columns = (grid.ravel() for grid in np.mgrid[0:48, 0:64])
    prediction = (2.0 + rows / 20).astype(np.float32)
    depth = np.where(rng.random(len(rows)) < 0.2, 0.5, 1.7).astype(np.float32) * prediction
    assert cluster(Samples(rows, columns, depth, (48, 64)), prediction) is None


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_no_part_of_the_image(seed: int) -> None:
    truth, prediction = scene()
    samples, rng = drawn(truth, 500, seed), np.random.default_rng(seed)
    noisy = Samples(samples.rows, samples.columns, samples.depth * np.float32(rng.uniform(0.5, 2.0, 500)), SIZE)
    assert cluster(noisy, prediction[samples.rows, samples.columns]) is None
