# SPDX-License-Identifier: Apache-2.0
"""Samples that nothing speaks for, which a local correction would otherwise go through.

The fit of the whole image holds against outliers by itself; what is interpolated has each sample in it. A depth far
from the prediction may well be true, of something the network missed, and then neighbours on the same thing agree: in
depth, or in what the prediction lacks. So a sample is dropped only where both fail: it is far from the prediction, by
the measure of all the others, and fewer than two of its neighbours agree with it.
"""

from __future__ import annotations

import torch

from mono_depth_ros.alignment.neighbours import nearest_samples

_NEIGHBOURS, _AGREEING = 6, 2
_FAR = 4.0  # robust deviations of the residuals
_UNLIKE = 8.0  # times the usual difference to the neighbours
_MIN_FAR, _MIN_UNLIKE = 0.1, 0.05  # of ln d: less is never wrong, however exact the others are


def inliers(at: torch.Tensor, log_depth: torch.Tensor, residual: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(N,) bool: the samples to use.

    Args:
        at: (N, 2) float32 row and column in pixels. log_depth: (N,) ln of the depth in metres.
        residual: (N,) log_depth less that of the fit of the whole image. size: (height, width).
    """
    deviation = (residual - residual.median()).abs()
    far = deviation > (_FAR * 1.4826 * deviation.median()).clamp(min=_MIN_FAR)
    if len(at) <= _NEIGHBOURS or not bool(far.any()):
        return torch.ones_like(far)
    found = nearest_samples(at, at, size, _NEIGHBOURS + 1)  # one more, for the nearest sample of a sample is itself
    itself = found.index == torch.arange(len(at), device=at.device)[:, None]
    in_depth = (log_depth[found.index] - log_depth[:, None]).abs()
    in_residual = (residual[found.index] - residual[:, None]).abs()
    known = torch.isfinite(found.distance) & ~itself
    difference = torch.where(known, torch.minimum(in_depth, in_residual), torch.inf)
    unlike = difference.sort(dim=1).values[:, _AGREEING - 1]
    return ~far | (unlike <= (_UNLIKE * unlike.median()).clamp(min=_MIN_UNLIKE))
