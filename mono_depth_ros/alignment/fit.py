# SPDX-License-Identifier: Apache-2.0
"""The curve that takes a prediction to metres, fitted to samples of which many may be wrong.

Consensus sampling finds the curve through two samples (Fischler and Bolles 1981) from which all are off by the least,
counted by the logarithm of 1 + error^2, Cauchy's loss, to which it matters little how wrong the wrong ones are. The
median deviation from it says how closely the others agree, and Huber's reweighted least squares over those (Holland and
Welsch 1977) uses them all. The least median of squares (Rousseeuw 1984) is surer with few and exact samples, and
decides there; else, where a wall fills half of the image, it would fit the wall alone and call all the rest outliers.

Errors of a monocular depth grow with the distance, so it is the relative error that is alike everywhere: ln d has
errors of one size, 1/d such that grow with 1/d, and d such that grow with d. Far samples would then decide alone what
1/d is at zero, where their own errors (a lidar's, or half a pixel's) are not small any more: below a tenth of the
median 1/d they count as alike, and so do the nearest in d.

Of two curves that one is better which tells samples that it was not fitted to: a third of them at random, and the
nearest, the middle and the farthest third, for curves part where there are no samples.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.result import CURVES, Curve, Fit
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import ConfigError, FitError
from mono_depth_ros.prediction import DepthKind

Floats = NDArray[np.float64]

CLEARLY = 0.05  # of ln of the errors of two curves: as much better must the other one be
_HYPOTHESES = 160  # with 30 % outliers 160 pairs hold a good one but for once in 1e46 times, with 50 % in 1e20
_SCORED_SAMPLES = 256  # samples that a hypothesis is scored on
_CAUCHY_SCALE = 0.05  # relative error below which it hardly matters to the consensus by how much a sample is off
_INLIER_SIGMAS = 3.0  # inliers are within so many standard deviations of the consensus
_MOST_OFF = 0.5  # relative error above which nothing agrees, however widely the samples scatter
_HUBER = 1.345  # 95 % efficiency for normal errors (Huber 1981)
_IRLS_STEPS = 4
_FAR = 0.98  # quantile of a metric prediction at the samples, beyond which `inverse` keeps its ratio
_HALVED, _MOST_HALVED = 100, 1000  # samples of which both halves must say the same; of more, some
_HALVES_APART = 0.2  # relative difference of the depth
_MIN_SPREAD = 1e-3  # relative error below which nothing real agrees: lidars have 1e-3
_MAX_SHIFT = 10.0  # 1/m: farther than that from zero, infinity would lie within 10 cm
_MAX_SCALE_DEVIATION = 0.3  # relative standard deviation of the scale, above which the samples do not fix it
_MIN_LINE_SAMPLES = 3  # samples without which a line through them cannot be wrong
_ASSUMED_DEVIATION = 0.1  # relative standard deviation of a scale from fewer samples than that
_MOST_TRIED, _LEAST_TRIED = 500, 30  # samples that choose a curve
_FOLDS = 3
_TRIED_OFF = 0.7  # of ln d: held out and farther off than that, all are alike
_MIN_RANGE = 1e-3  # spread of the prediction relative to its size, below which scale and shift are one number


def fit_curve(
    prediction: NDArray[np.floating],
    depth: NDArray[np.floating],
    kind: DepthKind,
    config: AlignConfig,
    weight: NDArray[np.floating] | None = None,
) -> Fit:
    """The curve of `config.curve` through samples.

    Args:
        prediction: (N,) at the samples, of a kind; positive where that is proportional. What is not finite does not
            count.
        depth: (N,) metres, finite and positive.
        config: method, curve, min_samples and seed count here.
        weight: (N,) how much each counts, 0 to 1; None: all alike. Those that count little make no consensus.

    Raises:
        FitError: `too_few_samples`, `degenerate` (one distance only, or one predicted value), `negative_scale` or
            `shift_out_of_bounds`. A METRIC or SCALE prediction whose slope is not positive or not known is fitted with
            a scale only, and `note` says so.
        ConfigError: the curve cannot make metres of this kind of prediction.
    """
    curve = choose_curve(kind, config.curve)
    if curve is None:
        curve = Curve.INVERSE if inverse_gain(prediction, depth, config, weight) > CLEARLY else Curve.SCALE
    known = np.isfinite(prediction)
    prediction, depth = prediction[known], depth[known]
    if len(depth) < config.min_samples:
        raise FitError(f"{len(depth)} samples to fit, expected {config.min_samples} or more", "too_few_samples")
    p, d = prediction.astype(np.float64), depth.astype(np.float64)
    given = np.ones(len(d)) if weight is None else weight[known].astype(np.float64)
    if curve is Curve.SCALE:
        return _fit_scale(p, d, given, config)
    if curve is Curve.LOG:
        x, y = np.log(p), np.log(d)
    elif curve is Curve.AFFINE:
        x, y = p, d
    else:
        x, y = p if kind.inverse else 1 / p, 1 / d
    try:
        if len(depth) < _MIN_LINE_SAMPLES:
            found = f"{len(depth)} samples for scale and shift"
            raise FitError(f"{found}, expected {_MIN_LINE_SAMPLES} or more", "too_few_samples")
        fit = _fit_line(curve, x, y, given, config)
        if curve is Curve.INVERSE and kind.proportional:
            fit = replace(fit, far=float(np.quantile(p, _FAR)))
        if config.method == "robust" and len(x) >= _HALVED:
            _check_halves(curve, x, y, given, config)
        return fit
    except FitError as error:
        if not kind.proportional:
            raise
        return replace(_fit_scale(p, d, given, config), note=f"{error}; a scale alone is fitted")


def _check_halves(curve: Curve, x: Floats, y: Floats, given: Floats, config: AlignConfig) -> None:
    """Refuse what half of the samples say, where the other half says something else: among many wrong ones a consensus
    is found by chance, and another one in other samples."""
    chosen = np.random.default_rng(config.seed).permutation(len(x))[:_MOST_HALVED]
    one, other = (_fit_line(curve, x[of], y[of], given[of], config) for of in (chosen[::2], chosen[1::2]))
    x = x[chosen]
    told, otherwise = one.shift + one.scale * x, other.shift + other.scale * x
    apart = np.abs(told - otherwise) / (1.0 if curve is Curve.LOG else np.maximum(np.abs(told), 1e-9))
    if (found := float(np.median(apart))) > _HALVES_APART:
        raise FitError(f"two halves of the samples say depths that are {100 * found:.0f} % apart", "ambiguous")


def choose_curve(kind: DepthKind, name: str) -> Curve | None:
    """The curve of `AlignConfig.curve` for predictions of a kind; None: the samples choose.

    Raises:
        ConfigError: one that cannot make metres of them.
    """
    if name in ("auto", "best"):
        if kind.proportional:
            return Curve.SCALE if name == "auto" else None
        return Curve.INVERSE if kind.inverse else Curve.AFFINE
    curve, own = Curve(name), CURVES[kind]
    if curve not in own:
        raise ConfigError(f"curve is {name}, expected {own[0].value}, auto or best: {kind.value} depth has no metres")
    return curve


def inverse_gain(
    prediction: NDArray[np.floating],
    depth: NDArray[np.floating],
    config: AlignConfig,
    weight: NDArray[np.floating] | None = None,
) -> float:
    """ln of how much larger the error of `scale` is than that of `inverse`, at samples that are held out.

    Args:
        prediction: (N,), METRIC or SCALE. The others are as for `fit_curve`.

    Returns:
        0 where the samples are too few to tell.
    """
    known = np.flatnonzero(np.isfinite(prediction))
    chosen = known[np.random.default_rng(config.seed).permutation(len(known))[:_MOST_TRIED]]
    count = len(chosen)
    if count < max(_LEAST_TRIED, config.min_samples):
        return 0.0
    p, d = prediction[chosen].astype(np.float64), depth[chosen].astype(np.float64)
    given = np.ones(count) if weight is None else weight[chosen].astype(np.float64)
    x, y, ratio = 1 / p, 1 / d, np.log(d / p)
    whole = fit_curve(p, d, DepthKind.METRIC, replace(config, curve=Curve.INVERSE.value), given)
    if whole.note:  # there is none
        return 0.0
    told = whole.shift + whole.scale * x
    noise = np.maximum(told, 0.1 * float(np.median(y)))
    of_scale = _huber(np.abs(ratio - _median(ratio, given)), given)
    of_inverse = _huber(np.abs(told - y) / noise, given) / noise**2
    by_depth = np.argsort(np.argsort(p, kind="stable")) * _FOLDS // count
    errors = np.zeros(2)
    for held in (fold == k for fold in (by_depth, np.arange(count) % _FOLDS) for k in range(_FOLDS)):
        rest = ~held
        try:
            scale, shift, _ = _weighted_line(x[rest], y[rest], of_inverse[rest])
        except FitError:
            return 0.0
        if scale <= 0:
            return 0.0
        near = np.minimum(p[held], float(np.quantile(p[rest], _FAR)))
        with np.errstate(divide="ignore"):
            by_inverse = np.log(np.maximum(shift + scale / near, 0.0) * near * d[held] / p[held])
        by_scale = ratio[held] - _dot(of_scale[rest], ratio[rest]) / float(of_scale[rest].sum())
        errors += [_dot(given[held], np.minimum(np.abs(of), _TRIED_OFF)) for of in (by_scale, by_inverse)]
    of_scale_alone, of_both = np.maximum(errors, 1e-9).tolist()
    return float(np.log(of_scale_alone / of_both))


def _huber(off: Floats, given: Floats) -> Floats:
    """(N,) weights, by how far each is off."""
    spread = max(1.4826 * _median(off, given), _MIN_SPREAD)
    return given * np.minimum(1.0, _HUBER * spread / np.maximum(off, 1e-12))


def _fit_line(curve: Curve, x: Floats, y: Floats, given: Floats, config: AlignConfig) -> Fit:
    """y = shift + scale * x."""
    least = 0.1 * float(np.median(y))

    def noise_of(values: Floats) -> Floats:
        return np.ones(len(values)) if curve is Curve.LOG else np.maximum(values, least)

    if float(np.std(x)) <= _MIN_RANGE * float(np.abs(x).mean()):
        raise FitError(
            "the samples lie where the prediction has one value only: scale and shift cannot be told apart",
            "degenerate",
        )
    weight, inlier = given, np.ones(len(x), dtype=bool)
    if config.method == "robust":
        scale, shift, spread = _consensus(x, y, noise_of(y), given, config.seed)
        inlier = np.abs(shift + scale * x - y) <= min(_INLIER_SIGMAS * spread, _MOST_OFF) * noise_of(y)
        for _ in range(_IRLS_STEPS):
            # By the fitted 1/d, not the measured: samples that err on the far side would weigh more than on the near.
            noise = spread * noise_of(shift + scale * x)
            deviation = np.abs(shift + scale * x - y) / noise
            weight = given * inlier * np.minimum(1.0, _HUBER / np.maximum(deviation, 1e-12)) / noise**2
            scale, shift, information = _weighted_line(x, y, weight)
    else:
        scale, shift, information = _weighted_line(x, y, weight)
    error = shift + scale * x - y
    freedom = int(inlier.sum()) - 2
    variance = float((weight * error**2).sum()) / freedom if freedom > 0 else np.inf
    covariance: Floats = variance * np.asarray(np.linalg.inv(information), dtype=np.float64)
    if scale <= 0:
        raise FitError(f"nearer samples lie where the prediction says farther: scale {scale:.3g}", "negative_scale")
    if covariance[0, 0] > (_MAX_SCALE_DEVIATION * scale) ** 2:
        raise FitError("the samples' depths are too alike for what they scatter: they fix no scale", "degenerate")
    if curve is Curve.INVERSE and abs(shift) > _MAX_SHIFT:
        raise FitError(f"shift {shift:.3g} 1/m, expected at most {_MAX_SHIFT:g}", "shift_out_of_bounds")
    residual = float(np.sqrt(np.mean(error[inlier] ** 2)))
    return Fit(curve, scale, shift, covariance, float(inlier.mean()), len(x), residual)


def _consensus(x: Floats, y: Floats, noise: Floats, given: Floats, seed: int) -> tuple[float, float, float]:
    """(scale, shift, standard deviation in units of `noise`), of the best pair; samples count by how often drawn."""
    rng = np.random.default_rng(seed)
    drawn = None if np.ptp(given) == 0 else given / given.sum()
    first, second = _draw(rng, len(x), (2, _HYPOTHESES), drawn)
    run = x[second] - x[first]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (y[second] - y[first]) / run
    usable = np.isfinite(scale) & (scale > 0)
    if not usable.any():
        raise FitError("nearer samples lie where the prediction says farther: no positive scale", "negative_scale")
    scale = scale[usable]
    shift = y[first][usable] - scale * x[first][usable]
    few = len(x) <= _SCORED_SAMPLES and drawn is None
    scored = slice(None) if few else _draw(rng, len(x), _SCORED_SAMPLES, drawn)
    deviation = np.abs(shift[:, None] + scale[:, None] * x[scored] - y[scored]) / noise[scored]
    middle = deviation.shape[1] // 2
    medians = np.partition(deviation, middle, axis=1)[:, middle]
    best = int(medians.argmin())
    # Half of the samples as near to a curve as sensors measure are there by no chance, however few they are.
    if medians[best] > _MIN_SPREAD:
        best = int(np.log1p(np.square(deviation * (1 / _CAUCHY_SCALE))).sum(axis=1).argmin())
    # 1.4826 makes a median deviation a standard one; the other factor is Rousseeuw and Leroy's for few samples (1987).
    spread = 1.4826 * (1 + 5 / max(deviation.shape[1] - 2, 1)) * float(medians[best])
    return float(scale[best]), float(shift[best]), max(spread, _MIN_SPREAD)


def _draw(rng: np.random.Generator, count: int, size: int | tuple[int, int], drawn: Floats | None) -> Any:
    """Indices of samples, by their probabilities (N,); None: all alike."""
    return rng.integers(count, size=size) if drawn is None else rng.choice(count, size=size, p=drawn)


def _weighted_line(x: Floats, y: Floats, weight: Floats) -> tuple[float, float, Floats]:
    """(scale, shift, information matrix of both) of the weighted least squares, about the mean for its condition."""
    total = float(weight.sum())
    mean_x, mean_y = _dot(weight, x) / total, _dot(weight, y) / total
    around = x - mean_x
    spread = _dot(weight, around * around)
    if not spread > 1e-12 * total * mean_x * mean_x:
        raise FitError("the samples that agree lie where the prediction has one value only", "degenerate")
    scale = _dot(weight * around, y - mean_y) / spread
    information = np.array([[spread + total * mean_x**2, total * mean_x], [total * mean_x, total]])
    return scale, mean_y - scale * mean_x, information


def _fit_scale(p: Floats, d: Floats, given: Floats, config: AlignConfig) -> Fit:
    """d = scale * p: where ln d - ln p lies; robustly from the median, else its least squares in metres."""
    if config.method == "lstsq":
        scale = _dot(given * p, d) / _dot(given * p, p)
        error = scale * p - d
        variance = _dot(given * error, error) / max(float(given.sum()) - 1, 1) / _dot(given * p, p)
        return Fit(Curve.SCALE, scale, 0.0, np.diag([variance, 0.0]), 1.0, len(d), float(np.sqrt(np.mean(error**2))))
    ratio = np.log(d) - np.log(p)
    middle = _median(ratio, given)
    spread = max(1.4826 * _median(np.abs(ratio - middle), given), _MIN_SPREAD)
    inlier = np.abs(ratio - middle) <= min(_INLIER_SIGMAS * spread, _MOST_OFF)
    kept, given = ratio[inlier], given[inlier]
    for _ in range(_IRLS_STEPS):
        weight = given * np.minimum(1.0, _HUBER * spread / np.maximum(np.abs(kept - middle), 1e-12))
        middle = _dot(weight, kept) / float(weight.sum())
    scale, independent = float(np.exp(middle)), float(given.sum()) ** 2 / _dot(given, given)
    variance = _dot(weight, (kept - middle) ** 2) / float(weight.sum()) / independent * scale**2
    if independent < _MIN_LINE_SAMPLES:  # what one or two samples scatter says nothing of how far they are off
        variance = (_ASSUMED_DEVIATION * scale) ** 2
    residual = float(np.sqrt(np.mean((scale * p[inlier] - d[inlier]) ** 2)))
    return Fit(Curve.SCALE, scale, 0.0, np.diag([variance, 0.0]), len(kept) / len(d), len(d), residual)


def _median(values: Floats, weight: Floats) -> float:
    """The weighted median."""
    if np.ptp(weight) == 0:
        return float(np.median(values))
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _dot(a: Floats, b: Floats) -> float:
    """Sum of products, without BLAS, which takes threads from 10,000 on, and beside a busy network waits for them."""
    return float(np.einsum("i,i->", a, b))
