# SPDX-License-Identifier: Apache-2.0
"""One standard deviation of an aligned depth, at every pixel.

Errors are large where the samples around disagree (`disagreement`), and where the depth jumps nearby: nobody knows to a
pixel where an edge is, and beside it a depth is off by all of the jump or by nothing. How large both together are is
told by samples that were left out: 69 % of their errors are to lie within one standard deviation. Through a sample the
result goes, and beside it jumps less than elsewhere: what it jumps by there is raised to what it is over the image. And
samples of which whole lines were left out lie farther from others than pixels do. How much smaller errors are between
the lines depends on what the prediction knows: where it has all edges, an error hardly depends on the gap.

Beyond the hull of the samples it is the distance that counts (`expected_error`). What the samples themselves are off
by, and the age of the fit, come on top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.disagreement import LEAST
from mono_depth_ros.alignment.expected_error import STEP, ExpectedError
from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.upsampling import upsampled
from mono_depth_ros.transfer import download, upload

Floats = NDArray[np.float32]

# The power with which errors grow, as those of `disagreement` found on frames that none of the published figures is
# made of (other frames of 7-Scenes, nuScenes, KITTI, the synthetic world): where 71.5 % of errors are within one
# standard deviation, they leave the fewest beyond two.
_OF_JUMP = 0.63
_ONE = 0.69  # of errors that are within one standard deviation
# How much of the disagreement's change from samples left out to pixels is one of errors: as among those samples, and by
# the error as a part of the steps between samples, which a prediction without edges would leave.
_BY_STEPS, _CHANGES = 6.5, (0.3, 2.0)
_FEW = 8  # left-out samples between others
_NORMAL = 1.25  # standard deviation of normal errors, by their mean
_LEAST = 1e-6  # so that a logarithm is finite: errors of samples without noise
_WINDOW = 3  # of every STEP-th pixel
_FARTHEST = math.log(500.0)


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Of one result.

    Attributes:
        relative: (h, w) float32 tensor, standard deviation / depth of every STEP-th pixel, or () where all are alike.
    """

    relative: torch.Tensor

    def of(self, depth: torch.Tensor) -> torch.Tensor:
        """(H, W) float32 metres, one standard deviation of the depth (H, W) that it is for; NaN where that is none."""
        relative = self.relative.to(depth.device)
        if relative.ndim:
            relative = upsampled(relative[None], STEP, int(depth.shape[0]), int(depth.shape[1]))[0]
        return (relative * depth).nan_to_num_(*3 * (torch.nan,))

    def aged(self, drift: float) -> Uncertainty:
        """With what the scale may have changed since: a relative standard deviation."""
        return replace(self, relative=self.relative.square().add_(drift**2).sqrt_())


def uniform(relative: float) -> Uncertainty:
    """The same for all pixels: relative standard deviation."""
    return Uncertainty(torch.tensor(relative, dtype=torch.float32))


def uncertainty(
    depth: torch.Tensor, samples: Samples, expected: ExpectedError, left_out: LeftOut | None
) -> Uncertainty:
    """Calibrated by what was left out.

    Args:
        depth: (h, w) metres of every STEP-th pixel, the result. samples, left_out: that `expected` was made of.
    """
    known = np.zeros(0, dtype=np.int64)
    if left_out is not None and left_out.disagreement is not None:
        known = np.flatnonzero(np.isfinite(left_out.disagreement))
    if left_out is None or left_out.disagreement is None or left_out.of_image is None or len(known) < _FEW:
        relative = np.float32(_NORMAL) * expected.relative
        if left_out is not None and left_out.disagreement is None and np.count_nonzero(left_out.inside) >= _FEW:
            by_distance = expected.within(left_out.distance[left_out.inside])
            relative[expected.inside] *= np.float32(_one(left_out.relative[left_out.inside] / by_distance) / _NORMAL)
        return Uncertainty(upload(np.hypot(relative, expected.own), depth.device))
    log_jumps = (_jumps(depth, _WINDOW) + LEAST).log_().mul_(_OF_JUMP)
    disagreement = _on_grid(left_out.of_image, left_out.step, (log_jumps.shape[0], log_jumps.shape[1]))
    inside = expected.inside & np.isfinite(disagreement)
    outer = np.flatnonzero(~inside)
    base = np.zeros_like(disagreement)
    base.reshape(-1)[outer] = np.float32(_NORMAL) * expected.at(outer)
    disagreement.reshape(-1)[outer] = -np.inf
    of_image, base, *own = upload(
        np.stack([disagreement, base] + [expected.own] * isinstance(expected.own, np.ndarray)), depth.device
    )
    at = _and_beside(samples.select(left_out.number[known]), (log_jumps.shape[0], log_jumps.shape[1]))
    (jump,) = download(log_jumps.reshape(-1)[upload(at.reshape(-1), depth.device)])
    jump, *beside = jump.reshape(at.shape)
    relative, apart = left_out.relative[known], left_out.disagreement[known]
    score = apart + jump - jump.mean() + np.mean(beside)
    level = float(np.log(_one(relative / np.exp(score))))
    near = inside & (expected.distance <= expected.reach)
    if near.any():
        farther = float(disagreement.mean(where=near)) - float(apart.mean())
        level += (_change(relative, score, left_out.steps) - 1) * farther
    found = log_jumps.add_(of_image).add_(level).exp_().add_(base)
    return Uncertainty(torch.hypot(found, own[0]) if own else found)


def _one(score: Floats) -> float:
    """What makes `_ONE` of all errors / it at most 1, of (Q,) errors by what they are expected to go with."""
    return max(float(np.quantile(score, _ONE)), _LEAST)


def _change(relative: Floats, score: Floats, steps: float) -> float:
    """How much errors (Q,) change, by how much ln of what they go with (Q,) does."""
    away, log = score - score.mean(), np.log(relative + np.float32(LEAST / 4))
    slope = float(away @ (log - log.mean())) / (float(away @ away) + 1)
    return float(np.clip(_BY_STEPS * slope * float(relative.mean()) / max(steps, LEAST), *_CHANGES))


def _and_beside(samples: Samples, shape: tuple[int, int]) -> NDArray[np.int64]:
    """(5, N) of every STEP-th pixel, flattened: those of the samples, and of places that are out of their window."""
    down, right = _WINDOW * np.array([[0, 1, -1, 0, 0], [0, 0, 0, 1, -1]])[:, :, None]
    rows, columns = (
        np.clip(of // STEP + away, 0, side - 1)
        for of, away, side in zip((samples.rows, samples.columns), (down, right), shape, strict=True)
    )
    found: NDArray[np.int64] = rows * shape[1] + columns
    return found


def _on_grid(values: Floats, step: int, shape: tuple[int, int]) -> Floats:
    """(h, w) of every STEP-th pixel, from every `step`-th one, linear between."""
    for axis, side in enumerate(shape):
        at = np.arange(side) * STEP
        last = values.shape[axis] - 1
        before, after = at // step, np.minimum((at + step - 1) // step, last)
        values = (values.take(before, axis) + values.take(after, axis)) / np.float32(2)
    return values


def _jumps(depth: torch.Tensor, window: int) -> torch.Tensor:
    """(h, w) as the depth: ln of the farthest by the nearest in a square of `window` pixels around each."""
    log = depth.log()  # not finite where the depth is none
    bounded = log.clamp(-_FARTHEST, _FARTHEST)
    known = log.abs() < torch.inf
    low, high = (torch.where(known, bounded, bound) for bound in (torch.inf, -torch.inf))
    if depth.device.type == "cpu":  # of any window at the same time
        square = np.ones((window, window), np.uint8)
        nearest, farthest = cv2.erode(low.numpy(), square), cv2.dilate(high.numpy(), square)
        with np.errstate(over="ignore"):  # where nothing is known
            return torch.from_numpy(np.maximum(farthest - nearest, 0.0))
    both = torch.stack((high, -low))[None]
    for kernel in ((1, window), (window, 1)):
        both = torch.nn.functional.max_pool2d(both, kernel, stride=1, padding=(kernel[0] // 2, kernel[1] // 2))
    return both[0].sum(dim=0).nan_to_num(neginf=0.0)
