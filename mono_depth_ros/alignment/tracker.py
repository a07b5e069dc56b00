# SPDX-License-Identifier: Apache-2.0
"""Scale and shift in time: recursive least squares with forgetting, in information form.

Every fit adds its information (the inverse of its covariance), and all information fades with `bandwidth`: the estimate
is the mean of the fits of about that long, weighted by how much each one knew.

A fit that lies far from the estimate is not taken in: farther than both covariances explain (a chi-square test), and
than fits of this scene usually lie, for what a network errs from image to image is alike all over the image and no
covariance of residuals knows of it. If the next one agrees with it, or three in a row lie to the same side, the scene
has changed, and the estimate begins anew from the latest two. Distances are measured in depth, over the samples, since
scale and shift alone trade against each other.

Where the samples choose the curve (`best`), another begins anew too, and only where several images in a row speak
clearly for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.fit import CLEARLY
from mono_depth_ros.alignment.result import Curve, Fit
from mono_depth_ros.config import TrackerConfig

Floats = NDArray[np.float64]

_GATE = 0.08  # of the depth: nearer than this a fit is always taken in
_GATE_SIGMAS = 3.3  # or nearer than so many standard deviations; its square: chi-square, 1 degree of freedom, 0.999
_GATE_DISTANCES = 4.0  # or within so many times the usual distance of fits from the estimate
_AGREE = 0.5  # two fits agree on a new scene when they differ by less than this part of their distance from the old
_OUTLIER_DISTANCES, _MAX_OUTLIERS = 2.0, 3  # in a row, so many usual distances off: by chance once in an hour
_CLIPPED = 1.09  # makes up for squares clipped at 2 standard deviations, of normal errors
_MIN_OUTLIER_DISTANCE = 0.02  # of the depth: nearer than this no fit is an outlier
_INDEPENDENT = 100  # samples count as this many at most: the errors of neighbouring pixels are alike
_BACK_S = 1.0  # time that jumps back farther than this begins anew: a recording that loops
_MIN_MEMORY_S = 0.1
_CHANGE_AFTER = 5  # images in a row that speak for another curve
_DECAY = 0.9  # of the running mean of squared distances


class Tracker:
    """The filtered curve. Not thread-safe: its owner locks.

    Args:
        config: read at every call, so that it may change.

    Attributes:
        fit_error: relative standard deviation of the estimate at the last samples; None before any.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.fit_error: float | None = None
        self._fit: Fit | None = None
        self._information = np.zeros((2, 2))
        self._weighted = np.zeros(2)
        self._stamp_ns = 0
        self._mean_square = 0.0  # mean square of ln(d of the fit / d of the estimate)
        self._previous_outlier: Fit | None = None  # the fit before, if it was one
        self._outliers_in_a_row = 0  # negative: they are nearer than the estimate
        self._for_another = 0  # images in a row that speak for another curve

    @property
    def fit(self) -> Fit | None:
        """The estimate, or None before the first fit."""
        return self._fit

    @property
    def stamp_ns(self) -> int:
        """Of the last fit that was taken in."""
        return self._stamp_ns

    def age_s(self, stamp_ns: int) -> float:
        """How long before `stamp_ns` the last fit was taken in."""
        return (stamp_ns - self._stamp_ns) / 1e9

    def drift(self, age_s: float) -> float:
        """Relative standard deviation of what the scale may have changed since the last fit, as fits usually do."""
        usual = max(float(np.sqrt(self._mean_square)), _MIN_OUTLIER_DISTANCE)
        memory_s = max(self.config.bandwidth, _MIN_MEMORY_S)
        return usual * float(np.sqrt(max(age_s, 0.0) / memory_s))

    def load(self, fit: Fit, stamp_ns: int) -> None:
        """Begin with a curve known before."""
        self.reset()
        self._begin(fit, stamp_ns)

    def restamp(self, stamp_ns: int) -> None:
        """Take the estimate as made at this moment: the clock of a loaded curve begins with the first image."""
        self._stamp_ns = stamp_ns

    def best_curve(self, gain: float) -> Curve:
        """The curve to go on with, of a metric prediction; `gain` is `inverse_gain` of one more image."""
        better = Curve.INVERSE if gain > CLEARLY else Curve.SCALE
        if self._fit is None:
            return better
        another = self._fit.curve is not better and abs(gain) > CLEARLY
        self._for_another = self._for_another + 1 if another else 0
        return better if self._for_another >= _CHANGE_AFTER else self._fit.curve

    def update(self, fit: Fit, values: Floats, stamp_ns: int) -> bool:
        """Take in the fit of one frame.

        Args:
            values: (N,) of the prediction at the samples, the x of the curve, to measure distances of curves in depth.
            stamp_ns: of the reference, which may lie a little before the last one.

        Returns:
            Whether it was taken in; False for one that lies too far away, and is waited for the next one, and for a
            makeshift (a fit with a `note`) while there is a curve of the configured kind.
        """
        age_s = self.age_s(stamp_ns)
        if self._fit is None or age_s < -_BACK_S or 0 < self.config.hold < age_s or self.config.bandwidth == 0:
            self._begin(fit, stamp_ns)
            return True
        if self._fit.curve is not fit.curve:
            if fit.note:
                return False
            self._begin(fit, stamp_ns)
            return True
        kept = float(np.exp(-max(age_s, 0.0) / self.config.bandwidth))
        distance = curve_distance(fit, self._fit, values)
        usual = float(np.sqrt(self._mean_square))
        unsure = curve_deviation(fit, values)
        side = max(_MIN_OUTLIER_DISTANCE, _OUTLIER_DISTANCES * usual)
        outlier = abs(distance) > max(side, _OUTLIER_DISTANCES * unsure)
        same_side = self._outliers_in_a_row if self._outliers_in_a_row * distance > 0 else 0
        self._outliers_in_a_row = same_side + int(np.sign(distance)) if outlier else 0
        known = unsure**2 + curve_deviation(self._fit, values) ** 2 / max(kept, 1e-6)
        near = abs(distance) <= max(_GATE, _GATE_DISTANCES * usual, _GATE_SIGMAS * float(np.sqrt(known)))
        before, self._previous_outlier = self._previous_outlier, fit if outlier else None
        if before is not None:
            agree = abs(curve_distance(fit, before, values)) < _AGREE * abs(distance)
            if abs(self._outliers_in_a_row) >= _MAX_OUTLIERS or (agree and not near):
                self._begin(fit, stamp_ns)
                self._add(before)
                return True
        if not near:
            return False
        # No farther than an outlier, else two fits of a new scene would make it usual before the third has come.
        self._mean_square = _DECAY * self._mean_square + (1 - _DECAY) * _CLIPPED * min(abs(distance), side) ** 2
        self._information *= kept
        self._weighted *= kept
        self._add(fit)
        self._stamp_ns = max(stamp_ns, self._stamp_ns)
        return True

    def _begin(self, fit: Fit, stamp_ns: int) -> None:
        self._fit, self._previous_outlier, self._outliers_in_a_row, self._stamp_ns = fit, None, 0, stamp_ns
        self._for_another = 0
        self._information, self._weighted = np.zeros((2, 2)), np.zeros(2)
        self._add(fit)

    def _add(self, fit: Fit) -> None:
        information = _information(fit)
        self._information += information
        self._weighted += information @ _parameters(fit)
        scale, shift = np.linalg.solve(self._information, self._weighted)
        covariance: Floats = np.asarray(np.linalg.inv(self._information), dtype=np.float64)
        if fit.curve is Curve.SCALE:
            scale, shift, covariance = np.exp(scale), 0.0, np.diag([covariance[0, 0] * np.exp(2 * scale), 0.0])
        self._fit = replace(fit, scale=float(scale), shift=float(shift), covariance=covariance)


def curve_distance(one: Fit, other: Fit, values: Floats) -> float:
    """How far apart two curves are at x (N,): the median of |ln(d of `one` / d of `other`)|, with the sign of ln's.

    x is 1/p for INVERSE of a prediction p of depth, p itself for LOG and AFFINE, and does not matter for SCALE. 0 where
    neither curve has a finite depth.
    """
    if one.curve is Curve.SCALE:
        return float(np.log(one.scale / other.scale))
    if one.curve is Curve.LOG:
        ratio = (one.shift - other.shift) + (one.scale - other.scale) * np.log(values)
    else:
        upper, lower = (one, other) if one.curve is Curve.AFFINE else (other, one)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.log((upper.shift + upper.scale * values) / (lower.shift + lower.scale * values))
    known = ratio[np.isfinite(ratio)]
    return float(np.copysign(np.median(np.abs(known)), np.median(known))) if known.size else 0.0


def curve_deviation(fit: Fit, values: Floats) -> float:
    """Standard deviation of ln d that the covariance of a curve means at x (N,), the median of them."""
    variance_of_scale, both, variance_of_shift = fit.covariance[0, 0], fit.covariance[0, 1], fit.covariance[1, 1]
    if fit.curve is Curve.SCALE:
        return float(np.sqrt(variance_of_scale)) / fit.scale
    x = np.log(values) if fit.curve is Curve.LOG else values
    deviation = np.sqrt(np.maximum(variance_of_scale * x**2 + 2 * both * x + variance_of_shift, 0.0))
    if fit.curve is Curve.LOG:
        return float(np.median(deviation))
    told = fit.shift + fit.scale * x  # 1/d, or d
    known = told > 0
    return float(np.median(deviation[known] / told[known])) if known.any() else 0.0


def _parameters(fit: Fit) -> Floats:
    """What is averaged: a scale alone as its logarithm, in which errors are alike."""
    return np.array([np.log(fit.scale), 0.0] if fit.curve is Curve.SCALE else [fit.scale, fit.shift])


def _information(fit: Fit) -> Floats:
    """(2, 2) inverse covariance, of so many samples as are independent, and no more certain than 1e-4."""
    fewer = max(fit.count * fit.inliers, 1.0) / min(max(fit.count * fit.inliers, 1.0), _INDEPENDENT)
    if fit.curve is Curve.SCALE:
        variance = max(float(fit.covariance[0, 0]) / fit.scale**2, 1e-8) * fewer
        return np.diag([1 / variance, 1.0])
    covariance = fit.covariance * fewer
    least = 1e-4 * np.maximum(np.abs([fit.scale, fit.shift]), 1e-9)
    found: Floats = np.asarray(np.linalg.inv(covariance + np.diag(least**2)), dtype=np.float64)
    return found
