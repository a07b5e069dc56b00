# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import DataError
from mono_depth_ros.models.families.tiny import load_tiny, save_tiny
from mono_depth_ros.training.batches import make_batch, shuffled
from mono_depth_ros.training.config import TrainConfig
from mono_depth_ros.training.evaluate import held_out, row_baseline, score_rows, shipped
from mono_depth_ros.training.loop import Trainer, cosine_cycle, train

sys.path.insert(0, str(Path(__file__).parent))
from toy import toy_pool

SIZES = {"frames": 24, "width": 96, "height": 64}


def toy_config(**changes: float) -> TrainConfig:
    return TrainConfig(**{"steps": 30, "batch": 4, **changes})  # type: ignore[arg-type]


def mean_error(trainer: Trainer, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> float:
    rgb, rays, depth = batch
    with torch.no_grad():
        predicted, _ = trainer.average(rgb, rays)
    known = torch.isfinite(depth)
    return float((predicted - depth.log())[known].abs().mean())


def test_a_few_steps_learn_the_toy_world() -> None:
    pool, config = toy_pool(24, 0, 96, 64), toy_config(steps=40)
    trainer, rng = Trainer(config), np.random.default_rng(0)
    unseen = make_batch(toy_pool(8, 1, 96, 64), np.arange(8), (96, 64), rng)
    order, before = shuffled(len(pool), config.batch, rng), mean_error(trainer, unseen)
    for _ in range(config.steps):
        trainer.step(make_batch(pool, next(order), (96, 64), rng))
    assert trainer.fraction == 1.0
    assert mean_error(trainer, unseen) < 0.7 * before


def test_checkpoint_resumes_where_it_was(tmp_path: Path) -> None:
    pool, config = toy_pool(8, 0, 256, 192), toy_config(steps=2, batch=2)
    trainer = Trainer(config)
    train(trainer, pool, tmp_path / "checkpoint.pt", progress=False)
    assert trainer.steps == 2
    resumed = Trainer(toy_config(steps=3, batch=2))
    resumed.load(tmp_path / "checkpoint.pt")
    assert (resumed.steps, resumed.seconds) == (2, trainer.seconds)
    for a, b in zip(resumed.average.state_dict().values(), trainer.average.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(DataError, match="no checkpoint"):
        resumed.load(tmp_path / "none.pt")
    (tmp_path / "trained.safetensors").unlink(missing_ok=True)
    save_tiny(trainer.average, tmp_path / "trained.safetensors")
    batch = make_batch(pool, np.arange(2), (96, 64), np.random.default_rng(0))
    with torch.no_grad():
        exact, stored = trainer.average(*batch[:2])[0], load_tiny(tmp_path / "trained.safetensors")(*batch[:2])[0]
    assert float((exact - stored).abs().max()) < 0.02  # float16 weights, folded norms


def test_learning_rate_rises_then_falls() -> None:
    assert cosine_cycle(0.0, 0.1) == pytest.approx(0.01)
    assert cosine_cycle(0.05, 0.1) == pytest.approx(0.5)
    assert cosine_cycle(0.1, 0.1) == pytest.approx(1.0)
    assert cosine_cycle(0.55, 0.1) == pytest.approx(0.5025)
    assert cosine_cycle(1.0, 0.1) == pytest.approx(0.005)


def test_every_frame_once_an_epoch() -> None:
    batches = shuffled(12, 4, np.random.default_rng(0))
    assert sorted(np.concatenate([next(batches) for _ in range(3)])) == list(range(12))


def test_row_baseline_is_the_best_constant_per_row() -> None:
    pool = toy_pool(16, 0, 64, 48)
    rows = row_baseline(pool, every=1)
    best = score_rows(rows, pool)["abs_rel"]
    for factor in (0.97, 1.03):
        assert score_rows(rows * factor, pool)["abs_rel"] > best


def test_held_out_reports_every_kind() -> None:
    found = held_out(shipped(Trainer(toy_config()).average), toy_pool(2, 0, 64, 48))
    assert set(found) == {"frames", "all", "kinds", "sky_iou"}
    assert found["kinds"]["toy"] == found["all"]
    assert found["all"]["n"] > 1000
