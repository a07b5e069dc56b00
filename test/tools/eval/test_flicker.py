# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.tools.eval.flicker import FlickerSum


def flicker(frames, truths, masks=None, indices=None, metric=True):
    total = FlickerSum("s", metric)
    for k, (x, truth) in enumerate(zip(frames, truths, strict=True)):
        mask = masks[k] if masks else np.isfinite(truth)
        total.add(indices[k] if indices else k, np.asarray(x, float), truth, mask)
    return total.result()


@pytest.mark.parametrize("metric", [True, False])
def test_known_by_hand(metric):
    truth = np.array([[1.0, 0.5]])  # inverse depth 1 and 2, unchanged
    found = flicker([[[1.0, 2.0]], [[1.5, 1.5]]], [truth, truth], metric=metric)
    # the spread of the truth is .5, that of the prediction .5 / sqrt(2)
    assert found.scale == pytest.approx(1.0 if metric else 2**0.5)
    assert found.residual_rms == pytest.approx(0.5 * found.scale)
    assert found.truth_rms == 0.0 and found.relative == pytest.approx(found.residual_rms / 1.5)
    assert (found.frames, found.pairs, found.sequence) == (2, 1, "s")


@pytest.mark.parametrize("metric", [True, False])
def test_it_ranks_what_is_known_to_be_better(metric):
    """A slow flight over a slope: the truth, scales that jump, a constant and noise of the same spread."""
    generator = np.random.default_rng(1)
    slope = np.linspace(0.2, 1.0, 40)[:, None] * np.ones(30)
    true = [slope + 0.01 * k for k in range(20)]

    def rms(frames):
        return flicker(frames, [1 / one for one in true], metric=metric).residual_rms

    jumps = generator.uniform(-1.0, 1.0, len(true))
    small, large = ([one * (1 + size * jump) for one, jump in zip(true, jumps, strict=True)] for size in (0.005, 0.2))
    constant = rms([np.full(slope.shape, 0.6)] * len(true))
    noise = rms([generator.permutation(one.ravel()).reshape(one.shape) for one in true])
    assert rms(true) == pytest.approx(0.0, abs=1e-7) and constant == pytest.approx(0.01, rel=1e-6)
    assert rms(true) < rms(small) < constant < rms(large) < noise
    assert noise > 0.3 and rms(small) < 0.005


@pytest.fixture
def world():
    generator = np.random.default_rng(5)
    truths = [generator.uniform(1.0, 5.0, (7, 9)) for _ in range(4)]
    frames = [3.0 * (1 / truth) - 0.7 + generator.normal(0, 0.05, truth.shape) for truth in truths]
    masks = [generator.random(truth.shape) < 0.7 for truth in truths]
    for frame, truth, mask in zip(frames, truths, masks, strict=True):
        frame[2, 3] = np.nan
        truth[~mask] = np.nan
    return frames, truths, masks


@pytest.mark.parametrize("metric", [True, False])
def test_equal_to_the_formula_over_all_pixels_at_once(world, metric):
    frames, truths, masks = world
    use = [mask & np.isfinite(frame) for frame, mask in zip(frames, masks, strict=True)]
    x = np.concatenate([frame[u] for frame, u in zip(frames, use, strict=True)])
    y = np.concatenate([1 / truth[u] for truth, u in zip(truths, use, strict=True)])
    scale = 1.0 if metric else y.std() / x.std()
    changes, own = [], []
    for k in range(3):
        both = use[k] & use[k + 1]
        changes.append(scale * (frames[k + 1] - frames[k])[both])
        own.append((1 / truths[k + 1] - 1 / truths[k])[both])
    change, truth = np.concatenate(changes), np.concatenate(own)
    found = flicker(frames, truths, masks, metric=metric)
    assert found.scale == pytest.approx(scale, rel=1e-9)
    assert found.truth_rms == pytest.approx(np.sqrt((truth**2).mean()), rel=1e-9)
    assert found.residual_rms == pytest.approx(np.sqrt(((change - truth) ** 2).mean()), rel=1e-9)
    assert found.relative == pytest.approx(found.residual_rms / y.mean(), rel=1e-9)


def test_units_of_a_relative_model_do_not_matter(world):
    frames, truths, masks = world
    one = flicker(frames, truths, masks, metric=False)
    other = flicker([40 * frame + 3 for frame in frames], truths, masks, metric=False)
    assert other.residual_rms == pytest.approx(one.residual_rms, rel=1e-9)


def test_only_consecutive_frames_of_one_size_are_pairs(world):
    frames, truths, masks = world
    assert flicker(frames, truths, masks, indices=[0, 1, 5, 6]).pairs == 2
    assert flicker(frames, truths, masks, indices=[0, 2, 4, 6]) is None
