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
    _before: tuple[int, NDArray[np.float64], NDArray[np.float64]] | None = None

    def add(self, index: int, x: NDArray[np.float64], truth: NDArray[np.float64], mask: NDArray[np.bool_]) -> None:
        """Add a frame. Pairs are made of frames whose `index` is one apart and which are of one size.

        Args:
            x: (H, W) inverse depth, NaN unknown. truth: (H, W) metres. mask: (H, W), pixels that count.
        """
        use = mask & np.isfinite(x)
        x = np.where(use, x, np.nan)
        y = np.where(use, 1.0 / np.where(use, truth, 1.0), np.nan)
        self.frames += 1
        if use.any():
            # Sums about a point near the data lose no digits.
            self._origin = self._origin or (float(x[use].mean()), float(y[use].mean()))
            dx, dy = x[use] - self._origin[0], y[use] - self._origin[1]
            self._fit += [dx.size, dx.sum(), dy.sum(), dx @ dx, dx @ dy]
        if self._before is not None and self._before[0] == index - 1 and self._before[1].shape == x.shape:
            dx, dy = x - self._before[1], y - self._before[2]
            both = np.isfinite(dx)
            if both.any():
                dx, dy = dx[both], dy[both]
                self._changes += [dx.size, np.abs(dx).sum(), np.abs(dy).sum(), dx @ dx, dx @ dy, dy @ dy]
                self.pairs += 1
        self._before = (index, x, y)

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
