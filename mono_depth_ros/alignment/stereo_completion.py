# SPDX-License-Identifier: Apache-2.0
"""Dense depth of the left image of a stereo pair: as matched where it was, in the holes by their rims and the network.

What was matched counts, but for small patches beyond all larger ones and for the rim by which block matching makes what
is near too wide. A hole takes the known depths that are nearest in 16 directions. Where the right camera misses
something behind an edge, the far side of the rim goes on (Hirschmueller 2008, 2.8: the third farthest of the
directions); elsewhere all sides do, nearer ones and those of like colour more. The aligned network shares in this as
far as it is the better one at as many pixels from the rim: by holes moved to where depth is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.expected_error import Reach

Depth = NDArray[np.float32]

_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (-1, 1), (1, 2), (2, 1), (-1, 2), (-2, 1))  # and their opposites
_UNLIKE = 15.0  # sum over red, green and blue of the difference at which a direction counts 1/e
_LEAST = 1e-4  # what one of another colour counts
_RANK = 2  # of the inverse depths around an occluded pixel, from the farthest
_FIXED_POINT, _UNKNOWN = 16, -1
_PATCH, _PATCH_STEP_PX = 1e-3, 1  # of the image; disparities of neighbours in one patch
_TAIL, _MARGIN = 0.005, 1.1  # of the disparities of large patches
_EDGE_PX, _EDGE_JUMP_PX = 2, 2.0  # half the matcher's block: a nearer surface is too wide by that where disparity jumps
_MOVES, _MIN_MOVED = 2, 50
_BINS_PX = np.array([2.5, 6.0, 14.0, 34.0, 80.0])  # distances from the rim


@dataclass(frozen=True, eq=False)
class Completed:
    """Dense depth.

    Attributes:
        depth: (H, W) float32 metres, +inf where the network says so and nothing was matched.
        relative: (H, W) float32, the expected |error| / depth; NaN where that is infinite. Where something was matched
            it is what two ways of matching differ by. In a hole it is by how much its sides differ, times the root of
            what moved holes say of that: these lie behind edges more seldom, where the sides tell more.
        known: (H, W) bool, where the depth is the matched one.
    """

    depth: Depth
    relative: Depth
    known: NDArray[np.bool_]

    @property
    def reach(self) -> Reach:
        """How much was matched, and the error there and in the holes."""
        means = []
        for where in (self.known, ~self.known):
            errors = self.relative[where]
            means.append(float(np.nanmean(errors)) if np.isfinite(errors).any() else np.nan)
        return Reach(float(self.known.mean()), 0.0, *means)


def complete(
    matched: Depth,
    occluded: NDArray[np.bool_],
    rgb: NDArray[np.uint8],
    network: Depth,
    fitted: Depth,
    focal_baseline: float,
    second: Depth,
) -> Completed:
    """Fill the holes of a matched depth.

    Args:
        matched: (H, W) metres, NaN unknown. occluded: (H, W), see `StereoDepth`. rgb: (H, W, 3), the left image.
        network: (H, W) metres of the network, aligned and corrected locally. fitted: aligned by one curve only, which
            no single matched pixel has pulled to itself. focal_baseline: fx times the baseline, pixels times metres.
        second: (H, W) metres matched in another way; what both disagree by is the error of either.
    """
    with np.errstate(invalid="ignore"):
        disparity = focal_baseline / matched
    known = _plausible(disparity) & ~_widened(disparity)
    depth = np.where(known, matched, np.float32(np.nan))
    smooth = cv2.GaussianBlur(rgb, (0, 0), 1.0).astype(np.float32)
    share, trust = _by_moved_holes(depth, smooth, fitted)
    filled, spread = _filled(depth, occluded, smooth)
    hole = ~known
    bins = _bins(known)[hole]
    weight = np.where(np.isfinite(network[hole]) & (network[hole] > 0), share[bins], 0.0)
    guess = np.log(np.where(weight > 0, network[hole], 1.0))
    depth[hole] = np.exp((1 - weight) * np.log(filled[hole]) + weight * guess)
    relative = np.zeros_like(depth)
    relative[hole] = np.sqrt(trust[bins]) * spread[hole]
    both = known & np.isfinite(second)
    apart = np.abs(np.log(matched[both] / second[both])).mean() if both.any() else 0.0
    relative[both], relative[known & ~both] = apart, max(apart, relative[hole].mean() if hole.any() else 0.0)
    beyond = hole & np.isposinf(network)  # the sky has no rim
    depth[beyond], relative[beyond] = np.inf, np.nan
    return Completed(depth, relative, known)


def _plausible(disparity: Depth) -> NDArray[np.bool_]:
    """(H, W) bool, known and not a small patch that is nearer or farther than all surfaces of some size."""
    known = np.isfinite(disparity)
    fixed = np.where(known, np.clip(_FIXED_POINT * disparity, 0, 32767), _UNKNOWN).astype(np.int16)
    cv2.filterSpeckles(fixed, _UNKNOWN, round(_PATCH * disparity.size), _FIXED_POINT * _PATCH_STEP_PX)
    large = fixed > _UNKNOWN
    if not large.any():
        return known
    low, high = np.quantile(disparity[large], (_TAIL, 1 - _TAIL)) * (1 / _MARGIN, _MARGIN)
    return large | (known & (disparity >= low) & (disparity <= high))


def _widened(disparity: Depth) -> NDArray[np.bool_]:
    """(H, W) bool, near something farther."""
    side = 2 * _EDGE_PX + 1
    farthest = cv2.erode(np.where(np.isfinite(disparity), disparity, np.float32(1e9)), np.ones((side, side), np.uint8))
    found: NDArray[np.bool_] = disparity - farthest > _EDGE_JUMP_PX
    return found


def _filled(depth: Depth, occluded: NDArray[np.bool_], smooth: NDArray[np.float32]) -> tuple[Depth, Depth]:
    """Depth with its holes filled, and how far apart the sides of each hole are, in ln d, on average."""
    width = depth.shape[1]
    rows, columns = np.nonzero(np.isnan(depth))
    at = _rim(np.isfinite(depth), rows, columns)
    there = at >= 0
    at = np.where(there, at, 0)
    away = np.hypot(at // width - rows, at % width - columns)
    unlike = np.abs(smooth.reshape(-1, 3)[at] - smooth[rows, columns]).sum(axis=-1)
    weight = np.where(there, (np.exp(-unlike / _UNLIKE) + _LEAST) / np.maximum(away, 1), 0.0)
    weight /= np.maximum(weight.sum(axis=0), 1e-12)
    inverse = np.where(there, 1 / depth.reshape(-1)[at], 0.0)
    mean = (weight * inverse).sum(axis=0)
    ranked = np.sort(np.where(there, inverse, np.inf), axis=0)
    far = ranked[np.minimum(_RANK, np.maximum(there.sum(axis=0) - 1, 0)), np.arange(len(rows))]
    # What the right camera misses at the left border is not behind anything.
    behind = (occluded & np.maximum.accumulate(np.isfinite(depth), axis=1))[rows, columns]
    mean = np.where(behind, np.minimum(far, mean), mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(there, np.abs(np.log(inverse / mean)), 0.0)
        out, spread = depth.copy(), np.zeros_like(depth)
        out[rows, columns] = 1 / mean
    spread[rows, columns] = apart.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return out, spread


def _rim(known: NDArray[np.bool_], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int32]:
    """(16, N) flat index of the known pixel nearest to N pixels in each direction, -1 without one, by doubled steps."""
    start = np.where(known, np.arange(known.size, dtype=np.int32).reshape(known.shape), np.int32(-1))
    found = []
    for row, column in [(sign * dr, sign * dc) for dr, dc in _DIRECTIONS for sign in (1, -1)]:
        nearest, step = start, 1
        while True:
            moved = _moved(nearest, row * step, column * step)
            new = (nearest < 0) & (moved >= 0)
            if not new.any():
                break
            nearest, step = np.where(new, moved, nearest), 2 * step
        found.append(nearest[rows, columns])
    return np.stack(found)


def _moved(values: NDArray[np.int32], rows: int, columns: int) -> NDArray[np.int32]:
    """(H, W) moved down and to the right, -1 where nothing comes in."""
    height, width = values.shape
    out = np.full_like(values, -1)
    if abs(rows) < height and abs(columns) < width:
        top, left = max(rows, 0), max(columns, 0)
        down, right = height + min(rows, 0), width + min(columns, 0)
        out[top:down, left:right] = values[top - rows : down - rows, left - columns : right - columns]
    return out


def _bins(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(H, W) which of the bins of the distance to the nearest known pixel."""
    return np.digitize(cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5), _BINS_PX)


def _by_moved_holes(
    depth: Depth, smooth: NDArray[np.float32], fitted: Depth
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By bins of the distance: the share of the network, and the mean |error| in ln d over the spread of the sides."""
    rng, known = np.random.default_rng(0), np.isfinite(depth)
    height, width = depth.shape
    sums = np.zeros((5, len(_BINS_PX) + 1))
    for _ in range(_MOVES):
        move = [int(rng.integers(-side // 3, side // 3)) for side in (height, width)]
        hidden = known & np.roll(~known, move, (0, 1)) & np.isfinite(fitted) & (fitted > 0)
        left = known & ~hidden
        if not left.any() or not hidden.any():
            continue
        filled, spread = _filled(np.where(left, depth, np.float32(np.nan)), np.zeros_like(known), smooth)
        bins = _bins(left)[hidden]
        own, other = (np.log(of[hidden] / depth[hidden]).astype(np.float64) for of in (filled, fitted))
        weights = (None, own**2, other**2, np.abs(own), spread[hidden])
        sums += [np.bincount(bins, weight, len(_BINS_PX) + 1) for weight in weights]
    share, trust = np.zeros(len(_BINS_PX) + 1), np.ones(len(_BINS_PX) + 1)
    for number, (count, own2, other2, size, spread_sum) in enumerate(sums.T):
        if count >= _MIN_MOVED:
            share[number], trust[number] = own2 / max(own2 + other2, 1e-12), size / max(spread_sum, 1e-12)
        elif number:  # too few: as nearer to the rim
            share[number], trust[number] = share[number - 1], trust[number - 1]
    return share, trust
