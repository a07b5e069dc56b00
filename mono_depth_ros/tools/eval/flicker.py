# SPDX-License-Identifier: Apache-2.0
"""Temporal flicker: how much the disparity of a sequence changes from one frame to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Flicker:
    """Of one sequence; disparities are inverse depths in 1/m.

    With x the inverse depth that was predicted (1/d of a metric model) and t the true depth, one scale s and shift b
    for all the sequence minimise sum (s x + b - 1/t)^2 over its pixels; then d = s x + b, and over all the pixels that
    count in both frames of consecutive pairs, of which there are `pairs`:

        change       = mean |d(k+1) - d(k)|
        truth        = mean |1/t(k+1) - 1/t(k)|, what the moving camera, and the noise of its depth sensor, makes of it
        residual_rms = rms of (d(k+1) - d(k)) - (1/t(k+1) - 1/t(k)), what is left of the change without that

    Pixels are compared in place, without following the motion. `relative` is change / mean(1/t).
    """

    sequence: str
    frames: int
    pairs: int
    scale: float
    shift: float
    change: float
    truth: float
    residual_rms: float
    relative: float


@dataclass(eq=False)
class FlickerSum:
    """Accumulates one sequence, frame by frame; only the last frame and sums are kept."""

    sequence: str
    frames: int = 0
    pairs: int = 0
    _fit: NDArray[np.float64] = field(default_factory=lambda: np.zeros(5))  # n, x, y, xx, xy about the origin
    _changes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(6))  # n, |x|, |y|, xx, xy, yy of changes
    _origin: tuple[float, float] | None = None
    _before: tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]] | None = None

    def add(self, index: int, x: NDArray[np.float64], truth: NDArray[np.float64], mask: NDArray[np.bool_]) -> None:
        """Add a frame. Pairs are made of frames whose `index` is one apart and which are of one size.

        Args:
            x: (H, W) inverse depth, NaN unknown. truth: (H, W) metres. mask: (H, W), pixels that count.
        """
        use = mask & np.isfinite(x)
        # Dense sums over zeros where nothing counts are faster than picking the pixels that do.
        x = np.where(use, x, 0.0)
        y = np.where(use, 1.0 / np.where(use, truth, 1.0), 0.0)
        self.frames += 1
        count = int(use.sum())
        if count:
            # Sums about a point near the data lose no digits.
            self._origin = self._origin or (float(x.sum() / count), float(y.sum() / count))
            dx, dy = ((part - middle) * use for part, middle in zip((x, y), self._origin, strict=True))
            self._fit += [count, dx.sum(), dy.sum(), np.vdot(dx, dx), np.vdot(dx, dy)]
        before, self._before = self._before, (index, x, y, use)
        if before is None or before[0] != index - 1 or before[1].shape != x.shape:
            return
        both = use & before[3]
        if both.any():
            dx, dy = (x - before[1]) * both, (y - before[2]) * both
            squares = [np.vdot(dx, dx), np.vdot(dx, dy), np.vdot(dy, dy)]
            self._changes += [both.sum(), np.abs(dx).sum(), np.abs(dy).sum(), *squares]
            self.pairs += 1

    def result(self) -> Flicker | None:
        """None where there is no pair, or nothing that fixes a scale."""
        if not self.pairs or self._origin is None:
            return None
        mean_x, mean_y, xx, xy = (self._fit[1:] / self._fit[0]).tolist()
        spread = xx - mean_x * mean_x
        if spread <= 1e-12 * max(self._origin[0] ** 2, 1e-12):
            return None
        scale = (xy - mean_x * mean_y) / spread
        change_x, change_y, xx, xy, yy = (self._changes[1:] / self._changes[0]).tolist()
        true_mean = self._origin[1] + mean_y
        return Flicker(
            sequence=self.sequence,
            frames=self.frames,
            pairs=self.pairs,
            scale=scale,
            shift=true_mean - scale * (self._origin[0] + mean_x),
            change=abs(scale) * change_x,
            truth=change_y,
            residual_rms=max(scale * scale * xx - 2 * scale * xy + yy, 0.0) ** 0.5,
            relative=abs(scale) * change_x / true_mean,
        )
