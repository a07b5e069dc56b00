# SPDX-License-Identifier: Apache-2.0
"""One prediction and its samples: `align(prediction, samples)` gives metres, and says how good they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.clusters import MOST_LEFT_OUT, cluster
from mono_depth_ros.alignment.displacement import displacement
from mono_depth_ros.alignment.expected_error import STEP, expected_error
from mono_depth_ros.alignment.fit import fit_curve
from mono_depth_ros.alignment.kriging import noisy
from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.local_correction import corrected
from mono_depth_ros.alignment.outliers import contradicted
from mono_depth_ros.alignment.result import Alignment, Fit, as_prediction
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.sky import seen_in_the_sky
from mono_depth_ros.alignment.uncertainty import uncertainty
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import DataError, FitError
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
    """Fit a prediction to known depths, and say how large the error is over the image.

    Args:
        prediction: (H, W), of a model, or a bare array of which `kind` says what it is. NaN and infinite values are not
            fitted.
        samples: known depths in this image. config: None takes the defaults.
        guide: (H, W, 3) uint8 RGB image for the local correction, where there is one.

    Returns:
        `.apply(prediction)` is the depth in metres; `.fit.scale`, `.fit.shift`; `.after.abs_rel` is the error to expect
        over the image, by samples held out as far from the others as pixels are, `.before` that of a metric prediction
        as it was; `.reach` says how much of the image is near samples.

    Raises:
        FitError: too few samples, such that fix no scale, or a part of them contradicts the others.
        DataError: samples of an image of another size.
    """
    config = config or AlignConfig()
    prediction = as_prediction(prediction, kind)
    given = usable(prediction, samples)
    samples, note = consistent(prediction, given, config, guide)
    fit = fit_curve(at(prediction.values, samples), samples.depth, prediction.kind, config)
    note = "; ".join(filter(None, (note, fit.note)))
    fit = replace(fit, inliers=fit.inliers * len(samples) / max(len(given), 1), note=note)
    found = finish(prediction, fit, samples, config, guide, outliers=1 - len(samples) / max(len(given), 1))
    if found.displaced is None:
        return found
    return replace(found, fit=replace(fit, note="; ".join(filter(None, (note, found.displaced.words)))))


def finish(
    prediction: DepthPrediction,
    fit: Fit,
    samples: Samples,
    config: AlignConfig,
    guide: torch.Tensor | None = None,
    drift: float | None = 0.0,
    outliers: float = 0.0,
) -> Alignment:
    """A fit, wherever it comes from, with the local correction by samples and the errors to expect.

    Args:
        samples: of this image; none: nothing is corrected and no error known.
        drift: relative standard deviation of the scale since the fit; None: no uncertainty is wanted.
        outliers: part of the samples that there were, 0 to 1, that `consistent` left out.
    """
    depth = fit.apply(prediction)
    seen = seen_in_the_sky(depth, samples) if config.local and len(samples) else None
    if seen is not None:
        depth = torch.where(torch.isnan(seen), depth, seen)
    correction, left_out = None, None
    if config.local and len(samples):
        correction, left_out = corrected(depth, samples, guide)
        left_out = None if left_out is None else replace(left_out, outliers=outliers)
    if not len(samples) or config.held_out <= 0:
        return Alignment(fit, correction, kind=prediction.kind, seen=seen)
    fitted = at(depth, samples)
    known = np.isfinite(fitted) & (fitted > 0)
    if not known.any():
        return Alignment(fit, correction, kind=prediction.kind)
    residual = np.log(samples.depth / np.where(known, fitted, samples.depth))
    expected = expected_error(samples, residual, left_out)
    if left_out is None or not len(left_out):
        left_out = LeftOut(np.flatnonzero(known), -residual[known], np.zeros(known.sum(), np.float32), known[known])
        judged = None
    else:
        judged = left_out
    (coarse,) = download(depth.detach()[::STEP, ::STEP])
    abs_rel, reach = expected.summary(coarse, samples)
    # Noisy samples are far off by themselves, and a poor fit of them says nothing of where they lie.
    displaced = None if noisy(samples) else displacement(coarse, STEP, samples)
    if displaced is not None:
        abs_rel += displaced.abs_rel
        within, beyond = (of + displaced.abs_rel for of in (reach.abs_rel_within, reach.abs_rel_beyond))
        reach = replace(reach, abs_rel_within=within, abs_rel_beyond=beyond)
    true = samples.depth[left_out.number]
    after = over_the_image(depth_metrics(true * np.exp(left_out.error), true), abs_rel)
    before = errors(prediction.values, samples) if prediction.kind is DepthKind.METRIC else None
    sigma = None
    if drift is not None:
        result = depth[::STEP, ::STEP]
        if correction is not None:
            result = correction[::STEP, ::STEP].exp().mul_(result)
        unsure = drift if displaced is None else float(np.hypot(drift, displaced.abs_rel))
        sigma = uncertainty(result, samples, expected, judged).aged(unsure)
    trusted = after.abs_rel <= config.max_abs_rel
    return Alignment(fit, correction, before, after, trusted, prediction.kind, reach, sigma, left_out, seen, displaced)


def over_the_image(metrics: DepthMetrics, abs_rel: float) -> DepthMetrics:
    """Errors on samples that were left out, grown to those over the image, where AbsRel is `abs_rel`."""
    factor = abs_rel / max(metrics.abs_rel, 1e-9)
    grown = {name: getattr(metrics, name) * factor for name in ("rmse_m", "rmse_log", "log10", "silog", "mae_m")}
    missed = {name: max(1 - (1 - getattr(metrics, name)) * factor, 0.0) for name in ("delta1", "delta2", "delta3")}
    return replace(metrics, abs_rel=abs_rel, sq_rel=metrics.sq_rel * factor**2, **grown, **missed)


def errors(depth: torch.Tensor, samples: Samples) -> DepthMetrics | None:
    """Of a depth (H, W) in metres at samples; None where none of them has a finite depth."""
    found = at(depth, samples)
    return depth_metrics(found, samples.depth) if np.any(np.isfinite(found) & (found > 0)) else None


def fit_error(prediction: DepthPrediction, fit: Fit, samples: Samples) -> float | None:
    """Relative standard deviation of a fit at samples, robustly; None where none of them has a finite depth."""
    found = fit.apply(as_prediction(at(prediction.values, samples)[None], prediction.kind)).numpy()[0]
    ratio = np.log(found / samples.depth)
    known = ratio[np.isfinite(ratio)]
    return float(1.4826 * np.median(np.abs(known))) if known.size else None


@dataclass(frozen=True)
class Histogram:
    """How many held-out samples are off by how much: `edges` (N + 1,) of ln(d / true d), `counts` (N,)."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


_EDGES = tuple(float(np.log(1 + e)) for e in (-0.5, -0.25, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.25, 0.5))


def error_histogram(left_out: LeftOut) -> Histogram:
    """Of the relative errors of samples that were left out; the outer bins hold all that is beyond them."""
    edges = (-np.inf, *_EDGES, np.inf)
    counts, _ = np.histogram(left_out.error, edges)
    return Histogram(edges, tuple(int(count) for count in counts))


def usable(prediction: DepthPrediction, samples: Samples) -> Samples:
    """The samples where something is predicted: a number, and a positive one if it is depth up to scale or metric.

    Raises:
        DataError: the samples are of an image of another size.
    """
    size = tuple(prediction.values.shape)
    if samples.size != size:
        found = f"{samples.size[1]}x{samples.size[0]}"
        raise DataError(f"the samples are of a {found} image, expected {size[1]}x{size[0]}, that of the prediction")
    values = at(prediction.values, samples)
    known = ~np.isnan(values)
    if prediction.kind.proportional:
        known &= values > 0
    return samples if known.all() else samples.select(known)


def consistent(
    prediction: DepthPrediction, samples: Samples, config: AlignConfig, guide: torch.Tensor | None = None
) -> tuple[Samples, str]:
    """The samples that the others do not contradict, in depth and in what they say of the prediction.

    Returns:
        The samples, and a sentence where a small part of the image stood apart and was left out, or "".

    Raises:
        FitError: `cluster`: those of a large part of the image stand apart from the others.
    """
    if not len(samples):
        return samples, ""
    values = at(prediction.values, samples)
    if prediction.kind is not DepthKind.METRIC:  # its metres, as far as all samples together fix them
        try:
            fit = fit_curve(values, samples.depth, prediction.kind, config)
            values = fit.apply(as_prediction(values[None], prediction.kind)).numpy()[0]
        except FitError:
            values = np.full_like(values, np.nan)
    samples, values = _select(samples, values, ~contradicted(samples, values))
    # Noisy samples are weighed one by one, and the steps between them are those of noise and of a poor prediction.
    apart = None if noisy(samples) else cluster(samples, values, guide)
    if apart is None:
        return samples, ""
    found = f"{100 * apart.share:.0f} % of the samples, all of one part of the image"
    factor = f"{apart.factor:.2g} times the depth that those around them say"
    if apart.share <= MOST_LEFT_OUT:
        samples, values = _select(samples, values, ~apart.part)
        samples, values = _select(samples, values, ~contradicted(samples, values))
        note = f"left out: {found}, which say {factor}"
        if cluster(samples, values, guide) is None:
            return samples, note
    raise FitError(f"{found}, say {factor}: which are right is not known", "cluster")


def _select(
    samples: Samples, values: NDArray[np.float32], kept: NDArray[np.bool_]
) -> tuple[Samples, NDArray[np.float32]]:
    return (samples, values) if kept.all() else (samples.select(kept), values[kept])


def at(values: torch.Tensor, samples: Samples) -> NDArray[np.float32]:
    """(N,) float32: a map (H, W) at the pixels of samples; from the GPU only these come over."""
    found: NDArray[np.float32]
    (found,) = download(values.detach().reshape(-1).index_select(0, upload(samples.pixels, values.device)))
    return found


def per_frame(config: AlignConfig, stamp_ns: int) -> AlignConfig:
    """The configuration with a seed of this frame, so that every frame draws others."""
    return replace(config, seed=(config.seed + stamp_ns) % (2**31 - 1))
