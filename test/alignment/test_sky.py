# SPDX-License-Identifier: Apache-2.0
"""A sky that samples lie in is none; a sky that they leave out stays."""

from __future__ import annotations

import numpy as np
import torch

from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.sky import seen_in_the_sky

SIZE = (240, 320)


def room(sky: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """(truth, prediction with a sky)."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    truth = (3 + columns / 100 + rows / 300).astype(np.float32)
    prediction = truth.copy()
    prediction[sky] = np.inf
    return truth, prediction


def drawn(truth: np.ndarray, where: np.ndarray, count: int = 500) -> Samples:
    pixels = np.random.default_rng(0).choice(np.flatnonzero(where), count, replace=False)
    rows, columns = np.divmod(pixels, SIZE[1])
    return Samples(rows, columns, truth[rows, columns], SIZE)


def test_a_small_sky_in_a_room_is_a_wall() -> None:
    truth, prediction = room(np.s_[0:20, 100:130])
    samples = drawn(truth, np.ones(SIZE, dtype=bool))
    found = align(prediction, samples).apply(prediction).values.numpy()
    assert np.isfinite(found).all() and np.abs(found / truth - 1).max() < 0.05


def test_a_window_that_no_sample_lies_in_stays() -> None:
    truth, prediction = room(np.s_[100:126, 100:126])
    around = np.ones(SIZE, dtype=bool)
    around[90:136, 90:136] = False
    found = seen_in_the_sky(torch.from_numpy(prediction), drawn(truth, around, 5000))
    assert found is None or not torch.isfinite(found).any()


def test_of_a_large_sky_only_what_samples_lie_in_goes() -> None:
    truth, prediction = room(np.s_[:100])
    where = np.zeros(SIZE, dtype=bool)
    where[100:] = where[40:60, 200:220] = True  # the top of a pole among them
    samples = drawn(truth, where)
    found = seen_in_the_sky(torch.from_numpy(prediction), samples)
    assert found is not None
    seen = np.isfinite(found.numpy())
    assert seen[44:56, 204:216].all() and not seen[100:].any() and not seen[:40, :150].any() and seen.mean() < 0.1


def test_nothing_is_infinite_or_known() -> None:
    truth, _ = room(np.s_[:0])
    assert seen_in_the_sky(torch.from_numpy(truth), drawn(truth, np.ones(SIZE, dtype=bool))) is None
    none = drawn(truth, np.ones(SIZE, dtype=bool)).select(np.zeros(500, dtype=bool))
    assert seen_in_the_sky(torch.full(SIZE, torch.inf), none) is None
