# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.tools.eval.score import METRICS, ModelScore, flat

RGB = np.zeros((2, 3, 3), np.uint8)


def score(**changes):
    return ModelScore("m", "metric", "torch", "none", **changes)


def add(total, name, depth, truth, mask=None):
    truth = np.asarray(truth, float)
    mask = np.isfinite(truth) if mask is None else mask
    total.add(name, RGB, np.asarray(depth, float), truth, mask, 1.0, 0.0)


def formula(p, t):
    """The metrics, each from its definition, in float64."""
    d, ratio = np.log(p) - np.log(t), np.maximum(p / t, t / p)
    return {
        "abs_rel": np.mean(np.abs(p - t) / t),
        "sq_rel": np.mean((p - t) ** 2 / t),
        "rmse_m": np.sqrt(np.mean((p - t) ** 2)),
        "rmse_log": np.sqrt(np.mean(d**2)),
        "log10": np.mean(np.abs(np.log10(p) - np.log10(t))),
        "silog": np.std(d),
        "mae_m": np.mean(np.abs(p - t)),
        **{f"delta{k}": np.mean(ratio < 1.25**k) for k in (1, 2, 3)},
    }


def test_every_metric_is_its_formula_per_image_mean_and_pooled():
    generator = np.random.default_rng(1)
    total, images = score(), []
    for k, size in enumerate([(30, 40), (11, 17)]):
        truth = generator.uniform(0.5, 20.0, size)
        depth = truth * np.exp(generator.normal(0.1, 0.3, size))
        mask = generator.random(size) < 0.6
        add(total, str(k), depth, truth, mask)
        images.append((depth[mask], truth[mask]))
    expected = [formula(p, t) for p, t in images]
    pooled = formula(*(np.concatenate(parts) for parts in zip(*images, strict=True)))
    for name in METRICS:
        for k in range(2):
            assert getattr(total.scores[str(k)].metrics, name) == pytest.approx(expected[k][name], abs=1e-6)
        assert total.mean()[name] == pytest.approx((expected[0][name] + expected[1][name]) / 2, abs=1e-6)
        assert getattr(total.total.result(), name) == pytest.approx(pooled[name], abs=1e-6)


def test_known_by_hand():
    total = score()
    add(total, "a", [[2.0, 4.0]], [[1.0, 4.0]])
    add(total, "b", [[3.0]], [[3.0]])
    one, mean, pooled = total.scores["a"].metrics, total.mean(), total.total.result()
    assert (one.abs_rel, one.rmse_m, one.delta1, one.silog) == (0.5, 0.5**0.5, 0.5, pytest.approx(np.log(2) / 2))
    assert mean["abs_rel"] == 0.25 and pooled.abs_rel == pytest.approx(1 / 3) and pooled.n == 3


def test_what_the_model_leaves_out_is_counted_not_guessed():
    total = score()
    add(total, "a", [[np.nan, 2.0, np.inf, 1.0]], [[1.0, 2.0, 3.0, np.nan]])
    assert total.scores["a"].coverage == pytest.approx(1 / 3) and total.scores["a"].metrics.abs_rel == 0.0
    with pytest.raises(DataError, match="found no depth at any of the 2 pixels"):
        add(total, "b", [[np.nan, np.nan]], [[1.0, 2.0]])
    assert total.known / total.counted == pytest.approx(1 / 5)


def test_the_best_and_the_worst_are_kept():
    total = score(most=2)
    for k in (5, 1, 9, 3, 7, 2):
        add(total, str(k), [[1.0 + k / 10]], [[1.0]])
    assert [image.name for image in total.shown] == ["1", "2", "7", "9"]
    chosen = score(keep=frozenset({"3"}))
    for k in (5, 3):
        add(chosen, str(k), [[1.0 + k / 10]], [[1.0]])
    assert [image.name for image in chosen.shown] == ["3"]


def test_errors_by_distance_are_medians():
    total = score()
    add(total, "a", [[1.1, 1.1, 12.0]], [[1.0, 1.0, 10.0]])
    (_, _, _, near, _), (low, high, _, far, _) = total.errors.quartiles_by_distance()
    assert near == pytest.approx(0.1, abs=0.006) and far == pytest.approx(0.2, abs=0.006) and low <= 10.0 < high
    assert total.errors.signed.sum() == 3


def test_no_image_at_all_is_an_error():
    total = ModelScore("m", "metric", "torch fp32", "none")
    total.failed = {f"{k}": f"depth/{k}.png has no pixel that counts: found {k}" for k in range(3)}
    said = "m: none of 3 images could be compared, expected one: depth/0.png has no pixel that counts: found 0"
    with pytest.raises(DataError, match=said):
        total.mean()
    with pytest.raises(DataError, match="m: none of 0 images could be compared"):
        score().mean()


def test_a_row_for_each_image():
    total = score()
    add(total, "a", [[2.0]], [[1.0]])
    (row,) = flat([total])
    assert (row["model"], row["image"], row["abs_rel"], row["n"], row["coverage"]) == ("m", "a", 1.0, 1, 1.0)
