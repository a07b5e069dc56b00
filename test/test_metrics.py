# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.metrics import MetricsSum, affine_inverse, depth_metrics, median_scale


def test_hand_values() -> None:
    found = depth_metrics([2.0, 3.0], [1.0, 4.0])
    d = [math.log(2.0), math.log(0.75)]
    assert found.abs_rel == pytest.approx((1.0 + 0.25) / 2)
    assert found.sq_rel == pytest.approx((1.0 + 0.25) / 2)
    assert found.rmse_m == pytest.approx(1.0)
    assert found.mae_m == pytest.approx(1.0)
    assert found.rmse_log == pytest.approx(math.sqrt((d[0] ** 2 + d[1] ** 2) / 2))
    assert found.log10 == pytest.approx((math.log10(2.0) - math.log10(0.75)) / 2)
    assert found.silog == pytest.approx(abs(d[0] - d[1]) / 2)  # two samples: half the distance is the deviation
    assert (found.delta1, found.delta2, found.delta3, found.n) == (0.0, 0.5, 0.5, 2)


def test_delta_is_strict_and_symmetric() -> None:
    found = depth_metrics([1.25, 1.2, 1.0, 1.0], [1.0, 1.0, 1.2, 1.5])
    assert found.delta1 == 0.5
    assert found.delta2 == 1.0


def test_unknown_sky_and_mask_do_not_count() -> None:
    pred = np.array([[1.0, np.nan, np.inf], [2.0, 5.0, 7.0]])
    truth = np.array([[1.0, 1.0, 1.0], [np.inf, 0.0, 70.0]])
    assert depth_metrics(pred, truth, mask=[[True, True, True], [True, True, False]]).n == 1
    assert depth_metrics(pred, truth).n == 2
    with pytest.raises(DataError, match="no pixel"):
        depth_metrics(pred, np.full_like(truth, np.nan))
    with pytest.raises(DataError, match=r"found \(2, 3\), expected \(3,\)"):
        depth_metrics(pred, truth[0])
    with pytest.raises(DataError, match="mask"):
        depth_metrics(pred, truth, mask=[True])


def test_pooled_over_pixels_not_over_images() -> None:
    total = MetricsSum()
    total.add([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    total.add([2.0], [1.0])
    assert total.result().abs_rel == pytest.approx(0.25)
    assert total.result() == depth_metrics([1.0, 1.0, 1.0, 2.0], [1.0, 1.0, 1.0, 1.0])


def test_median_scale_undoes_a_planted_scale() -> None:
    truth = np.random.default_rng(0).uniform(0.5, 30.0, (20, 30))
    assert median_scale(truth * 0.4, truth) == pytest.approx(2.5)
    assert depth_metrics(truth * 0.4, truth).silog == pytest.approx(0.0, abs=1e-7)
    with pytest.raises(DataError):
        median_scale([np.nan], [1.0])


def test_affine_inverse_finds_planted_scale_and_shift() -> None:
    truth = np.random.default_rng(1).uniform(0.5, 8.0, (20, 30))
    pred = 1.0 / ((1.0 / truth - 0.07) / 1.8)  # 1/truth = 1.8 / pred + 0.07
    pred[0, 0] = np.nan
    scale, shift = affine_inverse(pred, truth)
    assert (scale, shift) == (pytest.approx(1.8), pytest.approx(0.07))
    with pytest.raises(DataError, match="two distinct"):
        affine_inverse([2.0, 2.0], [1.0, 3.0])
