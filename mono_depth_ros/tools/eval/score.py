# SPDX-License-Identifier: Apache-2.0
"""What is kept of a model's results: metrics of each image, sums over all pixels, and the images to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import DataError
from mono_depth_ros.metrics import DepthMetrics, MetricsSum, valid_pairs
from mono_depth_ros.tools.eval.flicker import Flicker, FlickerSum

METRICS = tuple(item.name for item in fields(DepthMetrics) if item.name != "n")

ERROR_EDGES = np.linspace(-1.0, 1.0, 81)
"""Bins of the signed relative error (prediction - truth) / truth; what lies outside counts in the outermost."""

DISTANCE_EDGES_M = np.geomspace(0.25, 256.0, 41)
"""Bins of the true distance: four for each doubling."""

_FINE_EDGES = np.linspace(0.0, 1.0, 201)  # of the absolute relative error, for its median by distance


@dataclass(frozen=True)
class ImageScore:
    """Of one image: its metrics, the part of its pixels that count of which the model has a depth, its alignment."""

    metrics: DepthMetrics
    coverage: float
    scale: float
    shift: float


@dataclass(frozen=True, eq=False)
class Shown:
    """An image for the report: rgb (H, W, 3) uint8, depth and truth (H, W) metres; truth NaN where nothing counts."""

    name: str
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    truth: NDArray[np.float32]
    score: ImageScore


@dataclass(eq=False)
class ModelScore:
    """Accumulates one model on one data set.

    Attributes:
        scores: by the name of the image. failed: why there is none. total: pooled over all pixels.
        signed: (80,) pixels a bin of `ERROR_EDGES`. by_distance: (40, 200) pixels a bin of true distance and of
            absolute relative error. keep: names of images for `shown`; None picks the `most` best and worst.
    """

    model: str
    kind: str
    engine: str
    licence: str
    most: int = 3
    keep: frozenset[str] | None = None
    scores: dict[str, ImageScore] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    total: MetricsSum = field(default_factory=MetricsSum)
    signed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(ERROR_EDGES) - 1))
    by_distance: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros((len(DISTANCE_EDGES_M) - 1, len(_FINE_EDGES) - 1))
    )
    flickers: dict[str, FlickerSum] = field(default_factory=dict)
    shown: list[Shown] = field(default_factory=list)
    counted: int = 0
    known: int = 0
    seconds: float = 0.0

    def add(
        self, name: str, rgb: NDArray[np.uint8], depth: NDArray[np.float64], truth: NDArray[np.float64],
        mask: NDArray[np.bool_], scale: float, shift: float,
    ) -> None:  # fmt: skip
        """Count one image.

        Args:
            depth: (H, W) metres, NaN unknown, +inf beyond range. truth: likewise. mask: (H, W), pixels that count.

        Raises:
            DataError: the model has no depth at any of them.
        """
        predicted, true = valid_pairs(depth, truth, mask)
        count = int(mask.sum())
        self.counted += count
        if not predicted.size:
            raise DataError(f"found no depth at any of the {count} pixels with ground truth, expected some")
        one = MetricsSum()
        one.add(predicted, true)
        score = ImageScore(one.result(), predicted.size / count, scale, shift)
        self.scores[name] = score
        self.known += predicted.size
        self.total.add(predicted, true)
        relative = (predicted - true) / true
        self.signed += np.histogram(np.clip(relative, -1.0, 1.0), ERROR_EDGES)[0]
        distance = np.clip(true, DISTANCE_EDGES_M[0], DISTANCE_EDGES_M[-1])
        edges = (DISTANCE_EDGES_M, _FINE_EDGES)
        self.by_distance += np.histogram2d(distance, np.minimum(np.abs(relative), 1.0), bins=edges)[0]
        self._show(Shown(name, rgb, depth.astype(np.float32), np.where(mask, truth, np.nan).astype(np.float32), score))

    def _show(self, image: Shown) -> None:
        if self.keep is not None:
            if image.name in self.keep:
                self.shown.append(image)
            return
        self.shown.append(image)
        self.shown.sort(key=lambda shown: shown.score.metrics.abs_rel)
        if len(self.shown) > 2 * self.most:
            del self.shown[self.most]  # neither among the best nor among the worst so far

    def per_image(self) -> dict[str, DepthMetrics]:
        """The metrics by the name of the image."""
        return {name: score.metrics for name, score in self.scores.items()}

    def mean(self) -> dict[str, float]:
        """Of each metric the mean over the images, as the papers have it. Raises DataError without images."""
        if not self.scores:
            raise DataError(f"{self.model}: none of {len(self.failed)} images could be compared, expected one")
        rows = [[getattr(score.metrics, name) for name in METRICS] for score in self.scores.values()]
        return dict(zip(METRICS, np.mean(rows, axis=0).tolist(), strict=True))

    def medians_by_distance(self, least_share: float = 0.002) -> list[tuple[float, float, float]]:
        """(from, to) in metres and the median of the absolute relative error there.

        Distances with less than `least_share` of all pixels are left out.
        """
        rows = []
        for k, counts in enumerate(self.by_distance):
            if counts.sum() > least_share * self.by_distance.sum():
                middle = float(np.interp(0.5, np.cumsum(counts) / counts.sum(), _FINE_EDGES[1:]))
                rows.append((float(DISTANCE_EDGES_M[k]), float(DISTANCE_EDGES_M[k + 1]), middle))
        return rows

    def flicker(self) -> list[Flicker]:
        """Of every sequence that has one."""
        found = [one.result() for one in self.flickers.values()]
        return [one for one in found if one is not None]


def flat(scores: Sequence[ModelScore]) -> list[dict[str, Any]]:
    """A row for every image and model: the content of the CSV."""
    return [
        {
            "model": model.model,
            "image": name,
            **{metric: getattr(score.metrics, metric) for metric in METRICS},
            "n": score.metrics.n,
            "coverage": score.coverage,
            "scale": score.scale,
            "shift": score.shift,
        }
        for model in scores
        for name, score in model.scores.items()
    ]
