# SPDX-License-Identifier: Apache-2.0
"""One standard deviation of an aligned depth, at every pixel.

Errors are large where the nearest sample is far (`expected_error`), and where the depth jumps nearby: nobody knows to a
pixel where an edge is, and beside it a depth is off by all of the jump or by nothing. How much each of the two counts,
and how large both are, is told by samples that were left out: 68 % of errors are to lie within one standard deviation
and 95 % within two. What the samples themselves are off by, and the age of the fit, come on top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.expected_error import STEP, ExpectedError
from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.transfer import download, upload

Floats = NDArray[np.float32]

_JUMPS = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0)  # how much a jump may count beside the expected error
_USUAL_JUMP, _FEW = 0.2, 60  # with fewer left-out samples than that
_ONE, _TWO = (0.64, 0.68, 0.69), 0.945  # of errors within one (least, aimed at, most) and two standard deviations
_BETTER = 0.003  # of errors more within two: another weight of jumps is worth it
_NORMAL = 1.25  # standard deviation of normal errors, by their mean
_WINDOW = (3, 41)  # pixels of the image
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
            height, width = depth.shape
            full = (STEP * (relative.shape[0] - 1) + 1, STEP * (relative.shape[1] - 1) + 1)
            padded = torch.nn.functional.interpolate(relative[None, None], full, mode="bilinear", align_corners=True)
            right, below = max(width - full[1], 0), max(height - full[0], 0)
            relative = torch.nn.functional.pad(padded, (0, right, 0, below), mode="replicate")[0, 0]
        return torch.where(depth.isfinite(), relative * depth, torch.nan)

    def aged(self, drift: float) -> Uncertainty:
        """With what the scale may have changed since: a relative standard deviation."""
        return replace(self, relative=torch.hypot(self.relative, torch.full_like(self.relative, drift)))


def uniform(relative: float) -> Uncertainty:
    """The same for all pixels: relative standard deviation."""
    return Uncertainty(torch.tensor(relative, dtype=torch.float32))


def uncertainty(
    depth: torch.Tensor, samples: Samples, expected: ExpectedError, left_out: LeftOut | None
) -> Uncertainty:
    """Calibrated by what was left out.

    Args:
        depth: (H, W) metres, the result. samples, left_out: that `expected` was made of.
    """
    relative = expected.relative
    if left_out is None or not left_out.inside.any():
        base = np.hypot(_NORMAL * relative, expected.own)
        return Uncertainty(upload(base, depth.device))
    window = int(np.clip(round(float(np.median(left_out.distance[left_out.inside]))), *_WINDOW)) // STEP // 2 * 2 + 1
    jumps = _jumps(depth, max(window, 3))
    chosen = left_out.number[left_out.inside]
    at = samples.rows[chosen] // STEP * relative.shape[1] + samples.columns[chosen] // STEP
    (jump,) = download(jumps.reshape(-1)[upload(at, depth.device)])
    of_distance = expected.within(left_out.distance[left_out.inside])
    usual = float(of_distance.mean())
    weight, factor = _calibrated(left_out.relative[left_out.inside], of_distance, jump / np.float32(usual))
    base = np.where(expected.inside, np.float32(factor), np.float32(_NORMAL)) * relative
    of_jump = np.where(expected.inside, np.float32(weight / usual), 0)
    stacked = np.stack((base, of_jump, np.broadcast_to(np.float32(expected.own), base.shape)))
    base, of_jump, own = upload(torch.from_numpy(stacked), depth.device)
    return Uncertainty(torch.hypot(base * torch.sqrt(1 + (of_jump * jumps) ** 2), own))


def _calibrated(error: Floats, expected: Floats, jump: Floats) -> tuple[float, float]:
    """(weight of jumps, factor of all) with which errors (Q,) lie within one and two deviations as they should.

    A deviation is the factor times the expected error, made larger by sqrt(1 + (weight * jump)^2).
    """
    best: tuple[float, float, float] | None = None
    for weight in _JUMPS if len(error) >= _FEW else (_USUAL_JUMP,):
        score = error / (expected * np.sqrt(1 + (weight * jump) ** 2))
        low, aim, high, two = np.quantile(score, (*_ONE, _TWO)).tolist()
        share = float(np.mean(score < 2 * aim))
        if best is None or share > best[0] + _BETTER:
            best = share, weight, min(max(two / 2, low), high)
    assert best is not None
    return best[1:]


def _jumps(depth: torch.Tensor, window: int) -> torch.Tensor:
    """(h, w) of every STEP-th pixel: ln of the farthest by the nearest in a square of `window` of them around it."""
    small = depth[::STEP, ::STEP]
    known = torch.isfinite(small) & (small > 0)
    log = torch.where(known, small, 1.0).log().clamp(-_FARTHEST, _FARTHEST)
    low, high = (torch.where(known, log, bound) for bound in (torch.inf, -torch.inf))
    if depth.device.type == "cpu":  # of any window at the same time
        square = np.ones((window, window), np.uint8)
        nearest, farthest = cv2.erode(low.numpy(), square), cv2.dilate(high.numpy(), square)
        with np.errstate(over="ignore", invalid="ignore"):  # where nothing is known
            return torch.from_numpy(np.nan_to_num(farthest - nearest, neginf=0.0))
    both = torch.stack((high, -low))[None]
    for kernel in ((1, window), (window, 1)):
        both = torch.nn.functional.max_pool2d(both, kernel, stride=1, padding=(kernel[0] // 2, kernel[1] // 2))
    return both[0].sum(dim=0).nan_to_num(neginf=0.0)
