# SPDX-License-Identifier: Apache-2.0
"""Temporal flicker: what the disparity of a sequence changes from one frame to the next that the truth does not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Flicker:
    """Of one sequence; disparities are inverse depths in 1/m.

    With d the predicted disparity and t the true depth, over all the pixels that count in both frames of consecutive
    pairs, of which there are `pairs`:

        residual_rms = rms of (d(k+1) - d(k)) - (1/t(k+1) - 1/t(k)), what the prediction changes beside the truth
        truth_rms    = rms of 1/t(k+1) - 1/t(k), which is the residual of a constant prediction

    d of a metric model is 1/depth as it is, no scale is fitted. d of a relative one has one `scale` and shift for the
    sequence, which give it the mean and the standard deviation of 1/t. Least squares would shrink noise to a constant
    and so reward it. Pixels are compared in place, without following the motion. `relative` is residual_rms over the
    mean of 1/t.
    """

    sequence: str
    frames: int
    pairs: int
    scale: float
    residual_rms: float
    relative: float
    truth_rms: float


@dataclass(eq=False)
class FlickerSum:
    """Accumulates one sequence of a metric or relative model, frame by frame; only the last frame and sums are kept."""

    sequence: str
    metric: bool
    frames: int = 0
    pairs: int = 0
    _values: NDArray[np.float64] = field(default_factory=lambda: np.zeros(5))  # n, x, y, xx, yy about the origin
    _changes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))  # n, xx, xy, yy of changes
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
            self._values += [count, dx.sum(), dy.sum(), np.vdot(dx, dx), np.vdot(dy, dy)]
        before, self._before = self._before, (index, x, y, use)
        if before is None or before[0] != index - 1 or before[1].shape != x.shape:
            return
        both = use & before[3]
        if both.any():
            dx, dy = (x - before[1]) * both, (y - before[2]) * both
            self._changes += [both.sum(), np.vdot(dx, dx), np.vdot(dx, dy), np.vdot(dy, dy)]
            self.pairs += 1

    def result(self) -> Flicker | None:
        """None where there is no pair."""
        if not self.pairs or self._origin is None:
            return None
        mean_x, mean_y, xx, yy = (self._values[1:] / self._values[0]).tolist()
        spread_x, spread_y = xx - mean_x * mean_x, yy - mean_y * mean_y
        scale = 1.0
        if not self.metric:
            constant = spread_x <= 1e-12 * max(self._origin[0] ** 2, 1e-12)
            scale = 0.0 if constant else (spread_y / spread_x) ** 0.5
        xx, xy, yy = (self._changes[1:] / self._changes[0]).tolist()
        residual = max(scale * scale * xx - 2 * scale * xy + yy, 0.0) ** 0.5
        relative = residual / (self._origin[1] + mean_y)
        return Flicker(self.sequence, self.frames, self.pairs, scale, residual, relative, yy**0.5)
