# SPDX-License-Identifier: Apache-2.0
"""Point maps that lack a constant in z, as those of MoGe (arXiv 2410.19115): it follows from the focal length."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SAMPLES = 64
"""Rows and columns of points that the shift is fitted to, as in the authors' code."""
_STEPS = 100


def recover_shift(points: Tensor, valid: Tensor | None, focal: float) -> float:
    """The constant that, added to z, makes the points project to the pixels they belong to; NaN where nothing is valid.

    Minimises the sum over pixels of |focal * xy / (z + shift) - uv|^2, with uv in pixels from the image's centre.
    Source: microsoft/MoGe `moge/utils/geometry_numpy.py`, `solve_optimal_shift`.

    Args:
        points: (h, w, 3) float32. valid: (h, w) bool, None where all are. focal: in pixels of this map.
    """
    height, width = points.shape[:2]
    rows = torch.linspace(0, height - 1, min(SAMPLES, height), device=points.device).round().long()
    columns = torch.linspace(0, width - 1, min(SAMPLES, width), device=points.device).round().long()
    some = points[rows][:, columns].double()
    good = torch.isfinite(some).all(-1)
    if valid is not None:
        good &= valid[rows][:, columns]
    v, u = torch.meshgrid(rows - (height - 1) / 2, columns - (width - 1) / 2, indexing="ij")
    chosen, pixels = some[good].cpu().numpy(), torch.stack([u, v], -1)[good].double().cpu().numpy()
    return _fit(chosen[:, :2] * focal, chosen[:, 2], pixels) if len(chosen) > 1 else float("nan")


def _fit(xy: np.ndarray, z: np.ndarray, uv: np.ndarray) -> float:
    """Levenberg-Marquardt in one unknown, from 0; points stay in front of the camera."""
    shift, damping = max(0.0, 1e-3 * float(np.ptp(z)) - float(z.min())), 1e-3
    cost, gradient, curvature = _terms(xy, z + shift, uv)
    for _ in range(_STEPS):
        step = -gradient / (curvature * (1 + damping)) if curvature > 0 else 0.0
        found = _terms(xy, z + shift + step, uv) if float(z.min()) + shift + step > 0 else None
        if found is not None and found[0] <= cost:
            (cost, gradient, curvature), shift, damping = found, shift + step, damping / 10
        else:
            damping *= 10
        if abs(step) <= 1e-9 * max(abs(shift), float(np.abs(z).mean())):
            break
    return shift


def _terms(xy: np.ndarray, z: np.ndarray, uv: np.ndarray) -> tuple[float, float, float]:
    """Cost, half its derivative by the shift, and the Gauss-Newton curvature."""
    projected = xy / z[:, None]
    residual, slope = projected - uv, -projected / z[:, None]
    return float((residual**2).sum()), float((residual * slope).sum()), float((slope**2).sum())
