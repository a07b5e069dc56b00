# SPDX-License-Identifier: Apache-2.0
"""One standard deviation of an aligned depth, at every pixel.

Errors are large where the samples around disagree (`disagreement`), and where the depth jumps nearby: nobody knows to a
pixel where an edge is, and beside it a depth is off by all of the jump or by nothing. How large both together are is
told by samples that were left out: 68 % of errors are to lie within one standard deviation and 95 % within two. Beyond
the hull of the samples it is the distance that counts (`expected_error`). What the samples themselves are off by, and
the age of the fit, come on top.
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

_POWER = 0.45  # of disagreement and jump: how errors grow with them
_ONE, _TWO = (0.68, 0.7), 0.945  # of errors within one (least, most) and two standard deviations
_FEW = 8  # left-out samples between others
_NORMAL = 1.25  # standard deviation of normal errors, by their mean
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
            factor = _factor(left_out.relative[left_out.inside] / by_distance, left_out.cut)
            relative[expected.inside] *= np.float32(factor / _NORMAL)
        return Uncertainty(upload(np.hypot(relative, expected.own), depth.device))
    jumps = _jumps(depth, _WINDOW) + LEAST
    chosen = left_out.number[known]
    at = samples.rows[chosen] // STEP * jumps.shape[1] + samples.columns[chosen] // STEP
    (jump,) = download(jumps.reshape(-1)[upload(at, depth.device)])
    factor = _factor(left_out.relative[known] / (left_out.disagreement[known] * jump) ** _POWER, left_out.cut)
    disagreement = _on_grid(left_out.of_image, left_out.step, (jumps.shape[0], jumps.shape[1]))
    inside = expected.inside & np.isfinite(disagreement)
    outer = np.flatnonzero(~inside)
    maps = [np.float32(factor ** (1 / _POWER)) * disagreement, np.zeros_like(disagreement)]
    maps[0].reshape(-1)[outer] = 0
    maps[1].reshape(-1)[outer] = np.float32(_NORMAL) * expected.at(outer)
    if isinstance(expected.own, np.ndarray):
        maps.append(expected.own)
    of_jump, base, *own = upload(np.stack(maps), depth.device)
    found = jumps.mul_(of_jump).pow_(_POWER).add_(base)
    return Uncertainty(torch.hypot(found, own[0]) if own else found)


def _factor(score: Floats, cut: float) -> float:
    """What makes 68 % of all errors / it at most 1 and 95 % at most 2.

    Args:
        score: (Q,) errors by what they are expected to go with. cut: part of all, 0 to 1, that is larger and not here.
    """
    least, most, two = np.quantile(score, [min(share / (1 - cut), 1.0) for share in (*_ONE, _TWO)]).tolist()
    return float(min(max(two / 2, least), most))


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
