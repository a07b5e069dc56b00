# SPDX-License-Identifier: Apache-2.0
"""A sample that contradicts the prediction and its neighbours is left out; one of these alone is no reason."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from mono_depth_ros.alignment.outliers import _unsupported, contradicted, neighbours
from mono_depth_ros.alignment.samples import Samples

SIZE = (240, 320)


def spread(count: int = 400, seed: int = 0) -> Samples:
    """At random places; a wall 3 m away, and a floor before it."""
    pixels = np.random.default_rng(seed).choice(SIZE[0] * SIZE[1], count, replace=False)
    rows, columns = np.divmod(pixels, SIZE[1])
    return Samples(rows, columns, np.minimum(3.0, 200 / (rows + 20)).astype(np.float32), SIZE)


def changed(samples: Samples, where: np.ndarray, factor: np.ndarray | float) -> Samples:
    depth = samples.depth.copy()
    depth[where] *= factor
    return Samples(samples.rows, samples.columns, depth.astype(np.float32), SIZE)


def smooth(samples: Samples) -> np.ndarray:
    """A prediction that is off by a tenth, differently everywhere."""
    return samples.depth * np.exp(0.1 * np.sin(samples.rows / 40) + 0.1 * np.cos(samples.columns / 50))


def test_all_of_a_smooth_error_are_kept() -> None:
    samples = spread()
    assert not contradicted(samples, smooth(samples)).any()
    assert not contradicted(samples, samples.depth).any(), "nothing is left to be corrected"


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_lone_outliers_go_and_nearly_only_they(share: float) -> None:
    samples, rng = spread(), np.random.default_rng(1)
    wrong = np.zeros(len(samples), dtype=bool)
    wrong[rng.permutation(len(samples))[: round(share * len(samples))]] = True
    spoilt = changed(samples, wrong, np.exp(rng.choice((-1, 1), wrong.sum()) * rng.uniform(0.5, 2.0, wrong.sum())))
    found = contradicted(spoilt, smooth(samples))
    assert found[wrong].mean() > 0.95 and found[~wrong].mean() < 0.03


@pytest.mark.parametrize(("near", "left_out"), [(2, False), (15, True)])
def test_where_many_are_wrong_the_nearest_neighbours_speak_most(near: int, left_out: bool) -> None:
    """A sample of 1.2 m before a wall, with two more that are nearer, or farther, than those of the wall."""
    rows, columns = (grid.ravel() for grid in np.meshgrid(np.arange(5, 240, 10), np.arange(5, 320, 10), indexing="ij"))
    rows, columns = np.r_[rows, 120, 120, 120 - near], np.r_[columns, 160, 160 + near, 160]
    depth = np.r_[np.full(len(rows) - 3, 3.0), 1.2, 1.2, 1.2].astype(np.float32)
    ratio = np.log(depth / 3) + 0.15 * np.sin(rows / 40)  # of a prediction such as networks give
    found = _unsupported(Samples(rows, columns, depth, SIZE), np.log(depth), ratio, np.ones(len(rows), dtype=bool))
    assert bool(found[-3]) is left_out and not found[:-3].any()


def test_depth_alone_tells_it_where_nothing_is_predicted() -> None:
    samples, rng = spread(), np.random.default_rng(2)
    wrong = rng.permutation(len(samples))[:80]
    found = contradicted(changed(samples, wrong, np.exp(rng.uniform(-2, 2, 80))), np.full(len(samples), np.nan))
    assert found[wrong].mean() > 0.9 and np.delete(found, wrong).mean() < 0.06


def test_what_the_network_missed_is_kept_where_several_samples_see_it() -> None:
    samples = spread()
    post = (samples.columns > 140) & (samples.columns < 180)
    assert not contradicted(changed(samples, post, 0.3), smooth(samples)).any()


def test_a_lone_sample_on_a_thin_thing_is_kept_where_the_prediction_is_as_wrong_elsewhere() -> None:
    samples = spread()
    prediction = samples.depth * np.exp(0.7 * np.sin(samples.columns / 50)).astype(np.float32)
    assert not contradicted(changed(samples, np.array([7]), 2.0), prediction).any()
    assert contradicted(changed(samples, np.array([7]), 2.0), samples.depth).nonzero()[0].tolist() == [7]


def test_two_outliers_in_one_place_do_not_speak_for_each_other_where_they_are_far_off() -> None:
    samples = spread()
    near = np.argsort(np.hypot(samples.rows - samples.rows[9], samples.columns - samples.columns[9]))[:2]
    found = contradicted(changed(samples, near, 7.0), smooth(samples))
    assert found.nonzero()[0].tolist() == sorted(near)


def test_the_same_depth_as_the_neighbours_is_enough() -> None:
    """A prediction with a hole: it is off at one sample, though its depth is that of its neighbours."""
    samples = spread()
    prediction = samples.depth.copy()
    prediction[50] *= 5.0
    assert not contradicted(samples, prediction).any()


def test_lines_of_a_lidar_are_no_reason() -> None:
    rows, columns = (grid.ravel() for grid in np.meshgrid(np.arange(10, 240, 30), np.arange(0, 320, 2), indexing="ij"))
    depth = np.where((columns > 100) & (columns < 130), 1.0, 3.0).astype(np.float32)
    assert not contradicted(Samples(rows, columns, depth, SIZE), np.full(len(rows), 2.0)).any()


def test_few_samples_are_all_kept() -> None:
    samples = spread(8)
    assert not contradicted(changed(samples, np.array([3]), 9.0), samples.depth).any()


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_of_many_samples_none_is_overlooked(share: float) -> None:
    samples = spread(12_000)
    rng = np.random.default_rng(1)
    wrong = rng.random(len(samples)) < share
    given = changed(samples, wrong, np.exp(rng.choice((-1, 1), wrong.sum()) * rng.uniform(0.5, 2.0, wrong.sum())))
    found = contradicted(given, smooth(samples))
    assert found[wrong].mean() > 0.95
    assert found[~wrong].mean() < 0.005


def test_twenty_thousand_do_not_take_long() -> None:
    samples = spread(20_000)
    start = time.process_time()
    contradicted(samples, smooth(samples))
    assert time.process_time() - start < 0.2


def things(seed: int) -> Samples:
    """Before the wall and the floor, with edges all around."""
    samples = spread(seed=seed)
    return changed(samples, (samples.rows // 40 + samples.columns // 53) % 3 == 0, 0.6)


def test_a_depth_that_others_around_have_by_chance_is_no_excuse_where_the_prediction_is_good() -> None:
    kept, lost = [], []
    for seed in range(6):
        samples, rng = things(seed), np.random.default_rng(seed)
        wrong = rng.permutation(len(samples))[:120]
        factor = rng.uniform(0.5 * samples.depth.min(), 1.5 * samples.depth.max(), 120) / samples.depth[wrong]
        found = contradicted(changed(samples, wrong, factor), smooth(samples))
        kept.append(~found[wrong[np.abs(np.log(factor)) > 0.2]])
        lost.append(np.delete(found, wrong))
    assert np.concatenate(kept).mean() < 0.015 and np.concatenate(lost).mean() < 0.02


def test_right_samples_that_the_others_tell_come_back() -> None:
    """Few agree with a sample on a steep floor, seen by a poor prediction; but it lies on the plane of those around."""
    pixels = np.random.default_rng(3).choice(SIZE[0] * SIZE[1], 300, replace=False)
    rows, columns = np.divmod(pixels, SIZE[1])
    samples, rng = Samples(rows, columns, (100 / (rows + 8)).astype(np.float32), SIZE), np.random.default_rng(0)
    wrong = rng.permutation(300)[:90]
    spoilt = changed(samples, wrong, rng.uniform(1, 12, 90) / samples.depth[wrong])
    prediction = np.exp(rng.normal(0, 0.3, 300)) * samples.depth
    assert np.delete(contradicted(spoilt, prediction), wrong).mean() < 0.06
    noisy = replace(spoilt, sigma=np.linspace(0.02, 0.3, 300, dtype=np.float32) * spoilt.depth)
    assert np.delete(contradicted(noisy, prediction), wrong).mean() > 0.06, "they are weighed one by one"


def test_neighbours_of_all_are_sought_once() -> None:
    samples = spread(300)
    all_kept = np.ones(300, dtype=bool)
    assert neighbours(samples, all_kept) is neighbours(samples, all_kept.copy())
    some = neighbours(samples, np.arange(300) % 2 == 0)
    assert (some % 2 == 0)[some >= 0].all()
