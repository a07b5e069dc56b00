# SPDX-License-Identifier: Apache-2.0
"""Image after image: with samples, without, frozen, loaded, too old."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.result import Curve
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import AlignConfig, TrackerConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.prediction import DepthKind, DepthPrediction

S = 1_000_000_000
TRUTH = np.broadcast_to(40 / (np.arange(48, dtype=np.float32)[:, None] + 5), (48, 64)).copy()


def prediction(factor: float = 0.5, kind: DepthKind = DepthKind.METRIC) -> DepthPrediction:
    values = TRUTH * factor if kind is DepthKind.METRIC else (1 / TRUTH - 0.02) / 0.5
    return DepthPrediction(torch.from_numpy(values), kind)


def samples(factor: float = 1.0, every: int = 7) -> Samples:
    found = samples_from_depth(TRUTH * np.float32(factor))
    return found.select(np.arange(len(found)) % every == 0)


@pytest.fixture
def aligner() -> Aligner:
    return Aligner(AlignConfig(local=False), TrackerConfig(hold=5.0))


def test_every_image_is_aligned_once_there_was_a_reference(aligner):
    first = aligner.update(prediction(), None, 0)
    assert (first.state, first.prediction, first.reason) == ("unaligned", None, "no reference was fitted yet")
    second = aligner.update(prediction(), samples(), S)
    assert second.state == "aligned" and second.age_s == 0 and second.reason == ""
    assert second.fitted == second.held_out == sum(second.histogram.counts) == len(samples())
    np.testing.assert_allclose(second.prediction.values, TRUTH, rtol=1e-4)
    third = aligner.update(prediction(), None, S + S // 10)
    assert third.state == "aligned" and third.alignment.after is None and third.histogram is None
    np.testing.assert_allclose(third.prediction.values, TRUTH, rtol=1e-4)


def test_the_state_ages_from_aligned_over_held_to_unaligned(aligner):
    aligner.update(prediction(), samples(), 0)
    states = [aligner.update(prediction(), None, age).state for age in (S // 2, S, 5 * S, 5 * S + 1)]
    assert states == ["aligned", "held", "held", "unaligned"]
    assert "hold is 5 s" in aligner.update(prediction(), None, 6 * S).reason
    assert aligner.update(prediction(), samples(), 7 * S).state == "aligned"


def test_uncertainty_grows_with_the_age_of_the_fit(aligner):
    """What the fit alone is off by, 5 %, and what the scale may have changed since."""
    rng = np.random.default_rng(0)
    values = torch.from_numpy((TRUTH / 2 * np.exp(rng.normal(0, 0.05, TRUTH.shape))).astype(np.float32))
    image = DepthPrediction(values, DepthKind.METRIC)
    stamps = (0, S // 10, S, 4 * S)
    found = [aligner.update(image, samples() if stamp == 0 else None, stamp).prediction for stamp in stamps]
    relative = [float((one.uncertainty / one.values).median()) for one in found]
    assert 0.03 < relative[0] < 0.08 and relative[1] < relative[2] < relative[3], relative
    assert relative[3] == pytest.approx(np.hypot(relative[1], 0.02 * np.sqrt(3.9)), rel=0.1), "2 % a second, as a walk"


def test_too_few_samples_keep_the_last_good_state_and_say_so(aligner):
    aligner.update(prediction(), samples(), 0)
    found = aligner.update(prediction(), samples(every=400), S // 10)
    assert found.state == "aligned" and "expected 20 or more" in found.reason
    assert found.alignment.fit.scale == pytest.approx(2.0, rel=1e-4)


def test_a_strange_image_is_waited_for(aligner):
    aligner.update(prediction(), samples(), 0)
    assert "waiting for the next one" in aligner.update(prediction(), samples(1.5), S // 10).reason
    found = aligner.update(prediction(), samples(1.5), 2 * S // 10)
    assert found.reason == "" and found.alignment.fit.scale == pytest.approx(3.0, rel=1e-3)


def test_samples_that_were_counted_before_are_measured_and_not_learnt(aligner):
    aligner.update(prediction(), samples(), 0)
    found = aligner.update(prediction(), samples(1.05), S // 30, fresh=False)
    assert found.alignment.fit.scale == pytest.approx(2.0, rel=1e-6) and found.alignment.after.n == found.held_out


def test_frozen_and_thawed(aligner):
    with pytest.raises(ConfigError, match="no scale to freeze"):
        aligner.freeze(True)
    aligner.update(prediction(), samples(), 0)
    aligner.freeze(True)
    found = aligner.update(prediction(), samples(1.5), 100 * S)
    assert found.state == "frozen" and found.alignment.fit.scale == pytest.approx(2.0, rel=1e-4)
    assert found.alignment.after.abs_rel == pytest.approx(1 / 3, abs=0.01)
    aligner.freeze(False)
    assert aligner.update(prediction(), None, 200 * S).state == "aligned"
    assert aligner.update(prediction(), None, 206 * S).state == "unaligned"


def test_saved_loaded_and_reset(aligner):
    with pytest.raises(ConfigError, match="no scale to save"):
        aligner.saved_scale()
    aligner.update(prediction(), samples(), 0)
    kept = aligner.saved_scale("plane")
    assert kept.model == "plane" and kept.held_out_abs_rel < 1e-3
    other = Aligner(AlignConfig(local=False), TrackerConfig(hold=5.0))
    other.load(kept)
    found = other.update(prediction(), None, 1000 * S)
    assert found.state == "aligned" and found.alignment.fit.scale == pytest.approx(2.0, rel=1e-4)
    assert other.update(prediction(), None, 1006 * S).state == "unaligned"
    other.load(kept)
    other.freeze(True)
    assert other.update(prediction(), None, 5000 * S).state == "frozen"
    other.reset()
    assert other.update(prediction(), None, 5001 * S).state == "unaligned" and not other.frozen


def test_a_relative_prediction_and_a_calibration_of_metric_ones(aligner):
    found = aligner.update(prediction(kind=DepthKind.INVERSE_AFFINE), samples(), 0)
    assert found.alignment.fit.shift == pytest.approx(0.02, rel=1e-3)
    np.testing.assert_allclose(found.prediction.values, TRUTH, rtol=1e-3)
    metric = Aligner(AlignConfig(local=False))
    metric.update(prediction(), samples(), 0)
    aligner.load(metric.saved_scale())
    with pytest.raises(ConfigError, match="expected inverse"):
        aligner.update(prediction(kind=DepthKind.INVERSE_AFFINE), None, S)


def test_an_image_of_the_past_keeps_the_scale_and_its_age_counts_from_there(aligner):
    aligner.update(prediction(), samples(), 100 * S)
    found = [aligner.update(prediction(), None, stamp) for stamp in (10 * S, 12 * S, 16 * S)]
    assert [(one.state, one.age_s) for one in found] == [("aligned", 0.0), ("held", 2.0), ("unaligned", 6.0)]
    jitter = aligner.update(prediction(), samples(), 20 * S), aligner.update(prediction(), None, 20 * S - S // 2)
    assert [one.age_s for one in jitter] == [0.0, 0.0]


def test_a_recording_that_loops_begins_anew_with_its_first_fit(aligner):
    aligner.update(prediction(), samples(), 100 * S)
    found = aligner.update(prediction(), samples(1.5), 0)
    assert found.reason == "" and found.alignment.fit.scale == pytest.approx(3.0, rel=1e-3)


def test_predictions_of_another_kind_are_learnt_anew_and_never_aligned_by_the_old_scale():
    aligner = Aligner(AlignConfig(local=False, curve="inverse"))
    aligner.update(prediction(), samples(), 0)
    with pytest.raises(ConfigError, match="of metric depth, expected inverse_affine"):
        aligner.update(prediction(kind=DepthKind.INVERSE_AFFINE), None, S // 10)
    found = aligner.update(prediction(kind=DepthKind.INVERSE_AFFINE), samples(), S // 5)
    np.testing.assert_allclose(found.prediction.values, TRUTH, rtol=1e-3)
    assert aligner.saved_scale().kind is DepthKind.INVERSE_AFFINE


def test_a_makeshift_says_so(aligner):
    flat = DepthPrediction(torch.full((48, 64), 2.0), DepthKind.METRIC)
    aligner = Aligner(AlignConfig(local=False, curve="log"))
    assert "a scale alone is fitted" in aligner.update(flat, samples(), 0).reason


def test_the_best_curve_changes_after_several_images_and_says_so():
    straight = prediction()
    bent = DepthPrediction(torch.from_numpy(1 / (1 / TRUTH + 0.3)), DepthKind.METRIC)
    aligner = Aligner(AlignConfig(local=False, curve="best"))
    found = [
        aligner.update(one, samples(), k * S // 10)
        for k, one in enumerate([straight, *3 * [bent], straight, *7 * [bent]])
    ]
    assert [one.alignment.fit.curve for one in found] == 9 * [Curve.SCALE] + 3 * [Curve.INVERSE]
    said = ["the curve is inverse" in one.reason for one in found]
    assert said.index(True) == 9 and sum(said) == 1
    np.testing.assert_allclose(found[-1].prediction.values[2:], TRUTH[2:], rtol=1e-3)  # farther lies no sample
    again = Aligner(AlignConfig(local=False, curve="best"))
    again.load(aligner.saved_scale())
    assert again.update(straight, samples(), 0).alignment.fit.curve is Curve.INVERSE


def test_samples_that_fix_a_scale_only_choose_no_curve():
    bent = DepthPrediction(torch.from_numpy(1 / (1 / TRUTH + 0.3)), DepthKind.METRIC)
    aligner = Aligner(AlignConfig(curve="best"))
    found = [aligner.update(bent, samples(), k * S // 10, local=False).alignment.fit.curve for k in range(8)]
    assert found == 8 * [Curve.SCALE]


def test_samples_that_fix_nothing_never_raise(aligner):
    infinite = DepthPrediction(torch.full((48, 64), torch.inf), DepthKind.METRIC)
    found = aligner.update(infinite, samples(), 0)
    assert found.state == "unaligned" and "0 samples" in found.reason
    mirrored = DepthPrediction(torch.from_numpy(TRUTH), DepthKind.INVERSE_AFFINE)
    found = aligner.update(mirrored, samples(), S)
    assert found.state == "unaligned" and "farther" in found.reason


def test_services_in_another_thread_do_not_disturb(aligner):
    aligner.update(prediction(), samples(), 0)

    def disturb():
        for k in range(200):
            aligner.freeze(k % 2 == 0)
            aligner.load(aligner.saved_scale())

    thread = threading.Thread(target=disturb)
    thread.start()
    found = [aligner.update(prediction(), samples(), k * S // 30).alignment.fit.scale for k in range(60)]
    thread.join()
    np.testing.assert_allclose(found, 2.0, rtol=1e-3)
