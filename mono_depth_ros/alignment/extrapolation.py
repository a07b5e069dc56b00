# SPDX-License-Identifier: Apache-2.0
"""Beyond the triangles: what the fit leaves at the samples around, their depth, and the fit itself.

The first two are means over the samples nearest to a place, the wider the farther these are. How much each counts
depends on how far that is, and samples that are as far apart tell it: one is predicted from others. But that is told
within the hull, and beyond it the scene is another: below the beams of a lidar the floor comes nearer, which only the
prediction knows. So where its shape is right for all samples together, depth goes on with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.nearest import nearest_sample
from mono_depth_ros.alignment.samples import Samples

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

_CELL = 8  # pixels
_WIDTH, _MIN_WIDTH = 0.2, 12.0  # of the Gaussian mean: times the distance to the nearest sample; pixels
_WIDTHS = 5  # each twice the one before
_SIGMAS = 11.0  # so far out a width is used: the nearest sample is up to 2 / _WIDTH of them away
_EVERYWHERE = 1e-20  # how much the mean of all samples counts: where none is within any width
_FIRST, _OCTAVES = 2, 7  # of the distances 4, 8, ... 256 pixels
_CARRIED = np.interp(np.arange(_OCTAVES), [1, 4, 6], [0.98, 0.85, 0.4])
"""How much of what the fit leaves is found so far away, where the shape is right."""

_USUAL = np.stack([np.interp(np.arange(_OCTAVES), [1, 4, 6], of) for of in ([0.15, 0.12, 0.05], [0.84, 0.73, 0.5])])
_PREDICTED, _FROM = 160, 320  # samples
_SURE = 100.0  # samples that tell as much of that as what is usual
_PARTS = 10  # of the weights
_METRES = 0.5  # of the loss: the error in metres, by the relative error
_DOUBT, _SOME, _FEW = 0.15, 20.0, 8  # gain, and predictions, with which the best weights count half; fewer tell nothing
_FAR = 32.0  # pixels between samples that tell of the shape
_MOST = 1.0  # of ln d, that a single one says
_HALF, _STEEP = 0.3, 6  # variance of what the fit leaves, by that of depth, at which the shape is half trusted


def _simplex() -> Floats:
    """(C, 3) all weights of whole parts."""
    found = [(a, b, _PARTS - a - b) for a in range(_PARTS + 1) for b in range(_PARTS + 1 - a)]
    return (np.array(found) / _PARTS).astype(np.float32)


_CANDIDATES = _simplex()


def extrapolation_weights(
    samples: Samples, log_depth: Floats, residual: Floats, line: Ints | None, rng: np.random.Generator
) -> Doubles:
    """(D, 3) at 4, 8, ... pixels from the nearest sample: of what the fit leaves at the samples around, of their depth,
    and of the fit.

    Args:
        log_depth, residual: (N,) ln of the samples' depth, and less the fit's.
        line: (N,) of the beam: within one of several samples say little of what is beyond it; None: no beams.
    """
    one, other = (rng.permutation(len(samples))[:most] for most in (_PREDICTED, _FROM))
    place = (of.astype(np.float32) for of in (samples.rows, samples.columns))
    down, right = (of[one][:, None] - of[other] for of in place)
    apart = down * down + right * right
    lacks, jumps = (of[one][:, None] - of[other] for of in (residual, log_depth))
    shape = _trust_in_shape(lacks, jumps, apart >= _FAR**2)
    octave = ((apart.view(np.int32) >> 23) - 127 >> 1) - _FIRST  # of the distance, by the exponent of its square
    near = (octave >= 0) & (octave < _OCTAVES)
    if line is not None and np.ptp(line):
        near &= line[one][:, None] != line[other]
    octave *= near
    least = np.exp2(2.0 * (np.arange(_OCTAVES) + _FIRST))
    widths = 2 * np.maximum(_MIN_WIDTH**2, _WIDTH**2 * least)
    least, by_width = least.astype(np.float32).take(octave), (1 / widths).astype(np.float32).take(octave)
    weight = np.where(near, np.exp(np.minimum((least - apart) * by_width, 0)), np.float32(0))
    key = (octave * len(one) + np.arange(len(one))[:, None]).ravel()
    total, ratio, depth = (
        np.bincount(key, values.ravel(), _OCTAVES * len(one))
        for values in (weight, weight * residual[other], weight * log_depth[other])
    )
    found = np.flatnonzero(total)
    number, at = np.divmod(found, len(one))
    own, own_depth = residual[one][at], log_depth[one][at]
    of_ratio, of_depth = (of / total[found] for of in (ratio[found], depth[found]))
    errors = np.stack((of_ratio - own, of_depth - own_depth, -own), axis=1).astype(np.float32)
    told, carried = _least(errors, np.exp(own_depth), number), _carried(of_ratio, own, number)
    by_shape: Doubles = np.stack((carried, np.zeros(_OCTAVES), 1 - carried), axis=1)
    return shape * by_shape + (1 - shape) * told


def _carried(told: Doubles, own: Floats, number: Ints) -> Doubles:
    """(D,) how much of what the fit leaves around a sample is found at it, by (Q,) of both, and the octave."""
    count, size, both = (np.bincount(number, of, _OCTAVES) for of in (np.ones(len(own)), told * told, told * own))
    usual = _SURE * size / np.maximum(count, 1) + 1e-9
    found: Doubles = np.minimum.accumulate(np.clip((both + usual * _CARRIED) / (size + usual), 0, 1))
    return found


def _trust_in_shape(lacks: Floats, jumps: Floats, far: NDArray[np.bool_]) -> float:
    """From 0 to 1, by differences between samples (P, Q) that are far apart, of what the fit leaves, and of ln d."""
    of_fit, of_depth = (float((np.square(np.clip(of, -_MOST, _MOST)) * far).sum()) for of in (lacks, jumps))
    return 1 / (1 + (of_fit / (_HALF * of_depth)) ** _STEEP) if of_depth > 0 else 0.0


def _least(errors: Floats, depth: Floats, number: Ints) -> Doubles:
    """(D, 3) of errors (Q, 3) of ln d, ascending by octave: with the least error, as far as it is sure."""
    count = np.bincount(number, minlength=_OCTAVES)
    usual = np.stack((*_USUAL, 1 - _USUAL.sum(axis=0)), axis=1)
    if not len(number):
        return usual
    told = errors @ np.concatenate((_CANDIDATES, usual.astype(np.float32))).T  # (Q, candidates, then the usual ones)
    starts = np.minimum(np.r_[0, np.cumsum(count)[:-1]], len(number) - 1)
    divisor = np.maximum(count, 1)[:, None]
    relative = np.add.reduceat(np.abs(told), starts) / divisor
    metres = np.sqrt(np.add.reduceat(np.square(told * depth[:, None]), starts) / divisor)
    own = len(_CANDIDATES) + np.arange(_OCTAVES)[:, None]
    by = [np.maximum(np.take_along_axis(of, own, axis=1), 1e-5) for of in (relative, metres)]
    loss = ((relative / by[0] + _METRES * metres / by[1]) / (1 + _METRES))[:, : len(_CANDIDATES)]
    gain = np.maximum(1 - loss.min(axis=1), 0)
    trust = (gain**2 / (gain**2 + _DOUBT**2) * count / (count + _SOME) * (count >= _FEW))[:, None]
    found: Doubles = trust * _CANDIDATES[loss.argmin(axis=1)] + (1 - trust) * usual
    return found


def weights_at(weights: Doubles, distance: Floats) -> Floats:
    """(3, ...) of `extrapolation_weights` for places so many pixels from the nearest sample."""
    octave = np.log2(np.maximum(distance, 1)) - _FIRST
    return np.stack([np.interp(octave, np.arange(_OCTAVES), of) for of in weights.T]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Around:
    """Samples around places, (Q,) or (h, w).

    Attributes:
        mean: (K, ...) means of their values. distance: pixels to the nearest of them.
    """

    mean: Floats
    distance: Floats


def around(rows: Ints, columns: Ints, values: list[Floats], size: tuple[int, int]) -> Around:
    """The samples' values, K of (N,), around the middle of every cell of 8 x 8 pixels."""
    whole = _CELL * 2 ** (_WIDTHS - 2)
    height, width = (-(-side // whole) * whole // _CELL for side in size)
    key = rows // _CELL * width + columns // _CELL
    one = np.ones(len(rows), dtype=np.float32)
    sums = [np.bincount(key, of, height * width) for of in [one, *values]]
    grid = np.stack(sums, axis=1).astype(np.float32).reshape(height, width, -1)
    everywhere = np.float32(_EVERYWHERE) * grid.mean(axis=(0, 1))
    nearest, _ = nearest_sample(rows // _CELL, columns // _CELL, (height, width))
    middle = np.float32((_CELL - 1) / 2)
    down = _CELL * np.arange(height, dtype=np.float32)[:, None] + middle - rows[nearest].astype(np.float32)
    right = _CELL * np.arange(width, dtype=np.float32) + middle - columns[nearest].astype(np.float32)
    distance = np.hypot(down, right)
    level = np.clip(np.log2(np.maximum(_WIDTH / _MIN_WIDTH * distance, 1)), 0, _WIDTHS - 1)
    found = np.zeros((height, width, len(values)), dtype=np.float32)
    for number in range(int(np.ceil(level.max())) + 1):
        sigma = _MIN_WIDTH / _CELL * (2 if number else 1)
        side = 2 * round(_SIGMAS * sigma) + 1
        smooth = cv2.GaussianBlur(grid, (side, side), sigma, borderType=cv2.BORDER_CONSTANT) + everywhere
        mean = cv2.resize(smooth[..., 1:] / smooth[..., :1], (width, height)).reshape(found.shape)
        found += np.maximum(1 - np.abs(level - number), 0)[..., None] * mean
        if 0 < number < _WIDTHS - 1:
            grid = cv2.resize(grid, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return Around(np.moveaxis(found, -1, 0), distance)


def to_grid(values: Floats, size: tuple[int, int], step: int) -> Floats:
    """(h * w,) of every `step`-th pixel, from cells (H / 8, W / 8); bilinear."""
    height, width = ((side - 1) // step + 1 for side in size)
    scale, shift = step / _CELL, -(_CELL - 1) / 2 / _CELL
    by = np.array([[scale, 0, shift], [0, scale, shift]])
    found: Floats = cv2.warpAffine(
        values, by, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    ).reshape(-1)
    return found


def around_each(rows: Ints, columns: Ints, values: list[Floats], at: tuple[Ints, Ints]) -> Around:
    """The same around single pixels (Q,)."""
    down, right = ((of[:, None] - own).astype(np.float32) for of, own in zip(at, (rows, columns), strict=True))
    apart = down * down + right * right
    least = apart.min(axis=1)
    weight = np.exp((least[:, None] - apart) / (2 * np.maximum(_MIN_WIDTH**2, _WIDTH**2 * least[:, None])))
    mean = np.stack([np.einsum("qn,n->q", weight, of) for of in values]) / weight.sum(axis=1)
    return Around(mean, np.sqrt(least))
