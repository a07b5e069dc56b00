# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch

from mono_depth_ros.training.adapt.batch import Batch
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.objective import authors_silog, metric_loss, relative_loss

CONFIG = AdaptConfig()


def batch(dense: torch.Tensor | None = None, sparse: torch.Tensor | None = None, share: float = 1.0) -> Batch:
    shape = next(value.shape for value in (dense, sparse) if value is not None)
    unknown = torch.full(shape, math.nan)
    dense, sparse = (unknown if value is None else value for value in (dense, sparse))
    rgb, rays = torch.zeros(shape[0], 3, *shape[2:]), torch.zeros(shape[0], 2, *shape[2:])
    return Batch(rgb, rays, dense, torch.full((shape[0],), share), sparse, torch.isfinite(sparse).float())


def scene() -> torch.Tensor:
    torch.manual_seed(0)
    return 1 + 4 * torch.rand(2, 1, 16, 16)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_metric_loss_is_least_at_the_truth(kind) -> None:
    depth = scene()
    given = depth if kind == "dense" else torch.where(torch.rand_like(depth) < 0.1, depth, math.nan)
    one = batch(**{kind: given})
    losses = [float(metric_loss((factor * depth).log(), None, one, CONFIG)) for factor in (1.0, 1.1, 1.3)]
    assert losses[0] < 2e-3
    assert losses[1] == pytest.approx(math.log(1.1) * (1 + 0.5 * math.sqrt(0.15)), rel=0.02)
    assert losses[1] < losses[2]


def test_unknown_pixels_have_no_gradient() -> None:
    depth = scene()
    depth[:, :, :8] = math.nan
    log_depth = torch.zeros_like(depth, requires_grad=True)
    metric_loss(log_depth, torch.zeros_like(depth), batch(dense=depth), CONFIG).backward()
    assert log_depth.grad is not None and torch.isfinite(log_depth.grad).all()
    assert (log_depth.grad[:, :, :8] == 0).all()
    assert (log_depth.grad[:, :, 8:] != 0).any()


def test_inferred_depth_counts_by_its_weight_and_an_image_without_any_depth_is_no_error() -> None:
    depth = scene()
    whole, half = (float(metric_loss((2 * depth).log(), None, batch(dense=depth, share=s), CONFIG)) for s in (1.0, 0.5))
    assert half == pytest.approx(0.5 * whole)
    assert float(metric_loss(depth.log(), None, batch(dense=torch.full_like(depth, math.nan)), CONFIG)) == 0.0


def test_relative_loss_does_not_see_scale_and_shift_nor_the_unit() -> None:
    depth = scene()
    one, millimetres = batch(dense=depth), batch(dense=1000 * depth)
    assert float(relative_loss(3 / depth + 0.2, one, CONFIG)) == pytest.approx(0.0, abs=1e-4)
    wrong = torch.flip(1 / depth, dims=(3,))
    assert float(relative_loss(wrong, one, CONFIG)) > 0.3
    assert float(relative_loss(wrong, millimetres, CONFIG)) == pytest.approx(
        float(relative_loss(wrong, one, CONFIG)), rel=1e-3
    )
    sparse = batch(sparse=torch.where(torch.rand_like(depth) < 0.2, depth, math.nan))
    assert float(relative_loss(2 / depth - 0.1, sparse, CONFIG)) == pytest.approx(0.0, abs=1e-4)


def test_the_authors_silog_by_hand() -> None:
    depth, target = torch.tensor([1.0, 2.0, 9.0]), torch.tensor([2.0, 2.0, 1.0])
    valid = torch.tensor([True, True, False])
    d = math.log(2.0)
    assert float(authors_silog(depth, target, valid)) == pytest.approx(math.sqrt(d * d / 2 - 0.5 * (d / 2) ** 2))
