# SPDX-License-Identifier: Apache-2.0
"""A scale, or a scale and a shift, from the ground truth of each image, where a protocol allows that.

It makes models comparable that cannot know the scale, and flatters those that should: never compare results of
different alignments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.metrics import fit_affine, median_scale, valid_pairs
from mono_depth_ros.prediction import DepthKind

ALIGNMENTS = {
    "none": "no alignment",
    "median": "median of true over median of predicted depth, each image (Zhou et al. 2017)",
    "scale": "one factor, least squares in ln depth, each image",
    "affine": "scale and shift, least squares in depth, each image (Ke et al. 2024, Marigold)",
    "affine_inverse": "scale and shift, least squares in inverse depth, each image (Ranftl et al. 2020, MiDaS)",
}


_OF_KIND = {
    DepthKind.METRIC: tuple(ALIGNMENTS),
    DepthKind.SCALE: tuple(how for how in ALIGNMENTS if how != "none"),
    DepthKind.AFFINE: ("affine",),
    DepthKind.INVERSE_AFFINE: ("affine_inverse",),
}
_NEAREST_M = 1e-3


@dataclass(frozen=True, eq=False)
class Aligned:
    """Depth (H, W) float64 metres, NaN unknown, +inf beyond range, and what made it: `scale` and `shift` (1/m; metres
    of `affine`)."""

    depth: NDArray[np.float64]
    scale: float = 1.0
    shift: float = 0.0


def possible(how: str, kind: DepthKind) -> bool:
    """Whether an alignment makes metres of a kind of prediction."""
    return how in _OF_KIND[kind]


def check(how: str, kind: DepthKind, model: str) -> None:
    """Raise ConfigError for a relative model with an alignment that makes no metres of what it gives."""
    if not possible(how, kind):
        expected = " or ".join(_OF_KIND[kind])
        raise ConfigError(f"{model} gives {kind.words}, which has no metres: found --align {how}, expected {expected}")


def align(
    values: NDArray[np.float64],
    kind: DepthKind,
    truth: NDArray[np.float64],
    mask: NDArray[np.bool_],
    how: str,
    far: float = np.inf,
) -> Aligned:
    """Fit a prediction to the true depth over the pixels of `mask`, then apply that everywhere.

    Args:
        values: (H, W) metres or unitless depth (NaN unknown, +inf beyond range) or inverse depth, according to `kind`.
        truth: (H, W) metres. mask: (H, W), pixels whose truth is known and counts.
        how: a key of `ALIGNMENTS`. scale: exp(mean(ln t - ln p)), so that a pixel weighs by its relative error.
            affine: min sum (s p + b - t)^2, the depth is s p + b, or a millimetre where that is none.
            affine_inverse: min sum (s x + b - 1/t)^2, x the inverse depth, the depth is 1 / (s x + b).
        far: metres, what affine_inverse gives for farther and for inverse depths that are not positive.

    Raises:
        DataError: there are too few pixels to fit.
    """
    if how == "none":
        return Aligned(values)
    if how == "median":
        scale = median_scale(values, truth, mask)
        return Aligned(values * scale, scale)
    if how == "scale":
        p, t = valid_pairs(values, truth, mask)
        if not p.size:
            raise DataError("no pixel to scale by: found 0 where prediction and truth are both finite and positive")
        scale = float(np.exp(np.mean(np.log(t) - np.log(p))))
        return Aligned(values * scale, scale)
    if how == "affine":
        scale, shift = fit_affine(values[mask], truth[mask])
        return Aligned(np.maximum(scale * values + shift, _NEAREST_M), scale, shift)
    x = disparity(values, kind)
    scale, shift = fit_affine(x[mask], 1.0 / truth[mask])
    with np.errstate(divide="ignore"):
        depth = 1.0 / np.maximum(scale * x + shift, 1.0 / far)  # NaN stays
    return Aligned(depth, scale, shift)


def disparity(values: NDArray[np.float64], kind: DepthKind) -> NDArray[np.float64]:
    """Inverse depth: a prediction of it as it is; 1/d of depth, in 1/m of a metric one, 0 for +inf; NaN unknown."""
    if kind.inverse:
        return np.where(np.isfinite(values), values, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, 1.0 / values, np.nan)
