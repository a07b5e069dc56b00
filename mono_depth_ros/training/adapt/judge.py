# SPDX-License-Identifier: Apache-2.0
"""Before and after, image by image, and whether the gain is more than chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.errors import DataError
from mono_depth_ros.metrics import DepthMetrics, depth_metrics, fit_affine
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.training.adapt.example import Example

_BLOCK_S = 2.0  # of the test block's parts, whose means count as independent
_BLOCKS = (5, 30)  # of them, at least and at most
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
      2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045)  # fmt: skip
"""Student's t, 97.5 %, of 1 to 29 degrees of freedom."""

Depth = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Judged:
    """One image: depths (H, W) in metres, NaN unknown, of a relative model after the best scale and shift."""

    example: Example
    truth: Depth
    before: Depth
    after: Depth
    metrics_before: DepthMetrics
    metrics_after: DepthMetrics


@dataclass(frozen=True)
class Gain:
    """By how much AbsRel falls, with its 95 % interval: that of the mean of blocks of time (paired t-test)."""

    mean: float
    low: float
    high: float
    blocks: int

    @property
    def sure(self) -> bool:
        """Whether it is more than chance."""
        return self.low > 0


def judge(before: DepthModel, after: DepthModel, examples: Iterable[Example]) -> Iterator[Judged]:
    """Both models on every example that has a depth which they predict too."""
    for example in examples:
        truth = example.depth_map()
        depths = [depth_of(model, example, truth) for model in (before, after)]
        mask = np.logical_and(*(np.isfinite(depth) & (depth > 0) for depth in depths))
        try:
            metrics = [depth_metrics(depth, truth, mask) for depth in depths]
        except DataError:
            continue  # sky, for one of them
        yield Judged(example, truth, depths[0], depths[1], metrics[0], metrics[1])


@torch.inference_mode()
def depth_of(model: DepthModel, example: Example, truth: Depth) -> Depth:
    """(H, W) metres by a model; of a relative one after the least squares fit of inverse depth to the truth."""
    (found,) = model.predict(torch.from_numpy(np.array(example.rgb))[None], [example.camera])
    return in_metres(found, truth)


def in_metres(prediction: DepthPrediction, truth: Depth) -> Depth:
    """As `depth_of`, of a prediction."""
    values: Depth = prediction.values.float().cpu().numpy()
    if prediction.kind is DepthKind.METRIC:
        return values
    known = np.isfinite(truth) & (truth > 0) & np.isfinite(values)
    scale, shift = fit_affine(values[known].astype(np.float64), 1 / truth[known].astype(np.float64))
    with np.errstate(divide="ignore"):
        return (1 / np.maximum(scale * values + shift, 1 / (2 * float(truth[known].max())))).astype(np.float32)


def mean_of(metrics: Sequence[DepthMetrics]) -> dict[str, float]:
    """The mean over images, as papers print it, by name."""
    return {name: float(np.mean([getattr(one, name) for one in metrics])) for name in ("abs_rel", "rmse_m", "delta1")}


def gain(judged: Sequence[Judged]) -> Gain:
    """Of the images in their order.

    Neighbouring frames err alike, so that blocks of time are compared and not images: of two seconds, at least five.

    Raises:
        DataError: there are too few images.
    """
    least, most = _BLOCKS
    if len(judged) < least:
        raise DataError(f"found {len(judged)} images to judge by, expected at least {least}")
    differences = np.array([one.metrics_before.abs_rel - one.metrics_after.abs_rel for one in judged])
    order = sorted(range(len(judged)), key=lambda k: (judged[k].example.source, judged[k].example.stamp_s))
    span_s = judged[order[-1]].example.stamp_s - judged[order[0]].example.stamp_s
    count = min(max(int(span_s / _BLOCK_S), least), most, len(judged))
    means = np.array([differences[part].mean() for part in np.array_split(np.array(order), count)])
    half = _T[count - 2] * float(means.std(ddof=1)) / math.sqrt(count)
    mean = float(means.mean())
    return Gain(mean, mean - half, mean + half, count)
