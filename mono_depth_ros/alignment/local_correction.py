# SPDX-License-Identifier: Apache-2.0
"""Local correction: what the fit of the whole image leaves at the samples, spread over the image.

At every place a plane is fitted to g^b / d of the nearest samples (g the depth of the fit, d the sample's), near ones
weighing most, and read off there: locally weighted regression (Cleveland 1979) on the six nearest. The 1/d of a flat
surface is a plane in pixels, so b = 0, which forgets the prediction, is right on walls and floors; b = 1 spreads the
ratio g / d and keeps every edge that the prediction has. Which b is best depends on the network and on how dense the
samples are, so it is chosen by leave-one-out cross-validation: each sample is predicted from the others, and the b
with the least error wins. Where nothing beats the fit by more than chance, or no sample is near, the fit stays.
Samples that contradict both the prediction and their neighbours are left out first (outliers.py).
"""

from __future__ import annotations

import math

import numpy as np
import torch

from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.neighbours import Neighbours, nearest_samples
from mono_depth_ros.alignment.outliers import inliers
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.transfer import download, upload

_NEAREST = 6
_TRUSTS = (1.0, 0.75, 0.5, 0.0)  # b, how far the prediction's own shape is trusted: less only if surely better
_TRUST_SIGMAS = (1.0, 0.25)  # standard errors by which a smaller b must be better to be taken: of few samples, of many
_FEW = 40  # samples
_GAIN_SIGMAS = (1.0, 3.0)  # standard errors by which the best b must beat no correction: nothing of it, all of it
_MAX_LEFT_OUT = 400  # samples that are left out one by one
_RIDGE = 0.1  # of the plane's slope, relative to the spread of the neighbours
_STEPS = (4, 16)  # pixels between two places where the plane is fitted; between, it is interpolated
_REACH = 3.0  # spacings of samples beyond which the correction fades
_MIN_SAMPLES = 8  # samples below which the fit stays as it is


def local_correction(depth: torch.Tensor, samples: Samples, guide: torch.Tensor | None = None) -> torch.Tensor:
    """The correction of `corrected`."""
    return corrected(depth, samples, guide)[0]


def corrected(
    depth: torch.Tensor, samples: Samples, guide: torch.Tensor | None = None
) -> tuple[torch.Tensor, LeftOut | None]:
    """ln of what the depth must be multiplied with, so that it goes through the samples.

    Args:
        depth: (H, W) float32 metres, after the fit of the whole image. Not finite: the correction there is 0.
        samples: in this image. Those where the depth is not finite are not used.
        guide: (H, W, 3) uint8 RGB. Not used: edges of the colour image made nothing better than those of the depth.

    Returns:
        (H, W) float32 on the depth's device, 0 is no correction; and what samples say that were left out, or None.
    """
    height, width = depth.shape
    # Hundreds of operations on some hundred samples are done on the host, where each is cheaper and no value has to be
    # waited for; what is done for every pixel, where the depth is. Only the samples' depth and the grid go in between.
    (fitted,) = map(torch.from_numpy, download(depth.detach().reshape(-1)[upload(samples.pixels, depth.device)]))
    at = torch.from_numpy(np.stack((samples.rows, samples.columns), axis=1)).to(torch.float32)
    usable = torch.isfinite(fitted) & (fitted > 0)
    at, log_g = at[usable], fitted[usable].log()
    if len(at) < _MIN_SAMPLES:
        return torch.zeros_like(depth), None
    log_d = torch.from_numpy(samples.depth)[usable].log()
    residual = log_d - log_g
    kept = inliers(at, log_d, residual, (height, width))
    at, log_g, residual = at[kept], log_g[kept], residual[kept]
    trust, strength, left_out, error, distance = _cross_validate(at, log_g, residual, (height, width))
    if strength == 0.0:
        return torch.zeros_like(depth), None
    number = np.flatnonzero(usable.numpy())[kept.numpy()][left_out.numpy()]
    told = LeftOut(number, error.numpy(), distance.numpy(), np.ones(len(number), dtype=bool))

    spacing = math.sqrt(height * width / len(at))
    step = int(min(max(spacing / 4, _STEPS[0]), _STEPS[1]))
    grid = _grid(height, width, step)
    found = nearest_samples(at, grid.reshape(-1, 2), (height, width), min(_NEAREST, len(at)))
    log_y = _plane(at, _target(log_g, residual, trust), grid.reshape(-1, 2), found).log().reshape(grid.shape[:2])
    near = (_REACH - found.distance[:, 0] / spacing).clamp(0, 1).reshape(grid.shape[:2])
    log_y, near = _upsampled(upload(torch.stack((log_y, near)), depth.device), step, height, width)
    log_depth = torch.where(torch.isfinite(depth) & (depth > 0), depth, 1.0).log()
    correction = (trust - 1.0) * log_depth - log_y
    return torch.where(torch.isfinite(depth), strength * near * correction, 0.0), told


def _target(log_g: torch.Tensor, residual: torch.Tensor, trust: float) -> torch.Tensor:
    """g^b / d at the samples: what is a plane where the prediction is trusted with b."""
    return ((trust - 1.0) * log_g - residual).exp()


def _cross_validate(
    at: torch.Tensor, log_g: torch.Tensor, residual: torch.Tensor, size: tuple[int, int]
) -> tuple[float, float, torch.Tensor, torch.Tensor, torch.Tensor]:
    """(b, strength, left out, ln of their errors, distances): the best b, and 0 to 1, how surely it beats the fit."""
    left_out = torch.arange(len(at), device=at.device)
    if len(at) > _MAX_LEFT_OUT:
        left_out = left_out[:: len(at) // _MAX_LEFT_OUT]
    # One more, for the nearest sample of a sample is itself.
    found = nearest_samples(at, at[left_out], size, min(_NEAREST + 1, len(at)))
    itself = found.index == left_out[:, None]
    others = Neighbours(found.index, torch.where(itself, torch.inf, found.distance))
    before = residual[left_out].abs()
    needed = _TRUST_SIGMAS[len(at) >= _FEW]
    best, least = _TRUSTS[0], None
    for trust in _TRUSTS:
        predicted = _plane(at, _target(log_g, residual, trust), at[left_out], others).log()
        error = (trust - 1.0) * log_g[left_out] - predicted - residual[left_out]
        after = error.abs()
        if least is None or _errors_above_zero(least - after) > needed:
            best, least, told = trust, after, error
    assert least is not None
    low, high = _GAIN_SIGMAS
    strength = (_errors_above_zero(before - least) - low) / (high - low)
    distance = others.distance.amin(dim=1)
    return best, min(max(strength, 0.0), 1.0), left_out, told, distance


def _errors_above_zero(gain: torch.Tensor) -> float:
    """The mean of gains (N,) in standard errors of it."""
    error = float(gain.std()) / math.sqrt(len(gain))
    return float(gain.mean()) / max(error, 1e-9)


def _plane(at: torch.Tensor, y: torch.Tensor, places: torch.Tensor, found: Neighbours) -> torch.Tensor:
    """(Q,) of the plane through y (N,) of the neighbours of each place, at the place, and within their range."""
    known = torch.isfinite(found.distance)
    far = torch.where(known, found.distance, 0.0).amax(dim=1, keepdim=True).clamp(min=1.0)
    near = torch.where(known, found.distance, far) / far
    weight = known / (near + 0.03) ** 3 * (1 - near * near).clamp(min=0.02)
    weight = weight / weight.sum(dim=1, keepdim=True)
    offset = (at[found.index] - places[:, None]) / far[..., None]
    value = y[found.index]
    centre = (weight[..., None] * offset).sum(dim=1)
    mean = (weight * value).sum(dim=1)
    du, dv = (offset - centre[:, None]).unbind(dim=-1)
    dy = value - mean[:, None]
    uu, vv, uv = (weight * du * du).sum(dim=1), (weight * dv * dv).sum(dim=1), (weight * du * dv).sum(dim=1)
    uy, vy = (weight * du * dy).sum(dim=1), (weight * dv * dy).sum(dim=1)
    ridge = 0.5 * _RIDGE * (uu + vv) + 1e-9
    uu, vv = uu + ridge, vv + ridge
    level = mean - (centre[:, 0] * (vv * uy - uv * vy) + centre[:, 1] * (uu * vy - uv * uy)) / (uu * vv - uv * uv)
    low = torch.where(known, value, torch.inf).amin(dim=1)
    high = torch.where(known, value, -torch.inf).amax(dim=1)
    return torch.minimum(torch.maximum(level, low), high)


def _grid(height: int, width: int, step: int) -> torch.Tensor:
    """(h, w, 2) rows and columns of the places, one step beyond the last pixel."""
    rows = torch.arange(0, height + step, step, dtype=torch.float32)
    columns = torch.arange(0, width + step, step, dtype=torch.float32)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)


def _upsampled(maps: torch.Tensor, step: int, height: int, width: int) -> torch.Tensor:
    """(C, h, w) at every `step`-th pixel to (C, H, W), bilinear: the places are pixels, so corners are aligned."""
    size = tuple((side - 1) * step + 1 for side in maps.shape[1:])
    full = torch.nn.functional.interpolate(maps[None], size, mode="bilinear", align_corners=True)[0]
    return full[:, :height, :width]
