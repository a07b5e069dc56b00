# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.samples import samples_from_depth
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.example import Example, make_example
from mono_depth_ros.training.adapt.fit import Fit
from mono_depth_ros.training.adapt.tiny import TinyLearner

sys.path.insert(0, str(Path(__file__).parents[1]))
from toy import toy_frame

CAMERA = Camera.from_fov((64, 64), 70.0)


def examples(count: int, seed: int, points: int = 0) -> list[Example]:
    rng, found = np.random.default_rng(seed), []
    for k in range(count):
        rgb, depth = toy_frame(CAMERA, rng)
        samples = samples_from_depth(np.where(depth < 20, depth, np.nan))
        if points:
            samples = samples.select(rng.choice(len(samples), points, replace=False))
        found.append(make_example(f"frame {k}", "toy", k, float(k), rgb, CAMERA, samples))
    return found


@pytest.fixture
def small(monkeypatch):
    """Views of the size of the images, so that a step takes a tenth of the time."""
    monkeypatch.setattr(TinyLearner, "sizes", lambda self, width, height: ((64, 64),))


def config(**changes) -> AdaptConfig:
    return AdaptConfig(**{"steps": 16, "batch": 4, "learning_rate": 1e-3, "workers": 2, "replay": 0.0, **changes})


@pytest.mark.parametrize("points", [0, 200])
def test_it_learns_from_maps_and_from_points(small, points) -> None:
    fitted = Fit(TinyLearner(), examples(16, 0, points), [], examples(4, 1), config()).fit()
    assert fitted.run.best_error < 0.8 * fitted.error_before
    assert fitted.run.steps == fitted.run.curve[-1].step == 16


def test_the_same_seed_gives_the_same_weights_with_one_worker(small) -> None:
    runs = [
        Fit(TinyLearner(), examples(8, 0), [], examples(4, 1), config(steps=4, workers=1)).fit().run for _ in range(2)
    ]
    assert runs[0].curve[-1].error == runs[1].curve[-1].error


def test_the_rate_with_the_lower_validation_error_is_taken(small) -> None:
    learner = TinyLearner()
    learner.rates = (1e-3, 1e-9)
    fitted = Fit(learner, examples(8, 0), [], examples(4, 1), config(steps=20, learning_rate=0.0)).fit()
    assert fitted.run.rate == 1e-3
    assert [run.rate for run in fitted.tried] == [1e-3, 1e-9]
    assert fitted.tried[1].best_error == pytest.approx(fitted.error_before, rel=0.05)


def test_replayed_frames_are_learned_too(small) -> None:
    seen: set[str] = set()
    learner, train = TinyLearner(), examples(8, 0)
    replayed = [replace(one, name="replayed") for one in examples(4, 2)]
    fit = Fit(learner, train, replayed, examples(4, 1), config(steps=6, replay=0.5))
    shard = fit._shard(0)
    for _ in range(6):
        shard.step((64, 64))
        seen.update(shard.names)
    assert "replayed" in seen
    assert any(name.startswith("frame") for name in seen)


def test_a_loss_that_is_no_number_stops_it_and_the_best_before_is_kept(small, monkeypatch) -> None:
    learner, calls = TinyLearner(), []
    loss = learner.loss

    def breaks(output, batch, config):
        calls.append(1)
        return loss(output, batch, config) * (math.nan if len(calls) > 12 else 1.0)

    monkeypatch.setattr(learner, "loss", breaks)
    fitted = Fit(learner, examples(8, 0), [], examples(4, 1), config(steps=40, workers=1)).fit()
    assert "the loss was nan at step 13, of the frames frame " in fitted.run.stopped
    assert fitted.run.best and all(torch.isfinite(value).all() for value in fitted.run.best.values())


def test_a_loss_that_is_no_number_from_the_first_step_on_is_an_error(small, monkeypatch) -> None:
    learner = TinyLearner()
    monkeypatch.setattr(learner, "loss", lambda output, batch, config: output[0].sum() * math.nan)
    with pytest.raises(DataError, match="the loss was nan at step 1"):
        Fit(learner, examples(8, 0), [], examples(4, 1), config()).fit()


def test_workers_weights_are_the_networks_own(small) -> None:
    learner = TinyLearner()
    fit = Fit(learner, examples(4, 0), [], examples(4, 1), config())
    one, two = fit._shard(0), fit._shard(1)
    with torch.no_grad():
        next(learner.network.parameters()).fill_(7.0)
    assert all(float(next(shard._network.parameters()).detach().mean()) == 7.0 for shard in (one, two))
