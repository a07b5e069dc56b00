# SPDX-License-Identifier: Apache-2.0
"""The shipped weights on a few held-out scenes; the full figures are in benchmarks/tiny_accuracy.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.metrics import MetricsSum
from mono_depth_ros.models.families.tiny import TINY_WEIGHTS, TinyModel
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.training.config import TrainConfig
from mono_depth_ros.training.evaluate import predict
from mono_depth_ros.training.pool import pool_spec, render_world

FIGURES = Path(__file__).parents[2] / "benchmarks" / "tiny_accuracy.json"


def test_metric_depth_on_held_out_scenes() -> None:
    model, spec, total = (
        TinyModel(EngineOptions(torch.device("cpu"))),
        pool_spec(TrainConfig(), validation=True),
        MetricsSum(),
    )
    wrong_focal = MetricsSum()
    for number in range(20):
        for rgb, depth, camera in render_world(spec, 5000 + number):  # beyond the held-out set of the benchmark
            total.add(predict(model, rgb, camera)[0], depth)
            wrong_focal.add(predict(model, rgb, type(camera).from_fov((256, 192), 30.0))[0], depth)
    found = total.result()
    assert found.abs_rel <= 0.20
    assert found.delta1 >= 0.75
    assert wrong_focal.result().abs_rel > 1.5 * found.abs_rel  # it is the camera that makes it metric


def test_published_figures_hold_and_are_of_these_weights() -> None:
    figures = json.loads(FIGURES.read_text())
    assert figures["weights_bytes"] == TINY_WEIGHTS.stat().st_size
    held_out = figures["held_out"]["all"]
    assert held_out["abs_rel"] <= 0.15
    assert held_out["delta1"] >= 0.80
    assert figures["constant_per_row"]["abs_rel"] >= 2 * held_out["abs_rel"]
    assert figures["forward_256x192_ms"]["median"] <= 25
    assert figures["constant_per_row"]["n"] == held_out["n"]
    assert np.isfinite(list(held_out.values())).all()
    assert pytest.approx(figures["baseline_over_tiny_abs_rel"], abs=0.01) == round(
        figures["constant_per_row"]["abs_rel"] / held_out["abs_rel"], 2
    )
