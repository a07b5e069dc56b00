# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch

from mono_depth_ros.training.config import TrainConfig
from mono_depth_ros.training.losses import SILOG_LAMBDA, absolute_log, depth_loss, multi_scale_gradient, silog


def test_silog_hand_value() -> None:
    d = torch.tensor([0.0, 0.2, 0.4, 9.0]).view(1, 1, 2, 2)
    valid = torch.tensor([True, True, True, False]).view(1, 1, 2, 2)
    mean, square = 0.2, (0.04 + 0.16) / 3
    assert float(silog(d, valid)) == pytest.approx(math.sqrt(square - SILOG_LAMBDA * mean**2 + 1e-6), rel=1e-5)
    assert float(absolute_log(d, valid)) == pytest.approx(0.2)


def test_silog_forgives_most_of_a_scale_and_the_absolute_term_none() -> None:
    d, valid = torch.full((1, 1, 4, 4), 0.3), torch.ones(1, 1, 4, 4, dtype=torch.bool)
    assert float(silog(d, valid)) == pytest.approx(0.3 * math.sqrt(1 - SILOG_LAMBDA), rel=1e-3)
    assert float(absolute_log(d, valid)) == pytest.approx(0.3)


def test_gradient_of_a_ramp() -> None:
    # d = 0.1 x: every difference across is 0.1 * stride, every difference down 0; strides 1, 2, 4, 8
    d = (0.1 * torch.arange(16.0)).view(1, 1, 1, 16).repeat(1, 1, 16, 1)
    valid = torch.ones_like(d, dtype=torch.bool)
    assert float(multi_scale_gradient(d, valid)) == pytest.approx(0.1 * (1 + 2 + 4 + 8), rel=1e-5)


def test_gradient_needs_both_pixels() -> None:
    d = torch.zeros(1, 1, 8, 8)
    d[..., 3] = 5.0
    valid = torch.ones_like(d, dtype=torch.bool)
    valid[..., 3] = False
    assert float(multi_scale_gradient(d, valid)) == 0.0


def test_loss_is_least_at_the_truth_and_finite_with_sky_and_unknown() -> None:
    depth = torch.full((2, 1, 32, 32), 3.0)
    depth[0, :, :8], depth[1, :, :, :4] = math.inf, math.nan
    sky = torch.where(torch.isposinf(depth), 20.0, -20.0)
    right, scaled = torch.full_like(depth, math.log(3.0)), torch.full_like(depth, math.log(3.3))
    config = TrainConfig()
    best, error = depth_loss(right, sky, depth, config)
    assert float(best) < 2e-3
    assert float(error) == pytest.approx(0.0, abs=1e-6)
    assert float(depth_loss(scaled, sky, depth, config)[1]) == pytest.approx(math.log(1.1), rel=1e-4)
    assert float(depth_loss(right, -sky, depth, config)[0]) > 1.0
    leaf = torch.zeros_like(depth, requires_grad=True)
    depth_loss(leaf, leaf, depth, config)[0].backward()
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()
    assert (leaf.grad[1, :, :, :4] == 0).all()
