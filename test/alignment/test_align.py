# SPDX-License-Identifier: Apache-2.0
"""One image: fitted, measured on what was held out, applied."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.align import align, error_histogram
from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import DataError, FitError
from mono_depth_ros.prediction import DepthKind, DepthPrediction

GLOBAL = AlignConfig(local=False)


@pytest.fixture
def truth() -> np.ndarray:
    """(48, 64) float32 metres: a floor and a box."""
    rows = np.arange(48, dtype=np.float32)[:, None]
    depth = np.broadcast_to(40 / (rows + 5), (48, 64)).copy()
    depth[20:40, 20:30] = 1.1
    return depth


def some(truth: np.ndarray, every: int = 7) -> Samples:
    samples = samples_from_depth(truth)
    return samples.select(np.arange(len(samples)) % every == 0)


def test_a_bare_metric_array(truth):
    alignment = align(truth / 1.6, some(truth), GLOBAL)
    assert alignment.fit.scale == pytest.approx(1.6, rel=1e-4)
    assert alignment.before.abs_rel == pytest.approx(1 - 1 / 1.6, rel=1e-3) and alignment.after.abs_rel <= 1.01e-4
    assert alignment.trusted and alignment.after.n == alignment.before.n == len(some(truth))
    found = alignment.apply(DepthPrediction(torch.from_numpy(truth / 1.6), DepthKind.METRIC))
    assert found.kind is DepthKind.METRIC
    np.testing.assert_allclose(found.values.numpy(), truth, rtol=1e-4)


def test_a_relative_prediction_keeps_unknown_and_infinite(truth):
    x = (1 / truth - 0.02) / 0.5
    x[0, 0], x[0, 1] = np.nan, -1.0
    prediction = DepthPrediction(torch.from_numpy(x), DepthKind.INVERSE_AFFINE, confidence=torch.ones(48, 64))
    alignment = align(prediction, some(truth, 5), GLOBAL)
    found = alignment.apply(prediction)
    assert alignment.before is None and found.kind is DepthKind.METRIC and found.confidence is prediction.confidence
    assert torch.isnan(found.values[0, 0]) and torch.isposinf(found.values[0, 1])
    np.testing.assert_allclose(found.values[1:].numpy(), truth[1:], rtol=1e-3)


def test_a_sample_says_nothing_of_itself(truth):
    """Each is predicted from others: a prediction that every sample corrects to the truth is not without error."""
    rng = np.random.default_rng(0)
    noisy = truth * np.exp(rng.normal(0, 0.05, truth.shape)).astype(np.float32)
    alignment = align(truth, some(noisy), AlignConfig())
    assert alignment.fit.count == len(some(noisy)), "all are fitted"
    assert 0.03 < alignment.after.abs_rel < 0.06 and alignment.left_out is not None
    assert alignment.reach is not None and alignment.reach.share > 0.9


def test_without_held_out_samples_nothing_is_claimed(truth):
    alignment = align(truth, some(truth), AlignConfig(held_out=0.0, local=False))
    assert alignment.after is None and alignment.trusted is None


def test_infinite_and_unknown_predictions_are_not_fitted(truth):
    prediction = truth / 2
    prediction[:10], prediction[10:12] = np.inf, np.nan
    alignment = align(prediction, some(truth), GLOBAL)
    assert alignment.fit.scale == pytest.approx(2.0, rel=1e-4)
    assert torch.isposinf(alignment.apply(DepthPrediction(torch.from_numpy(prediction), DepthKind.METRIC)).values[0, 0])


def test_bad_input(truth):
    with pytest.raises(DataError, match="64x48 image, expected 32x24"):
        align(truth[::2, ::2], some(truth))
    with pytest.raises(FitError, match="0 samples to fit"):
        align(np.full_like(truth, np.nan), some(truth))


def test_the_histogram_counts_relative_errors(truth):
    count = 30
    error = np.full(count, np.log(1.07), dtype=np.float32)
    histogram = error_histogram(LeftOut(np.arange(count), error, np.ones_like(error), np.ones(count, dtype=bool)))
    assert sum(histogram.counts) == count and len(histogram.edges) == len(histogram.counts) + 1
    at = histogram.counts.index(count)
    assert np.exp(histogram.edges[at]) <= 1.07 <= np.exp(histogram.edges[at + 1])


def test_bare_arrays_as_on_the_page(truth):
    """The words of docs/alignment.md: arrays in, and the kind is told once."""
    samples = some(truth)
    alignment = align(truth / 1.3, samples)
    np.testing.assert_allclose(alignment.apply(truth / 1.3).values, truth, rtol=1e-3)
    relative = (1 / truth - 0.02) / 0.5
    alignment = align(relative, samples, kind=DepthKind.INVERSE_AFFINE)
    np.testing.assert_allclose(alignment.apply(relative).values, truth, rtol=1e-2)
    with pytest.raises(DataError, match="the prediction is metric, the alignment is for inverse_affine ones"):
        alignment.apply(DepthPrediction(torch.from_numpy(truth), DepthKind.METRIC))
    with pytest.raises(DataError, match="that of the local correction"):
        alignment.apply(relative[::2, ::2])
