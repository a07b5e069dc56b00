# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.training.adapt.judge import Judged, gain, in_metres, mean_of

TRUTH = np.full((4, 4), 2.0, np.float32)


def judged(before: list[float], after: list[float], rate_hz: float = 10.0) -> list[Judged]:
    from mono_depth_ros.geometry.camera import Camera
    from mono_depth_ros.training.adapt.example import Example

    nothing, camera = np.empty((0, 3), np.float32), Camera.from_fov((4, 4), 60)
    example = Example("a", "s", 0, 0.0, np.zeros((4, 4, 3), np.uint8), camera, nothing, nothing[:, 0])
    pairs = enumerate(zip(before, after, strict=True))
    return [
        Judged(
            replace(example, index=k, stamp_s=k / rate_hz), TRUTH, TRUTH, TRUTH,
            *(depth_metrics(TRUTH * np.float32(1 + error), TRUTH) for error in pair),
        )
        for k, pair in pairs
    ]  # fmt: skip


def test_a_gain_of_every_part_is_sure_and_one_of_a_single_part_is_not() -> None:
    rng = np.random.default_rng(0)
    before = (0.2 + 0.01 * rng.random(100)).tolist()
    everywhere = gain(judged(before, [error - 0.05 for error in before]))
    assert everywhere.sure and everywhere.mean == pytest.approx(0.05, abs=1e-4)
    once = gain(judged(before, [*before[:80], *(error - 0.15 for error in before[80:])]))
    assert once.mean > 0.02 and not once.sure
    assert not gain(judged(before, before)).sure


def test_frames_that_err_alike_are_no_more_than_one() -> None:
    # two seconds of 30 Hz: 60 frames, and five blocks of which one differs
    before, after = [0.2] * 60, [0.2] * 48 + [0.1] * 12
    assert gain(judged(before, after, 30.0)).blocks == 5
    assert not gain(judged(before, after, 30.0)).sure


def test_means_of_images() -> None:
    found = mean_of([one.metrics_before for one in judged([0.1, 0.3], [0.1, 0.3])])
    assert found["abs_rel"] == pytest.approx(0.2)


def test_relative_depth_is_judged_after_scale_and_shift() -> None:
    truth = np.random.default_rng(0).uniform(1, 4, (8, 8)).astype(np.float32)
    prediction = DepthPrediction(torch.from_numpy(3 / truth + 0.5), DepthKind.INVERSE_AFFINE)
    assert in_metres(prediction, truth) == pytest.approx(truth, rel=1e-3)
