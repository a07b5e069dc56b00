# SPDX-License-Identifier: Apache-2.0
"""Every kind of prediction on its way to metres: the curve, its course in time, its file, and the floor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.fit import choose_curve, fit_curve
from mono_depth_ros.alignment.result import CURVES, Curve, Fit
from mono_depth_ros.alignment.samples import samples_from_depth
from mono_depth_ros.alignment.scale_file import SavedScale, read_scale, write_scale
from mono_depth_ros.alignment.tracker import curve_deviation, curve_distance
from mono_depth_ros.config import AlignConfig, TrackerConfig
from mono_depth_ros.errors import ConfigError, DataError, FitError
from mono_depth_ros.prediction import DepthKind, DepthPrediction

S = 1_000_000_000
TRUTH = np.broadcast_to(40 / (np.arange(48, dtype=np.float32)[:, None] + 5), (48, 64)).copy()
AFFINE, SCALE = DepthKind.AFFINE, DepthKind.SCALE
OWN = {
    DepthKind.METRIC: Curve.SCALE,
    SCALE: Curve.SCALE,
    AFFINE: Curve.AFFINE,
    DepthKind.INVERSE_AFFINE: Curve.INVERSE,
}


def prediction(kind: DepthKind, factor: float = 1.0) -> DepthPrediction:
    """What a network of a kind gives for TRUTH * factor."""
    depth = TRUTH * np.float32(factor)
    values = {AFFINE: (depth - 3) / 7, DepthKind.INVERSE_AFFINE: (1 / depth - 0.02) / 0.5}.get(kind, depth / 2)
    return DepthPrediction(torch.from_numpy(values.astype(np.float32)), kind)


def samples(every: int = 7):
    found = samples_from_depth(TRUTH)
    return found.select(np.arange(len(found)) % every == 0)


@pytest.mark.parametrize("kind", DepthKind)
def test_each_kind_becomes_metres_by_its_own_curve(kind: DepthKind) -> None:
    found = align(prediction(kind), samples(), AlignConfig(local=False))
    assert found.fit.curve is OWN[kind] and found.kind is kind
    metres = found.apply(prediction(kind))
    assert metres.kind is DepthKind.METRIC
    np.testing.assert_allclose(metres.values, TRUTH, rtol=1e-3)
    assert (found.before is not None) is (kind is DepthKind.METRIC), "others have no error before"
    assert found.after is not None and found.after.abs_rel < 0.01


@pytest.mark.parametrize("kind", DepthKind)
@pytest.mark.parametrize("curve", Curve)
def test_curves_that_are_not_for_a_kind_are_refused(kind: DepthKind, curve: Curve) -> None:
    if curve in CURVES[kind]:
        assert choose_curve(kind, curve.value) is curve
        return
    expected, why = f"curve is {curve.value}, expected {OWN[kind].value}", f": {kind.value} depth has no metres"
    with pytest.raises(ConfigError, match=f"^{expected}, auto or best{why}"):
        choose_curve(kind, curve.value)
    fit = Fit(curve, 2.0, 0.0, np.zeros((2, 2)), 1.0, 100, 0.0)
    with pytest.raises(DataError, match=f"the {expected}{why}"):
        fit.apply(prediction(kind))
    with pytest.raises(ConfigError, match=f"the calibration's {expected}{why}"):
        SavedScale(fit).check(kind)


def planted(seed: int, outliers: float) -> tuple[np.ndarray, np.ndarray]:
    """(p, d) with d = 3 + 7 p and 3 % of noise, a part of d replaced by anything."""
    rng = np.random.default_rng(seed)
    d = np.exp(rng.uniform(np.log(0.5), np.log(40), 300))
    p = (d - 3) / 7
    d = d * np.exp(0.03 * rng.normal(size=300))
    wrong = rng.permutation(300)[: int(300 * outliers)]
    d[wrong] = rng.uniform(0.3, 60, len(wrong))
    return p.astype(np.float32), d.astype(np.float32)


def test_a_planted_scale_and_shift_of_depth_with_a_third_of_outliers() -> None:
    off = []
    for seed in range(30):
        fit = fit_curve(*planted(seed, 0.3), AFFINE, AlignConfig(seed=seed))
        told = 3 + 7 * np.array([-0.3, 0.0, 1.0, 5.0])
        off.append(np.abs((fit.shift + fit.scale * np.array([-0.3, 0.0, 1.0, 5.0])) / told - 1).max())
        assert 0.6 <= fit.inliers <= 0.8
    assert max(off) < 0.03
    wrong = [fit_curve(*planted(seed, 0.3), AFFINE, AlignConfig(method="lstsq")).shift for seed in range(10)]
    assert np.median(np.abs(np.array(wrong) - 3)) > 0.5, "plain least squares fails at that"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p, d: (p[:19], d[:19]), "too_few_samples"),
        (lambda p, d: (np.full_like(p, 7.0), d), "degenerate"),
        (lambda p, d: (-p, d), "negative_scale"),
    ],
)
def test_what_fixes_no_scale_and_shift_is_refused(change, reason: str) -> None:
    p, d = change(*planted(0, 0.0))
    with pytest.raises(FitError) as caught:
        fit_curve(p, d, AFFINE, AlignConfig())
    assert caught.value.reason == reason


def test_depth_up_to_scale_chooses_its_curve_as_metric_depth_does() -> None:
    d = np.exp(np.random.default_rng(0).uniform(np.log(0.5), np.log(10), 300))
    best = AlignConfig(curve="best")
    assert fit_curve(d / 7, d, SCALE, best).curve is Curve.SCALE
    fit = fit_curve(0.3 / (1 / d - 0.05), d, SCALE, best)
    assert fit.curve is Curve.INVERSE and np.isfinite(fit.far)
    assert "a scale alone is fitted" in fit_curve(np.full(300, 2.0), d, SCALE, AlignConfig(curve="affine")).note


def test_behind_the_camera_is_unknown_and_the_sky_stays_beyond_range() -> None:
    fit = Fit(Curve.AFFINE, 2.0, 1.0, np.zeros((2, 2)), 1.0, 100, 0.0)
    values = torch.tensor([[-0.5, -0.4, 3.0, torch.inf, torch.nan]])
    found = fit.apply(DepthPrediction(values, AFFINE))
    np.testing.assert_allclose(found, [[np.nan, 0.2, 7.0, np.inf, np.nan]], rtol=1e-6)


def test_what_is_not_positive_is_no_depth_up_to_scale_but_affine_depth() -> None:
    values = prediction(AFFINE).values
    assert (values < 0).any() and (values > 0).any()
    known = align(DepthPrediction(values, AFFINE), samples(), AlignConfig(local=False)).fit.count
    positive = align(DepthPrediction(values, SCALE), samples(), AlignConfig(local=False, curve="affine")).fit.count
    assert positive < known == len(samples())


@pytest.mark.parametrize("kind", [AFFINE, SCALE])
def test_the_scale_is_held_saved_and_loaded(kind: DepthKind, tmp_path) -> None:
    aligner = Aligner(AlignConfig(local=False), TrackerConfig(hold=5.0))
    for k in range(3):
        found = aligner.update(prediction(kind), samples(), k * S // 10)
        assert found.state == "aligned" and not found.reason
    held = aligner.update(prediction(kind), None, 2 * S)
    assert held.state == "held"
    np.testing.assert_allclose(held.prediction.values, TRUTH, rtol=1e-3)
    path = tmp_path / "calibration.yaml"
    write_scale(path, aligner.saved_scale("some"))
    other = Aligner(AlignConfig(local=False))
    other.load(read_scale(path))
    np.testing.assert_allclose(other.update(prediction(kind), None, S).prediction.values, TRUTH, rtol=1e-3)
    with pytest.raises(ConfigError, match=f"of {kind.value} depth, expected metric"):
        other.update(prediction(DepthKind.METRIC), None, S)


def test_an_image_far_off_is_waited_for() -> None:
    aligner = Aligner(AlignConfig(local=False), TrackerConfig(hold=5.0))
    aligner.update(prediction(AFFINE), samples(), 0)
    strange = DepthPrediction(prediction(AFFINE).values * 2, AFFINE)
    assert "waiting for the next one" in aligner.update(strange, samples(), S // 10).reason
    found = aligner.update(strange, samples(), S // 5)
    assert found.alignment.fit.scale == pytest.approx(3.5, rel=1e-3)


def test_distances_of_affine_curves_are_those_of_their_depth() -> None:
    p = np.linspace(0, 5, 100)
    one, other = (Fit(Curve.AFFINE, 7 * k, 3 * k, np.diag([0.07, 0.0]) ** 2, 1.0, 100, 0.0) for k in (1.2, 1.0))
    assert curve_distance(one, other, p) == pytest.approx(np.log(1.2)) == -curve_distance(other, one, p)
    assert curve_deviation(other, np.array([100.0])) == pytest.approx(0.01, rel=0.01)
