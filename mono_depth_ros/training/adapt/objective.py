# SPDX-License-Identifier: Apache-2.0
"""What a network is adapted by: metric depth in the logarithm, relative depth up to scale and shift.

Every term takes dense maps, with their gradients, and single depths alike.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.training.adapt.batch import Batch
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.losses import absolute_log, masked_mean, multi_scale_gradient, silog

MIN_DEPTHS = 3
"""An image with fewer known depths fixes no scale and shift."""


def metric_loss(log_depth: Tensor, sky_logit: Tensor | None, batch: Batch, config: AdaptConfig) -> Tensor:
    """|log error|, its scale-invariant part (Eigen et al. 2014, arXiv 1406.2283, eq. 4), and of maps its gradients.

    Args:
        log_depth, sky_logit: (N, 1, H, W) float.
    """
    d, known_dense = log_error(log_depth, batch.dense)
    each = absolute_log(d, known_dense) + config.silog_weight * silog(d, known_dense)
    each = each + config.gradient_weight * multi_scale_gradient(d, known_dense)
    d, seen = log_error(log_depth, batch.sparse)
    weight = batch.weight * seen
    single = absolute_log(d, weight) + config.silog_weight * silog(d, weight)
    # The small constant in the root of silog is no error of an image that has no depth of this sort.
    loss = (batch.dense_weight * known_dense.flatten(1).any(1) * each + seen.flatten(1).any(1) * single).mean()
    if sky_logit is None or not config.sky_weight:
        return loss
    sky = torch.isposinf(batch.dense)
    error = functional.binary_cross_entropy_with_logits(sky_logit.float(), sky.float(), reduction="none")
    return loss + config.sky_weight * masked_mean(error, sky | known_dense | seen).mean()


def log_error(log_depth: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
    """log of the prediction minus log of the depth, 0 where that is unknown, and where it is known; (N, 1, H, W)."""
    known = torch.isfinite(depth) & (depth > 0)
    return torch.where(known, log_depth.float() - torch.log(torch.where(known, depth, 1.0)), 0.0), known


def relative_loss(inverse: Tensor, batch: Batch, config: AdaptConfig) -> Tensor:
    """Mean |s x + t - y| / mean |y - mean y|, s and t the least squares fit of each image, y the inverse depth.

    The scale-and-shift-invariant loss of MiDaS (Ranftl et al. 2020, arXiv 1907.01341, eq. 4 to 11), normalised so that
    it does not depend on the unit of y. Infinitely far counts: its inverse is 0.

    Args:
        inverse: (N, 1, H, W) float, unitless.
    """
    total = inverse.new_zeros(inverse.shape[0], dtype=torch.float32)
    for depth, weight, share, is_map in (
        (batch.dense, None, batch.dense_weight, True),
        (batch.sparse, batch.weight, torch.ones_like(batch.dense_weight), False),
    ):
        known = (depth > 0) & ~torch.isnan(depth)
        w = known.float() if weight is None else weight * known
        y = torch.where(known, 1 / torch.where(known, depth, 1.0), 0.0)
        residual, spread = aligned_error(inverse.float(), y, w)
        each = masked_mean(residual.abs(), w)
        if is_map:
            each = each + config.gradient_weight * multi_scale_gradient(residual, known)
        total = total + share * (known.flatten(1).sum(1) >= MIN_DEPTHS) * each / spread.clamp(min=1e-6)
    return total.mean()


def aligned_error(x: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """s x + t - y (N, 1, H, W) of the weighted least squares s, t of each image; and (N,) mean |y - mean y|."""
    mean_x, mean_y = (masked_mean(value, w)[:, None, None, None] for value in (x, y))
    dx, dy = x - mean_x, y - mean_y
    scale = masked_mean(dx * dy, w) / masked_mean(dx * dx, w).clamp(min=1e-9)
    residual = torch.where(w > 0, scale[:, None, None, None] * dx - dy, 0.0)
    return residual, masked_mean(dy.abs(), w)


def authors_silog(depth: Tensor, target: Tensor, valid: Tensor, share: float = 0.5) -> Tensor:
    """sqrt(mean(d^2) - share mean(d)^2) over all valid pixels of the batch together, d the difference of logarithms.

    `SiLogLoss` of Depth Anything V2's authors, `metric_depth/util/loss.py`. Tensors of one shape; metres.
    """
    d = torch.log(target[valid]) - torch.log(depth[valid])
    return torch.sqrt((d * d).mean() - share * d.mean() ** 2)
