# SPDX-License-Identifier: Apache-2.0
"""Depth of a network that was given the samples as its prompt: how right it is, and depth beyond its range.

Nothing is fitted: it is metres already. Two things are left to do.

The error to expect. A network that saw all samples says nothing new at them. So groups of them are held back, every
second line of a lidar's or every fifth sample, the network is run with the rest, and the errors at those that it did
not see are spread over the image by their distance, as those of other alignments are.

Beyond the range. Such a network cannot leave the range of its prompt: where its depth comes to an end of that range,
the confidence is 0 and the true depth may be anything beyond. There, and only there, its depth is multiplied by the
local correction that all samples make of it, which knows no such bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.align import at, over_the_image
from mono_depth_ros.alignment.expected_error import STEP, expected_error
from mono_depth_ros.alignment.held_out import lines
from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.local_correction import corrected
from mono_depth_ros.alignment.nearest import nearest_sample
from mono_depth_ros.alignment.result import Alignment, Curve, Fit
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.uncertainty import uncertainty
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.prediction import DepthPrediction
from mono_depth_ros.transfer import download

_FOLDS = 5
_MIN_BACK, _MIN_LEFT = 4, 8  # samples that are held back, and that are left


@dataclass(frozen=True, eq=False)
class HeldBack:
    """What the network gave without some of the samples.

    Attributes:
        number: (Q,) int64 which ones. prediction: METRIC, of the others as its prompt.
    """

    number: NDArray[np.int64]
    prediction: DepthPrediction


def held_back(samples: Samples, seed: int) -> NDArray[np.int64]:
    """(Q,) which samples to hold back: every second line where there are lines, else a fifth; none of too few."""
    line = lines(samples)
    if line is not None and line.max() > 0:
        number = np.flatnonzero(line % 2 == seed % 2)
    else:
        number = np.flatnonzero(np.random.default_rng(seed).permutation(len(samples)) % _FOLDS == 0)
    return number if len(number) >= _MIN_BACK and len(samples) - len(number) >= _MIN_LEFT else number[:0]


def prompted_alignment(
    prediction: DepthPrediction,
    samples: Samples,
    back: HeldBack | None,
    config: AlignConfig,
    guide: torch.Tensor | None = None,
    outliers: float = 0.0,
) -> Alignment:
    """How right a prediction is that all samples were the prompt of, and the correction of where it ends.

    Args:
        prediction: METRIC; its confidence is 0 at the ends of the range. samples: the prompt.
        back: without some of them; None: no error is known.
        outliers: part of the samples that there were, 0 to 1, that were left out before.
    """
    correction = _beyond(prediction, samples, guide) if config.local else None
    fitted = at(prediction.values, samples)
    residual = np.log(samples.depth / np.where(fitted > 0, fitted, samples.depth))
    fit = Fit(Curve.SCALE, 1.0, 0.0, np.zeros((2, 2)), 1 - outliers, len(samples), float(residual.std()))
    if back is None or not len(back.number):
        return Alignment(fit, correction)
    left_out = _errors(back, samples, guide, outliers, config.local)
    expected = expected_error(samples, residual, left_out)
    depth = prediction.values if correction is None else correction.exp() * prediction.values
    (coarse,) = download(depth.detach()[::STEP, ::STEP])
    abs_rel, reach = expected.summary(coarse, samples)
    true = samples.depth[left_out.number]
    after = over_the_image(depth_metrics(true * np.exp(left_out.error), true), abs_rel)
    sigma = uncertainty(depth[::STEP, ::STEP], samples, expected, left_out)
    return Alignment(
        fit,
        correction,
        after=after,
        trusted=after.abs_rel <= config.max_abs_rel,
        reach=reach,
        uncertainty=sigma,
        left_out=left_out,
    )


def _beyond(prediction: DepthPrediction, samples: Samples, guide: torch.Tensor | None) -> torch.Tensor | None:
    """(H, W) ln of the factor at the ends of the range, 0 elsewhere; None where depth comes to none of them."""
    if prediction.confidence is None:
        return None
    ends = prediction.confidence <= 0
    if not bool(ends.any()):
        return None
    correction = corrected(prediction.values, samples, guide)[0]
    return torch.where(ends, correction, torch.zeros_like(correction))


def _errors(back: HeldBack, samples: Samples, guide: torch.Tensor | None, outliers: float, local: bool) -> LeftOut:
    """Of the samples that the network did not see."""
    seen = np.ones(len(samples), dtype=bool)
    seen[back.number] = False
    rest, unseen = samples.select(seen), samples.select(~seen)
    values, correction = back.prediction.values, _beyond(back.prediction, rest, guide) if local else None
    found = at(values if correction is None else correction.exp() * values, unseen)
    known = np.isfinite(found) & (found > 0)
    distance = nearest_sample(rest.rows, rest.columns, samples.size)[1]
    hull = np.zeros(samples.size, dtype=np.uint8)
    corners = cv2.convexHull(np.stack((rest.columns, rest.rows), axis=1).astype(np.int32))
    cv2.fillConvexPoly(hull, corners, 1)
    unseen, found = unseen.select(known), found[known]
    return LeftOut(
        np.flatnonzero(~seen)[known],
        np.log(found / unseen.depth),
        distance[unseen.rows, unseen.columns],
        hull[unseen.rows, unseen.columns].astype(bool),
        outliers=outliers,
    )
