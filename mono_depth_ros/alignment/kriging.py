# SPDX-License-Identifier: Apache-2.0
"""Local correction by samples that are noisy themselves, such as triangulated corners: kriging.

What the fit lacks, ln d - ln g, is a Gaussian process over the image (Rasmussen and Williams 2006, chapter 2): alike
at places that lie near each other and where the prediction has like depths, for a network errs by whole things. A
sample is drawn to what its neighbours say as far as its own deviation allows, so that one that is known to 10 % does
not pull a prediction that is good to 5 %. What all samples share, such as the deviation of the odometry's scale, is no
noise here. Where the prediction differs around a corner it may be that of the thing beside it, and the corner counts
less. Each sample is predicted from all others in closed form; those farther off than noise explains lose weight
(Student's t), and what is left is the error to expect.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.upsampling import upsampled
from mono_depth_ros.transfer import download, upload

Floats = NDArray[np.float64]

MOST = 500
"""Samples: with more, single ones matter less, and the equations get slow."""

_LEAST_NOISE = 0.01  # relative deviation; samples that are better known by half than this are interpolated
_LEAST = 12  # samples
_REACH = 0.15  # of the image's diagonal, at which what the fit lacks is alike to 1/e
_ALIKE = 0.6  # of ln of the predicted depth, likewise
_AMPLITUDE = 0.02  # of ln d, at least
_SCALE = 0.05  # standard deviation of the scale of this image from that of the fit, in ln d
# What errs much lacks contrast too: deviation of ln by ln, by the variance of what the fit lacks; below that less.
_SLOPE, _POOR = 5.0, 0.09
_FREEDOM, _ROUNDS, _LEAST_WEIGHT, _OUTLIER = 4.0, 1, 0.01, 0.2  # of Student's t; weight below which one is an outlier
_EDGE_PX, _EDGE = 3, 1.15  # pixels from a silhouette; from there on a step of the predicted depth is one, as a ratio
_UNCLEAR = 0.75  # of the differences of ln of the predicted depth so near a sample: a standard deviation of it
_STEP = 16  # pixels between the places where the process is evaluated


def noisy(samples: Samples) -> bool:
    """Whether their deviations are known, differ, and are so large that interpolating between them would do harm."""
    if samples.sigma is None or not _LEAST <= len(samples) <= MOST:
        return False
    return float(_noise(samples).mean()) > (_LEAST_NOISE / 2) ** 2


def kriged(depth: torch.Tensor, samples: Samples) -> tuple[torch.Tensor, LeftOut | None]:
    """As `local_correction.corrected`: (H, W) ln of a factor on the depth, and what samples that were left out say.

    Args:
        depth: (H, W) float32 metres, after the fit. samples: with a deviation each.
    """
    around, coarse = download(
        depth.detach().reshape(-1)[upload(_around(samples), depth.device)], depth.detach()[::_STEP, ::_STEP]
    )
    fitted = _nearer_side(around)
    usable = np.isfinite(fitted) & (fitted > 0)
    if np.count_nonzero(usable) < _LEAST:
        return torch.zeros_like(depth), None
    number, samples, log_g = np.flatnonzero(usable), samples.select(usable), np.log(fitted[usable].astype(np.float64))
    noise = _noise(samples) + _LEAST_NOISE**2 + (_UNCLEAR * _differences(around[usable])) ** 2
    lacks, reach = np.log(samples.depth.astype(np.float64)) - log_g, _REACH * float(np.hypot(*samples.size))
    spread = 1.4826 * float(np.median(np.abs(lacks - np.median(lacks))))
    amplitude = max(spread**2 - float(np.median(noise)), _AMPLITUDE**2)
    at = _places(samples.columns, samples.rows, log_g, reach)
    middle, slope = float(log_g.mean()), _SLOPE * amplitude * min(amplitude / _POOR, 1.0)
    trend = torch.from_numpy((slope * (log_g - middle)).astype(np.float32))
    covariance = (amplitude * _alike(at, at) + torch.outer(trend, trend) + _SCALE**2).double()

    weight = np.ones(len(lacks))
    for last in range(_ROUNDS + 1):
        # Leave-one-out in closed form (Sundararajan and Keerthi 2001).
        root = torch.linalg.cholesky(covariance + torch.from_numpy(np.diag(noise / weight)))
        inverse = torch.cholesky_inverse(root).numpy()
        strength, diagonal = inverse @ lacks, np.diag(inverse)
        error, known = strength / diagonal, np.maximum(1 / diagonal - noise / weight, 0.0)
        if last < _ROUNDS:
            weight = np.clip((_FREEDOM + 1) / (_FREEDOM + error**2 / (known + noise)), _LEAST_WEIGHT, 1.0)

    good = np.isfinite(coarse) & (coarse > 0)
    rows, columns = np.mgrid[: coarse.shape[0], : coarse.shape[1]] * _STEP
    log_grid = np.log(np.where(good, coarse, 1.0)).ravel()
    grid = _places(columns.ravel(), rows.ravel(), log_grid, reach)
    field = (amplitude * (_alike(grid, at) @ torch.from_numpy(strength.astype(np.float32)))).numpy()
    field += _SCALE**2 * strength.sum() + slope**2 * (log_grid - middle) * (strength @ (log_g - middle))
    places = upload(field.reshape(1, *coarse.shape).astype(np.float32), depth.device)
    correction = upsampled(places, _STEP, int(depth.shape[0]), int(depth.shape[1]))[0]
    kept = weight > _OUTLIER
    # Of the error of a sample only that of the field: its own noise is known apart.
    error = -error * np.sqrt(known / (known + noise))
    result = LeftOut(number[kept], error[kept].astype(np.float32), _nearest(samples)[kept], _inside(samples)[kept])
    return torch.where(torch.isfinite(depth) & (depth > 0), correction, 0.0), result


def _noise(samples: Samples) -> Floats:
    """(N,) relative variance of each sample by itself."""
    assert samples.sigma is not None
    variance = (samples.sigma.astype(np.float64) / samples.depth) ** 2
    return variance - variance.min()


def _around(samples: Samples) -> NDArray[np.int64]:
    """(N, K) indices into the flattened image of the pixels in a square about each sample, itself in the middle."""
    height, width = samples.size
    offset = np.arange(-_EDGE_PX, _EDGE_PX + 1)
    rows = np.clip(samples.rows[:, None, None] + offset[:, None], 0, height - 1)
    columns = np.clip(samples.columns[:, None, None] + offset, 0, width - 1)
    return (rows * width + columns).reshape(len(samples), -1)


def _nearer_side(around: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) what is predicted at each sample, of (N, K) around it.

    A corner on a silhouette is one of what is nearer, and half of such lie on pixels of what is behind it.
    """
    here = around[:, around.shape[1] // 2]
    known = np.where(np.isfinite(around) & (around > 0), around, np.inf)
    nearest = known.min(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(here) & (here > _EDGE * nearest), nearest, here)


def _differences(around: NDArray[np.float32]) -> Floats:
    """(N,) by how much ln of the predicted depth differs at most, of (N, K) around each sample."""
    known = np.isfinite(around) & (around > 0)
    farthest, nearest = np.where(known, around, 0.0).max(axis=1), np.where(known, around, np.inf).min(axis=1)
    return np.log(farthest.astype(np.float64) / nearest)


def _places(columns: NDArray[np.int64], rows: NDArray[np.int64], log_g: Floats, reach: float) -> torch.Tensor:
    return torch.from_numpy(np.stack((columns / reach, rows / reach, log_g / _ALIKE), axis=1).astype(np.float32))


def _alike(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(M, N) correlation: exponential of the distance in the image, and of the difference of the predicted depth."""
    apart = torch.cdist(one[:, :2], other[:, :2], compute_mode="donot_use_mm_for_euclid_dist")
    apart += (one[:, 2:] - other[:, 2]).abs_()
    return apart.neg_().exp_()


def _nearest(samples: Samples) -> NDArray[np.float32]:
    """(N,) pixels to the nearest other sample."""
    at = torch.from_numpy(np.stack((samples.rows, samples.columns), axis=1).astype(np.float32))
    return np.asarray(torch.cdist(at, at).fill_diagonal_(torch.inf).amin(dim=1).numpy(), dtype=np.float32)


def _inside(samples: Samples) -> NDArray[np.bool_]:
    """(N,) those that are no corner of the convex hull of all."""
    points = np.stack((samples.columns, samples.rows), axis=1).astype(np.int32)
    inside = np.ones(len(samples), dtype=bool)
    inside[cv2.convexHull(points, returnPoints=False).ravel()] = False
    return inside
