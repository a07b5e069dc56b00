# SPDX-License-Identifier: Apache-2.0
"""One prediction and its samples: `align(prediction, samples)` gives metres, and says how good they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.fit import fit_curve
from mono_depth_ros.alignment.local_correction import local_correction
from mono_depth_ros.alignment.result import Alignment, Fit, as_prediction
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import DataError
from mono_depth_ros.metrics import DepthMetrics, depth_metrics
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.transfer import download, upload


def align(
    prediction: DepthPrediction | torch.Tensor | NDArray[Any],
    samples: Samples,
    config: AlignConfig | None = None,
    guide: torch.Tensor | None = None,
    kind: DepthKind = DepthKind.METRIC,
) -> Alignment:
    """Fit a prediction to known depths, of which `config.held_out` are held out to measure the error on.

    Args:
        prediction: (H, W), of a model, or a bare array of which `kind` says what it is: metres along the optical axis,
            or unitless inverse depth. NaN and infinite values are not fitted.
        samples: known depths in this image. config: None takes the defaults.
        guide: (H, W, 3) uint8 RGB image for the local correction, where there is one.

    Returns:
        `.apply(prediction)` is the depth in metres; `.fit.scale`, `.fit.shift`; `.after.abs_rel` is the error on the
        samples that were held out, `.before` that of a metric prediction as it was.

    Raises:
        FitError: too few samples, or such that fix no scale. DataError: samples of an image of another size.
    """
    config = config or AlignConfig()
    prediction = as_prediction(prediction, kind)
    fitted, held_out = usable(prediction, samples).split(config.held_out, config.seed)
    fit = fit_curve(at(prediction.values, fitted), fitted.depth, prediction.kind, config)
    return finish(prediction, fit, fitted, held_out, config, guide)


def finish(
    prediction: DepthPrediction,
    fit: Fit,
    fitted: Samples,
    held_out: Samples,
    config: AlignConfig,
    guide: torch.Tensor | None = None,
) -> Alignment:
    """A fit, wherever it comes from, with the local correction by `fitted` and the errors on `held_out`."""
    depth = fit.apply(prediction)
    correction = local_correction(depth, fitted, guide) if config.local and len(fitted) else None
    if not len(held_out):
        return Alignment(fit, correction, kind=prediction.kind)
    metric = prediction.kind is DepthKind.METRIC
    before = errors(prediction.values, held_out) if metric else None
    after = errors(depth, held_out, correction)
    trusted = None if after is None else after.abs_rel <= config.max_abs_rel
    return Alignment(fit, correction, before, after, trusted, prediction.kind)


def errors(depth: torch.Tensor, samples: Samples, correction: torch.Tensor | None = None) -> DepthMetrics | None:
    """Of a depth (H, W) in metres, times exp(correction), at samples; None where none of them has a finite depth."""
    found = at(depth, samples)
    if correction is not None:
        found = found * np.exp(at(correction, samples))
    return depth_metrics(found, samples.depth) if np.any(np.isfinite(found) & (found > 0)) else None


@dataclass(frozen=True)
class Histogram:
    """How many held-out samples are off by how much: `edges` (N + 1,) of ln(d / true d), `counts` (N,)."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


_EDGES = tuple(float(np.log(1 + e)) for e in (-0.5, -0.25, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.25, 0.5))


def error_histogram(depth: torch.Tensor, samples: Samples) -> Histogram:
    """Of the relative error of a depth (H, W) at samples; the outer bins hold all that is beyond them."""
    found = at(depth, samples)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.log(found / samples.depth)
    edges = (-np.inf, *_EDGES, np.inf)
    counts, _ = np.histogram(ratio[np.isfinite(ratio)], edges)
    return Histogram(edges, tuple(int(count) for count in counts))


def usable(prediction: DepthPrediction, samples: Samples) -> Samples:
    """The samples where the prediction is finite, and positive if it is metric.

    Raises:
        DataError: the samples are of an image of another size.
    """
    size = tuple(prediction.values.shape)
    if samples.size != size:
        found = f"{samples.size[1]}x{samples.size[0]}"
        raise DataError(f"the samples are of a {found} image, expected {size[1]}x{size[0]}, that of the prediction")
    values = at(prediction.values, samples)
    known = np.isfinite(values)
    if prediction.kind is DepthKind.METRIC:
        known &= values > 0
    return samples if known.all() else samples.select(known)


def at(values: torch.Tensor, samples: Samples) -> NDArray[np.float32]:
    """(N,) float32: a map (H, W) at the pixels of samples; from the GPU only these come over."""
    found: NDArray[np.float32]
    (found,) = download(values.detach().reshape(-1)[upload(samples.pixels, values.device)])
    return found


def per_frame(config: AlignConfig, stamp_ns: int) -> AlignConfig:
    """The configuration with a seed of this frame, so that every frame holds out other samples."""
    return replace(config, seed=(config.seed + stamp_ns) % (2**31 - 1))
