# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.tools.eval.flicker import FlickerSum


def flicker(frames, truths, masks=None, indices=None):
    total = FlickerSum("s")
    for k, (x, truth) in enumerate(zip(frames, truths, strict=True)):
        mask = masks[k] if masks else np.isfinite(truth)
        total.add(indices[k] if indices else k, np.asarray(x, float), truth, mask)
    return total.result()


def test_known_by_hand():
    truth = np.array([[1.0, 0.5]])  # inverse depth 1 and 2, unchanged
    found = flicker([[[1.0, 2.0]], [[1.5, 1.5]]], [truth, truth])
    # sums about the means: xy 0.5, xx 0.5, so the scale is 1 and the shift 0
    assert (found.scale, found.shift) == (pytest.approx(1.0), pytest.approx(0.0))
    assert found.change == pytest.approx(0.5) and found.residual_rms == pytest.approx(0.5)
    assert found.truth == 0.0 and found.relative == pytest.approx(0.5 / 1.5)
    assert (found.frames, found.pairs, found.sequence) == (2, 1, "s")


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


def test_equal_to_the_formula_over_all_pixels_at_once(world):
    frames, truths, masks = world
    use = [mask & np.isfinite(frame) for frame, mask in zip(frames, masks, strict=True)]
    x = np.concatenate([frame[u] for frame, u in zip(frames, use, strict=True)])
    y = np.concatenate([1 / truth[u] for truth, u in zip(truths, use, strict=True)])
    (scale, shift), *_ = np.linalg.lstsq(np.stack([x, np.ones_like(x)], 1), y, rcond=None)
    changes, own = [], []
    for k in range(3):
        both = use[k] & use[k + 1]
        changes.append(scale * (frames[k + 1] - frames[k])[both])
        own.append((1 / truths[k + 1] - 1 / truths[k])[both])
    change, truth = np.concatenate(changes), np.concatenate(own)
    found = flicker(frames, truths, masks)
    assert found.scale == pytest.approx(scale, rel=1e-9) and found.shift == pytest.approx(shift, rel=1e-9)
    assert found.change == pytest.approx(np.abs(change).mean(), rel=1e-9)
    assert found.truth == pytest.approx(np.abs(truth).mean(), rel=1e-9)
    assert found.residual_rms == pytest.approx(np.sqrt(((change - truth) ** 2).mean()), rel=1e-9)
    assert found.relative == pytest.approx(found.change / y.mean(), rel=1e-9)


def test_the_truth_itself_has_no_residual_and_units_do_not_matter(world):
    frames, truths, masks = world
    ideal = flicker([1 / truth for truth in truths], truths, masks)
    assert ideal.residual_rms == pytest.approx(0.0, abs=1e-7) and ideal.change == pytest.approx(ideal.truth)
    one, other = flicker(frames, truths, masks), flicker([40 * frame + 3 for frame in frames], truths, masks)
    assert other.change == pytest.approx(one.change, rel=1e-9)


def test_only_consecutive_frames_of_one_size_are_pairs(world):
    frames, truths, masks = world
    assert flicker(frames, truths, masks, indices=[0, 1, 5, 6]).pairs == 2
    assert flicker(frames, truths, masks, indices=[0, 2, 4, 6]) is None


def test_a_constant_prediction_has_no_scale(world):
    _, truths, masks = world
    assert flicker([np.full((7, 9), 0.3)] * 4, truths, masks) is None
