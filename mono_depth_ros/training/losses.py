# SPDX-License-Identifier: Apache-2.0
"""The loss: absolute and scale-invariant log depth errors, a multi-scale gradient term, and the sky.

All on log depth. `d` is log(prediction) - log(truth), (N, 1, H, W) float32; `valid` bool of the same shape marks the
pixels that have a depth (not sky, not unknown).
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from mono_depth_ros.training.config import TrainConfig

SILOG_LAMBDA = 0.85  # as BTS, Lee et al. 2019, arXiv 1907.10326, eq. 4
GRADIENT_SCALES = 4


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """(N,) mean over the valid pixels of each image, weighted where `valid` is weights; 0 for one without any."""
    count = valid.flatten(1).sum(1)
    return (values * valid).flatten(1).sum(1) / count.clamp(min=1e-6)


def absolute_log(d: Tensor, valid: Tensor) -> Tensor:
    """(N,) mean |d|: holds the absolute scale, which the other two terms leave (almost) free."""
    return masked_mean(d.abs(), valid)


def silog(d: Tensor, valid: Tensor) -> Tensor:
    """(N,) sqrt(mean(d^2) - lambda mean(d)^2) of each image.

    Eigen et al. 2014, arXiv 1406.2283, eq. 4; the square root and lambda as in BTS.
    """
    mean, square = masked_mean(d, valid), masked_mean(d * d, valid)
    return torch.sqrt((square - SILOG_LAMBDA * mean * mean).clamp(min=0) + 1e-6)


def multi_scale_gradient(d: Tensor, valid: Tensor) -> Tensor:
    """(N,) mean |dx d| + |dy d| over grids of stride 1, 2, 4, 8, summed over the scales.

    MegaDepth (Li and Snavely 2018, arXiv 1804.00607, eq. 5) and MiDaS (arXiv 1907.01341, eq. 11): depth edges that are
    sharp and where the truth has them. A difference counts where both of its pixels are valid.
    """
    total = d.new_zeros(d.shape[0])
    for scale in range(GRADIENT_SCALES):
        step = 2**scale
        e, v = d[..., ::step, ::step], valid[..., ::step, ::step]
        across = masked_mean((e[..., 1:] - e[..., :-1]).abs(), v[..., 1:] & v[..., :-1])
        down = masked_mean((e[..., 1:, :] - e[..., :-1, :]).abs(), v[..., 1:, :] & v[..., :-1, :])
        total = total + across + down
    return total


def depth_loss(log_depth: Tensor, sky_logit: Tensor, depth: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """(loss, mean |d|), scalars, for one batch.

    Args:
        log_depth, sky_logit: (N, 1, H, W) float, as the network returns them.
        depth: (N, 1, H, W) float32 metres along z; +inf is sky, NaN unknown (in no term).
    """
    sky, valid = torch.isposinf(depth), torch.isfinite(depth) & (depth > 0)
    d = torch.where(valid, log_depth.float() - torch.log(torch.where(valid, depth, torch.ones_like(depth))), 0.0)
    absolute = absolute_log(d, valid).mean()
    loss = absolute + config.silog_weight * silog(d, valid).mean()
    loss = loss + config.gradient_weight * multi_scale_gradient(d, valid).mean()
    if config.sky_weight:
        known = sky | valid
        sky_error = functional.binary_cross_entropy_with_logits(sky_logit.float(), sky.float(), reduction="none")
        loss = loss + config.sky_weight * masked_mean(sky_error, known).mean()
    return loss, absolute.detach()
