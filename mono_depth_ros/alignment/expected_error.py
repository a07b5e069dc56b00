# SPDX-License-Identifier: Apache-2.0
"""The error to expect at every pixel, by its distance to the nearest sample, and its mean over the image.

Samples that were left out say how large the error is so many pixels from the others: one curve where samples lie on all
sides (from `LeftOut`), another beyond their hull, where pairs of samples say how far a depth, or what the fit lacks at
it, may be carried. Between the distances that were measured the logarithms are interpolated; the structure of scenes
makes errors grow with a power of the distance, and so the curves go on.

The mean counts pixels as likely as the sensor measures any at their depth or farther: nothing that is measured can tell
how large the error of the sky is, and nobody would compare it. Just beyond the hull single samples lie as often as they
are corners of it. Out of reach of all samples pixels count where the sensor's field of view ends: beside its samples,
below them, and above as far as below, for where it sees the ground at the image's lower edge it has seen that above
there is nothing to be measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.left_out import MOST, LeftOut
from mono_depth_ros.alignment.samples import Samples

Floats = NDArray[np.float32]

STEP = 2  # pixels between those that are looked at
_PER_OCTAVE = 2  # bins of the distance
_MIN_IN_BIN = 4
_MAX_OCTAVES_ABOVE = 3.0
_FINE = 4  # entries of a table for each pixel of distance
_LEAST = 1e-4  # relative error
_PAIR_OCTAVES = range(2, 10)  # of pixels between the two
_PAIRED = 100  # samples
_MIN_PAIRED = 8
_OUTWARD = 1.4  # times the error between two samples: outside there are samples on one side only, but for beams
_CUT = 0.07  # what right samples that were taken for outliers add to the error, each
_REACH = 0.98  # the quantile of the distances of left-out samples that is called the reach
_DEPTH_BINS, _IN_DEPTH_BIN = 12, 8  # at most; samples in each on average at least
_MARGIN = 0.25  # of the height or the width of the image: so wide a margin without samples counts whole
_MEAN_ABS = 0.8  # of a normal error, by its standard deviation


@dataclass(frozen=True, eq=False)
class Reach:
    """How far the samples of an image reach.

    Attributes:
        share: fraction of the image nearer than `distance_px` to a sample, as near as samples are to each other.
        abs_rel_within, abs_rel_beyond: to expect there and in the rest; NaN where there is nothing of it.
    """

    share: float
    distance_px: float
    abs_rel_within: float
    abs_rel_beyond: float


@dataclass(frozen=True, eq=False)
class Curve:
    """Expected relative error by distance: log2 of pixels, ascending, and ln of the error, likewise.

    Where nothing was measured, nearer and farther, it goes on with a `power` of the distance.
    """

    distance: NDArray[np.float64]
    error: NDArray[np.float64]
    power: float = 0.5

    @classmethod
    def of(
        cls,
        distance: NDArray[np.floating],
        error: NDArray[np.floating],
        weight: NDArray[np.floating],
        power: float = 0.5,
    ) -> Curve:
        """The ascending curve nearest to points (K,) in weighted least squares (isotonic regression)."""
        order = np.argsort(distance, kind="stable")
        ascending = _isotonic(error[order].astype(np.float64), weight[order].astype(np.float64))
        at = np.log2(np.maximum(distance[order].astype(np.float64), 1))
        return cls(at, np.log(np.maximum(ascending, _LEAST)), power)

    @classmethod
    def of_left_out(cls, distance: Floats, error: Floats) -> Curve:
        """By bins of single errors (Q,)."""
        number = np.floor(_PER_OCTAVE * np.log2(np.maximum(distance, 1))).astype(np.int64)
        count = np.bincount(number)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean, at = (np.bincount(number, of) / count for of in (error, distance))
        enough = count >= _MIN_IN_BIN
        if not enough.any():
            return cls.of(distance.mean(keepdims=True), error.mean(keepdims=True), np.ones(1))
        return cls.of(at[enough], mean[enough], count[enough].astype(np.float64))

    def __call__(self, distance: Floats) -> Floats:
        """At so many pixels, any shape; looked up in a table, to a quarter of a pixel."""
        at = np.log2(np.maximum(np.arange(_FINE * distance.max() + 1) / _FINE, 1))
        found = np.interp(at, self.distance, self.error)
        below = np.minimum(at - self.distance[0], 0)
        above = np.clip(at - self.distance[-1], 0, _MAX_OCTAVES_ABOVE)
        table = np.exp(found + self.power * np.log(2) * (below + above)).astype(np.float32)
        return table[(_FINE * distance).astype(np.int32)]


@dataclass(frozen=True, eq=False)
class ExpectedError:
    """Of one image.

    Attributes:
        within, beyond: the expected |error| / depth of the samples, within and beyond their hull.
        distance: (h, w) float32 pixels to the nearest sample, of every STEP-th pixel.
        inside: (h, w) bool, within the hull of the samples.
        own: relative standard deviation of the nearest sample, (h, w) float32, as the sensor has it; 0 where unknown.
        corners: the share of the samples that are corners of the hull.
        reach: pixels up to which samples that were left out tell the error.
    """

    within: Curve
    beyond: Curve
    distance: Floats
    inside: NDArray[np.bool_]
    own: Floats | float
    corners: float
    reach: float

    @property
    def relative(self) -> Floats:
        """(h, w) float32, expected |error| / depth, against samples without an error of their own."""
        found: Floats = np.where(self.inside, self.within(self.distance), self.beyond(self.distance))
        return found

    def at(self, pixels: NDArray[np.int64]) -> Floats:
        """(K,) of the same at some of the flattened pixels."""
        if not len(pixels):
            return np.zeros(0, dtype=np.float32)
        distance = self.distance.take(pixels)
        found: Floats = np.where(self.inside.take(pixels), self.within(distance), self.beyond(distance))
        return found

    def summary(self, depth: Floats, samples: Samples) -> tuple[float, Reach]:
        """Mean AbsRel over the image, and how much of it is within reach.

        Args:
            depth: (h, w) metres at every STEP-th pixel, of the fit of the whole image.
        """
        some = (slice(None, None, 2),) * 2
        inside, distance = self.inside[some], self.distance[some]
        weight = _measurable(depth[some], samples)
        near = distance <= self.reach
        just = near & ~inside
        far = ~inside & ~near
        weight[far] *= _field_of_view(samples, weight.shape)[far]
        if samples.group is None:  # Efron 1965: so many of more samples would lie beyond the hull
            weight[just] *= min(self.corners * float(weight[inside].sum()) / max(float(weight[just].sum()), 1e-6), 1.0)
        relative = np.where(inside, self.within(distance), self.beyond(distance))
        if not isinstance(self.own, float):
            relative = np.hypot(relative, np.float32(_MEAN_ABS) * self.own[some])
        error = weight * relative

        def mean(chosen: NDArray[np.bool_] | bool) -> float:
            total = float(weight.sum(where=chosen))
            return float(error.sum(where=chosen)) / total if total > 0 else float("nan")

        return mean(True), Reach(float(near.mean()), self.reach, mean(near), mean(~near))


def expected_error(samples: Samples, residual: Floats, left_out: LeftOut | None) -> ExpectedError:
    """What to expect of a result.

    Args:
        samples: at least one. residual: (N,) ln of their depth by that of the fit of the whole image there.
        left_out: of them; its errors are those of the result that is judged. None: it is the fit, without a correction.
    """
    distance, own = _nearest(samples)
    hull, corners = _hull(samples)
    if left_out is None or not len(left_out):
        error = np.abs(np.expm1(np.clip(-residual, -MOST, MOST))).mean(keepdims=True)
        same = Curve.of(np.ones(1), error, np.ones(1), power=0.0)
        return ExpectedError(
            same, same, distance, hull, own, corners, max(float(np.quantile(distance[hull], _REACH)), 1.0)
        )
    inside = left_out.inside
    beyond = _beyond(samples, residual, left_out)
    within = beyond
    if inside.any():
        error = left_out.relative[inside]
        error *= 1 + left_out.cut * _CUT / max(float(error.mean()), _LEAST)
        nearby = zip((left_out.distance[inside], error), _along(samples, residual), strict=True)
        within = Curve.of_left_out(*(np.concatenate(of) for of in nearby))
    reach = float(np.quantile(left_out.distance[inside] if inside.any() else left_out.distance, _REACH))
    return ExpectedError(within, beyond, distance, hull, own, corners, max(reach, 1.0))


def _along(samples: Samples, residual: Floats) -> tuple[Floats, Floats]:
    """Distances and errors of samples that are predicted from the two beside them in their beam; none without beams.

    Where whole beams are left out, nothing else tells the error near samples.
    """
    nothing = np.zeros(0, dtype=np.float32)
    if samples.group is None or len(samples) < _MIN_PAIRED:
        return nothing, nothing
    order = np.lexsort((samples.columns, samples.group))
    group, depth, lacks = samples.group[order], np.log(samples.depth[order]), residual[order]
    apart = np.hypot(np.diff(samples.rows[order]), np.diff(samples.columns[order])).astype(np.float32)
    near = (group[2:] == group[:-2]) & (group[1:-1] >= 0)
    if np.count_nonzero(near) < _MIN_PAIRED:
        return nothing, nothing
    distance = np.minimum(apart[1:], apart[:-1])[near]
    errors = [np.abs(np.expm1(of[1:-1] - (of[2:] + of[:-2]) / 2))[near] for of in (depth, lacks)]
    some = slice(None, None, max(len(distance) // _PAIRED, 1))
    return distance[some], min(errors, key=lambda of: float(of.mean()))[some].astype(np.float32)


def _beyond(samples: Samples, residual: Floats, left_out: LeftOut) -> Curve:
    """One of two samples is predicted from the other, so many pixels away, as the result is beyond the hull."""
    rng = np.random.default_rng(len(samples))
    one, other = (rng.choice(len(samples), min(_PAIRED, len(samples)), replace=False) for _ in range(2))
    place = (of.astype(np.float32) for of in (samples.rows, samples.columns))
    down, across = (np.abs(of[one][:, None] - of[other]) for of in place)
    apart = np.hypot(down, across)
    if samples.group is None or np.ptp(samples.group):
        # Above and below a lidar's beams the scene is another than beside a third of the image.
        above, beside = (sum(of) for of in _margins(samples))
        apart[down < across if above > beside else down > across] = 0
        if samples.group is not None:
            apart[samples.group[one][:, None] == samples.group[other]] = 0
    fit = float(np.abs(np.expm1(np.clip(-residual, -MOST, MOST))).mean())
    octave = np.rint(np.log2(np.maximum(apart, 1e-3))).astype(np.int64) - _PAIR_OCTAVES[0]
    a, b = np.nonzero((octave >= 0) & (octave < len(_PAIR_OCTAVES)))
    octave = octave[a, b]
    pixels = np.float32(2) ** np.array(_PAIR_OCTAVES, dtype=np.float32)
    ratio, depth = left_out.outside(pixels)[:2, octave]
    distinct = np.bincount(octave * len(one) + a, minlength=len(pixels) * len(one)).reshape(len(pixels), -1)
    counts = np.count_nonzero(distinct, axis=1)
    log_depth, a, b = np.log(samples.depth), one[a], other[b]
    error = ratio * residual[b] + depth * (log_depth[b] - log_depth[a] + residual[a]) - residual[a]
    errors = np.bincount(octave, np.abs(np.expm1(np.clip(error, -MOST, MOST))), len(pixels))
    enough = counts >= _MIN_PAIRED
    if not enough.any():
        return Curve.of(np.array([2.0 ** _PAIR_OCTAVES[-1]]), np.array([fit]), np.ones(1))
    outward = _OUTWARD if samples.group is None or not np.ptp(samples.group) else 1.0
    errors = np.minimum(errors[enough] / distinct.sum(axis=1)[enough], fit)
    return Curve.of(pixels[enough], outward * errors, counts[enough].astype(np.float64))


def _margins(samples: Samples) -> tuple[tuple[float, float], tuple[float, float]]:
    """((above, below), (left, right)) of all samples, by the height and the width of the image."""
    of = ((samples.rows, samples.size[0]), (samples.columns, samples.size[1]))
    vertical, horizontal = ((float(at.min()) / side, 1 - (float(at.max()) + 1) / side) for at, side in of)
    return vertical, horizontal


def _nearest(samples: Samples) -> tuple[Floats, Floats | float]:
    """(h, w) pixels to the nearest sample, and its relative standard deviation, 0 where none is known."""
    height, width = ((side - 1) // STEP + 1 for side in samples.size)
    rows, columns = samples.rows // STEP, samples.columns // STEP
    free = np.ones((height, width), dtype=np.uint8)
    free[rows, columns] = 0
    if samples.sigma is None:
        return STEP * cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_5), 0.0
    distance, label = cv2.distanceTransformWithLabels(
        free, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    own = np.zeros(int(label.max()) + 1, dtype=np.float32)
    own[label[rows, columns]] = samples.sigma / samples.depth
    return STEP * distance, own[label]


def _field_of_view(samples: Samples, shape: tuple[int, int]) -> Floats:
    """(h, w) from 0 to 1, how much a pixel out of reach of all samples counts; of every 2 STEP-th pixel."""
    (above, below), (left, right) = _margins(samples)
    row, column = ((np.arange(side) + 0.5) / side for side in shape)
    of_above, of_below, of_left, of_right = (
        min(of / _MARGIN, 1) ** 1.5 for of in (min(above, below), below, left, right)
    )
    of_row = np.where(row < above, of_above, np.where(row > 1 - below, of_below, 0))
    of_column = np.where(column < left, of_left, np.where(column > 1 - right, of_right, 0))
    found: Floats = np.maximum(of_row[:, None], of_column).astype(np.float32)
    return found


def _hull(samples: Samples) -> tuple[NDArray[np.bool_], float]:
    """(h, w) bool, within the convex hull; and the share of the samples that are corners of it."""
    height, width = ((side - 1) // STEP + 1 for side in samples.size)
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[samples.rows // STEP, samples.columns // STEP] = 1
    rows = np.flatnonzero(mask.any(axis=1)).astype(np.int32)
    ends = mask[rows].argmax(axis=1), width - 1 - mask[rows, ::-1].argmax(axis=1)  # of each row: no others are corners
    points = np.stack((np.concatenate(ends).astype(np.int32), np.tile(rows, 2)), axis=1)
    corners = cv2.convexHull(points)
    cv2.fillConvexPoly(mask, corners, 1)
    return mask.view(bool), len(corners) / len(samples)


def _measurable(depth: Floats, samples: Samples) -> Floats:
    """From 0 to 1, of every 2 STEP-th pixel as the depth: samples a pixel of such depth, by those of the image."""
    bins = int(np.clip(len(samples) // _IN_DEPTH_BIN, 1, _DEPTH_BINS))
    with np.errstate(invalid="ignore", divide="ignore"):
        inverse = np.where(depth > 0, 1 / depth, 0)
    edges = np.quantile(inverse[::2, ::2], np.linspace(0, 1, bins + 1)[1:-1]) if bins > 1 else np.zeros(0)
    number = np.searchsorted(edges.astype(np.float32), inverse)
    pixels = np.bincount(number.ravel(), minlength=bins)
    given = np.bincount(number[samples.rows // (2 * STEP), samples.columns // (2 * STEP)], minlength=bins)
    density = given / np.maximum(pixels, 1) / (len(samples) / depth.size)
    found: Floats = np.minimum(np.maximum.accumulate(density), 1.0).astype(np.float32)[number]
    return found


def _isotonic(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pool adjacent violators (Ayer et al. 1955)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (v1, w1, n1), (v2, w2, n2) = pools[-2:]
            pools[-2:] = [((v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, n1 + n2)]
    return np.concatenate([np.full(count, value) for value, _, count in pools])
