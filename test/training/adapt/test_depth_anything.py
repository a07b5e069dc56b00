# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 beside its authors' training, and a scene that it learns by heart; random weights."""

from __future__ import annotations

import math
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.samples import samples_from_depth
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork
from mono_depth_ros.training.adapt import fit as fit_module
from mono_depth_ros.training.adapt.batch import Batch
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.depth_anything import DepthAnythingLearner
from mono_depth_ros.training.adapt.example import Example, make_example
from mono_depth_ros.training.adapt.fit import Fit
from mono_depth_ros.training.adapt.package import write_config

sys.path.insert(0, str(Path(__file__).parents[1]))
from toy import toy_frame

AUTHORS = (
    *(0.9720350504, 0.9336202741, 0.8994362950, 0.8648034930, 0.8303444982),
    *(0.7979825139, 0.7704222202, 0.7504971027, 0.7392634749, 0.7351081371),
)
"""Losses of ten steps of `metric_depth/train.py` (DepthAnything/Depth-Anything-V2 at a561b849): its network `vits` with
`max_depth` 20 and the weights of `random_weights`, its SiLogLoss, AdamW with lr 5e-6 and ten times that for the head,
weight decay .01, lr times (1 - i / 10)^.9 after step i; image and depth as below."""

CPU = torch.device("cpu")


def random_weights(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights that depend on their names alone."""
    found = {}
    for name, value in state.items():
        noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
        gain = value.ndim == 1 and name.endswith(("weight", "gamma"))
        found[name] = 1 + 0.1 * noise if gain else 0.05 * noise
    return found


def directory(where: Path, max_depth_m: float | None) -> Path:
    """A checkpoint of random weights, as an adaptation writes it."""
    learner = DepthAnythingLearner.__new__(DepthAnythingLearner)
    learner._size = SIZES["small"]
    from mono_depth_ros.models.base import ModelSpec
    from mono_depth_ros.prediction import DepthKind

    kind = DepthKind.INVERSE_AFFINE if max_depth_m is None else DepthKind.METRIC
    learner.spec = ModelSpec("random", "depth_anything_v2", kind, "none", max_depth_m)
    where.mkdir()
    network = DepthAnythingNetwork(SIZES["small"], max_depth_m)
    write_config(where, learner.save(random_weights(network.state_dict()), where))
    return where


def example(size: int = 28) -> Example:
    camera = Camera.from_fov((size, size), 60.0)
    rgb, depth = toy_frame(camera, np.random.default_rng(0))
    return make_example("toy", "s", 0, 0.0, rgb, camera, samples_from_depth(np.where(depth < 15, depth, np.nan)))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(DepthAnythingLearner, "reads", lambda self, width, height: (28, 28))
    monkeypatch.setattr(DepthAnythingLearner, "sizes", lambda self, width, height: ((28, 28),))


def test_ten_steps_have_the_authors_losses(tmp_path, small, monkeypatch) -> None:
    config = AdaptConfig(steps=10, batch=2, workers=1, encoder_rate=0.1, replay=0.0)
    learner = DepthAnythingLearner(directory(tmp_path / "d", 20.0), None, config, CPU)
    generator = torch.Generator().manual_seed(5)
    image = torch.randn(2, 3, 98, 98, generator=generator)
    depth = 0.5 + 8 * torch.rand(2, 98, 98, generator=generator)
    depth[:, :10] = 0
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    rgb = image * std[:, None, None] + mean[:, None, None]
    unknown = torch.full((2, 1, 98, 98), math.nan)
    fixed = Batch(rgb, torch.zeros(2, 2, 98, 98), depth[:, None], torch.ones(2), unknown, torch.zeros(2, 1, 98, 98))
    fit = Fit(learner, [example()], [], [example()], config)
    monkeypatch.setattr(fit_module, "collate", lambda views: fixed)
    losses, loss = [], learner.loss

    def recorded(output, batch, config):
        found = loss(output, batch, config)
        losses.append(float(found.detach()))
        return found

    monkeypatch.setattr(learner, "loss", recorded)
    fit._run(5e-5, math.inf, 10, math.nan, 1.0)
    assert losses == pytest.approx(AUTHORS, abs=1e-4)


def test_on_a_cpu_the_encoder_stays_and_the_result_is_a_model(tmp_path, small) -> None:
    config = AdaptConfig(steps=24, batch=2, workers=1, learning_rate=1e-3, replay=0.0)
    learner = DepthAnythingLearner(directory(tmp_path / "d", 20.0), None, config, CPU)
    assert "the head alone learns" in learner.note
    fitted = Fit(learner, [example()], [], [example()], config).fit()
    assert fitted.run.best_error < 0.8 * fitted.error_before
    before = learner._source / "model.safetensors"
    (tmp_path / "new").mkdir()
    write_config(tmp_path / "new", learner.save(fitted.run.best, tmp_path / "new"))
    from safetensors.torch import load_file

    old, new = load_file(before), load_file(tmp_path / "new" / "model.safetensors")
    assert old.keys() == new.keys()
    same = {name for name in old if torch.equal(old[name], new[name])}
    assert all(name in same for name in old if name.startswith("pretrained."))
    assert any(name not in same for name in old if name.startswith("depth_head."))
    model = load_model(ModelConfig(model=str(tmp_path / "new"), device="cpu", engine="torch", precision="fp32"))
    assert model.spec.max_depth_m == 20.0


def test_a_relative_network_learns_up_to_scale_and_shift(tmp_path, small) -> None:
    config = AdaptConfig(steps=24, batch=2, workers=1, learning_rate=1e-3, replay=0.0)
    learner = DepthAnythingLearner(directory(tmp_path / "d", None), None, config, CPU)
    points = example()
    rows, columns = np.nonzero(np.isfinite(points.dense))
    chosen = np.random.default_rng(0).choice(len(rows), 70, replace=False)
    few = np.full(points.dense.shape, np.nan, np.float32)
    few[rows[chosen], columns[chosen]] = points.dense[rows[chosen], columns[chosen]]
    sparse = make_example("toy", "s", 0, 0.0, points.rgb, points.camera, samples_from_depth(few))
    fitted = Fit(learner, [sparse], [], [sparse], config).fit()
    assert fitted.run.best_error < 0.9 * fitted.error_before
