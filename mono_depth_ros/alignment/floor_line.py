# SPDX-License-Identifier: Apache-2.0
"""The floor in a relative prediction x, the direction up being known.

With g = -up . ray, the slope of a ray (how far it falls a unit of depth), a floor pixel has h / z = g, h being the
camera's height. As 1/z = shift + scale * x, the floor's pixels lie on a line: g = h * shift + h * scale * x. So do
those of any other level surface, on lines of other slopes through the same g at 1/z = 0; and of all of them the floor
has nothing below it. Walls, on which x does not change as g does, lie on no line at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import FitError
from mono_depth_ros.geometry.floor_plane import BELOW, MIN_FRACTION, SCORED, SCREENED, SLACK, TOLERANCE

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MIN_SLOPE = 0.02  # of g: pixels nearer to the horizon belong to anything far away
MIN_SPAN = 0.1  # largest g of floor pixels above the smallest, relative: less gives no slope
TRIALS, REFINED = 1000, 10
_AT_THE_CAMERA = 1e-6  # depth by the camera's height


@dataclass(frozen=True, eq=False)
class FloorLine:
    """g, or 1/g, = shift + scale * x on the floor: scale and shift of 1/z times the camera's height, or of z by it.
    floor: (N,)."""

    scale: float
    shift: float
    floor: Mask


def fit_floor_line(value: Floats, slope: Floats, rng: np.random.Generator, inverse: bool = True) -> FloorLine:
    """The floor among pixels of relative inverse depth, or depth, (N,) with g = `slope` (N,), in random order.

    Raises FitError, reason `no_floor`.
    """
    low = np.flatnonzero(slope > MIN_SLOPE)
    if len(low) < 50:
        raise FitError(f"no floor is seen: found {len(low)} of the pixels looked at below the horizon", "no_floor")
    first, second = low[rng.integers(len(low), size=(2, TRIALS))]
    across, rise = value[second] - value[first], slope[second] - slope[first]
    line_of = (lambda g: g) if inverse else (lambda g: 1 / g)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (line_of(slope[second]) - line_of(slope[first])) / across
        apart = np.abs(rise) > MIN_SPAN * np.maximum(slope[first], slope[second])
        good = apart & np.isfinite(scale) & (scale > 0)
    scale = scale[good]
    lines = np.stack([scale, line_of(slope[first][good]) - scale * value[first][good]], axis=1)
    if not len(lines):
        raise FitError("no floor is seen: nothing below the horizon comes nearer as the image goes down", "no_floor")
    some_value, some_slope = value[:SCORED], slope[:SCORED]
    for pixels, kept in ((SCREENED, 8 * REFINED), (SCORED, REFINED)):
        lines = lines[np.argsort(-_score(lines, value[:pixels], slope[:pixels], inverse))[:kept]]
    refined = np.stack([_refine(line, some_value, some_slope, inverse) for line in lines])
    best = _refine(refined[int(np.argmax(_score(refined, value, slope, inverse)))], value, slope, inverse)
    residual = _residual(best[None], value, slope, inverse)[:, 0]
    floor = (np.abs(residual) < 1.0) & (slope > MIN_SLOPE)
    share, under = float(floor.mean()), float((residual > 2.0).mean())
    if not (best[0] > 0 and share >= MIN_FRACTION and BELOW * under <= share):
        found = f"{100 * share:.0f} % of the pixels on the lowest level surface and {100 * under:.0f} % below it"
        raise FitError(
            f"no floor is seen: found {found}, expected {100 * MIN_FRACTION:.0f} % or more and none", "no_floor"
        )
    lowest, highest = np.quantile(slope[floor], (0.05, 0.95))
    if highest - lowest < MIN_SPAN * highest:
        raise FitError("too little of the floor is seen: its strip is too narrow to tell scale from shift", "no_floor")
    return FloorLine(float(best[0]), float(best[1]), floor)


def _residual(lines: Floats, value: Floats, slope: Floats, inverse: bool) -> Floats:
    """(N, M) of pixels and lines, in tolerances; positive is below the floor."""
    told = value[:, None] * lines[:, 0] + lines[:, 1]
    if not inverse:
        told = 1 / np.maximum(told, _AT_THE_CAMERA)
    residual: Floats = (slope[:, None] - told) / (TOLERANCE * np.abs(told) + SLACK)
    return residual


def _score(lines: Floats, value: Floats, slope: Floats, inverse: bool) -> Floats:
    residual = _residual(lines, value, slope, inverse)
    on = np.where(slope[:, None] > MIN_SLOPE, np.clip(1.0 - residual * residual, 0.0, 1.0), 0.0)
    below = np.clip(residual - 1.0, 0.0, 1.0)
    score: Floats = on.sum(axis=0) - BELOW * below.sum(axis=0)
    return score


def _refine(line: Floats, value: Floats, slope: Floats, inverse: bool) -> Floats:
    """Weighted least squares over the pixels on the line (Tukey's weights), a few times."""
    for _ in range(4):
        residual = _residual(line[None], value, slope, inverse)[:, 0]
        on = (np.abs(residual) < 1.5) & (slope > MIN_SLOPE)
        if on.sum() < 10:
            return line
        weight = (1.0 - (residual[on] / 1.5) ** 2) / (TOLERANCE * slope[on] + SLACK)
        told = slope[on]
        if not inverse:  # d(1/g) = -dg / g^2
            told, weight = 1 / told, weight * told**2
        rows = np.stack([value[on], np.ones(int(on.sum()))], axis=1) * weight[:, None]
        found, _, rank, _ = np.linalg.lstsq(rows, told * weight, rcond=None)
        if rank < 2 or found[0] <= 0:
            return line
        line = found.astype(np.float64)
    return line
