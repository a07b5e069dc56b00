# SPDX-License-Identifier: Apache-2.0
"""The depth error metrics of the field, in float64, pooled over pixels.

Definitions as in Eigen, Puhrsch and Fergus 2014 (arXiv 1406.2283, section 4) and the KITTI depth benchmark. A pixel
counts where both depths are finite and positive: NaN (unknown) and +inf (sky, beyond range) have no error in metres.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mono_depth_ros.errors import DataError

_THRESHOLD = 1.25  # delta_i: share of pixels with max(p/t, t/p) < 1.25^i


@dataclass(frozen=True)
class DepthMetrics:
    """Errors of predicted against true depth; lower is better except `delta*`. `n` pixels were compared.

    `abs_rel`, `rmse_log`, `log10`, `silog`, `delta*` are ratios (no unit); `sq_rel`, `rmse_m`, `mae_m` are metres.
    `silog` is sqrt(mean(d^2) - mean(d)^2), d = ln(pred) - ln(truth): the spread left after the best scale.
    """

    abs_rel: float
    sq_rel: float
    rmse_m: float
    rmse_log: float
    log10: float
    silog: float
    mae_m: float
    delta1: float
    delta2: float
    delta3: float
    n: int


_SUMS = ("abs_rel", "sq_rel", "square", "log_square", "log10", "log", "absolute", "delta1", "delta2", "delta3")


@dataclass
class MetricsSum:
    """Accumulates many images and gives the metrics pooled over all their pixels (not the mean of image means)."""

    n: int = 0
    _sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(_SUMS)))

    def add(self, pred: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> None:
        """Add one pair of depth maps in metres, any shape, the same for `pred`, `truth` and `mask`."""
        p, t = valid_pairs(pred, truth, mask)
        if not p.size:
            return
        difference, ratio, log = p - t, np.maximum(p / t, t / p), np.log(p) - np.log(t)
        absolute, square = np.abs(difference), difference * difference
        self._sums += [
            float((absolute / t).sum()),
            float((square / t).sum()),
            float(square.sum()),
            float((log * log).sum()),
            float(np.abs(log).sum() / np.log(10.0)),
            float(log.sum()),
            float(absolute.sum()),
            *(float((ratio < _THRESHOLD**power).sum()) for power in (1, 2, 3)),
        ]
        self.n += int(p.size)

    def result(self) -> DepthMetrics:
        """The pooled metrics. Raises DataError when no pixel was comparable."""
        if self.n == 0:
            raise DataError("no pixel to compare: found 0 where prediction and truth are both finite and positive")
        mean: dict[str, float] = dict(zip(_SUMS, (self._sums / self.n).tolist(), strict=True))
        return DepthMetrics(
            abs_rel=mean["abs_rel"],
            sq_rel=mean["sq_rel"],
            rmse_m=mean["square"] ** 0.5,
            rmse_log=mean["log_square"] ** 0.5,
            log10=mean["log10"],
            silog=max(mean["log_square"] - mean["log"] ** 2, 0.0) ** 0.5,
            mae_m=mean["absolute"],
            delta1=mean["delta1"],
            delta2=mean["delta2"],
            delta3=mean["delta3"],
            n=self.n,
        )


def valid_pairs(
    pred: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The comparable pixels of two maps of one shape, as two flat float64 arrays.

    Comparable: inside `mask` (true means use), both finite, both > 0. Raises DataError for shapes that differ.
    """
    p, t = _host(pred, np.float64), _host(truth, np.float64)
    if p.shape != t.shape:
        raise DataError(f"prediction and truth differ in shape: found {p.shape}, expected {t.shape}")
    with np.errstate(invalid="ignore"):
        use: NDArray[Any] = np.isfinite(p) & np.isfinite(t) & (p > 0) & (t > 0)
    if mask is not None:
        chosen = _host(mask, np.bool_)
        if chosen.shape != t.shape:
            raise DataError(f"mask and truth differ in shape: found {chosen.shape}, expected {t.shape}")
        use &= chosen
    return p[use], t[use]


def _host(values: Any, dtype: type) -> NDArray[Any]:
    """An array of anything like one; of a torch tensor on any device."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=dtype)


def depth_metrics(pred: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> DepthMetrics:
    """Errors of one depth map in metres, any shape, array or tensor, against the truth: see `DepthMetrics`.

    Raises DataError for shapes that differ or when no pixel is comparable.
    """
    total = MetricsSum()
    total.add(pred, truth, mask)
    return total.result()


def median_scale(pred: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> float:
    """median(truth) / median(pred) over the comparable pixels (Zhou et al. 2017, arXiv 1704.07813, section 4.1).

    Multiply the prediction by it. Raises DataError when no pixel is comparable.
    """
    p, t = valid_pairs(pred, truth, mask)
    if not p.size:
        raise DataError("no pixel to scale by: found 0 where prediction and truth are both finite and positive")
    return float(np.median(t) / np.median(p))


def affine_inverse(pred: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> tuple[float, float]:
    """(scale, shift) of the plain least squares min sum (scale / pred + shift - 1 / truth)^2 in inverse depth, 1/m.

    The aligned depth is 1 / (scale / pred + shift); where that is not positive it is beyond range. As in MiDaS
    (Ranftl et al. 2020, arXiv 1907.01341, eq. 4). Raises DataError with fewer than two distinct predictions.
    """
    p, t = valid_pairs(pred, truth, mask)
    return fit_affine(1.0 / p, 1.0 / t)


def fit_affine(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """(scale, shift) of the least squares min sum (scale x + shift - y)^2, over where x (N,) is finite.

    Raises:
        DataError: there are not two different x.
    """
    known = np.isfinite(x)
    x, y = x[known], y[known]
    middle = x.mean() if x.size else 0.0
    spread = float(((x - middle) ** 2).sum())
    if x.size < 2 or spread <= 1e-18 * x.size * max(middle * middle, 1e-12):
        raise DataError(f"scale and shift need two distinct predictions: found {x.size} comparable pixels, equal")
    scale = float(((x - middle) * (y - y.mean())).sum() / spread)
    return scale, float(y.mean() - scale * middle)
