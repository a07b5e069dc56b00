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
from mono_depth_ros.streams.reasons import Reasons
from mono_depth_ros.tools.eval.flicker import Flicker, FlickerSum
from mono_depth_ros.tools.report.errors import ErrorDistribution

METRICS = tuple(item.name for item in fields(DepthMetrics) if item.name != "n")


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
        keep: names of images for `shown`; None picks the `most` best and worst. note: what to know of it, or "".
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
    errors: ErrorDistribution = field(default_factory=ErrorDistribution)
    flickers: dict[str, FlickerSum] = field(default_factory=dict)
    shown: list[Shown] = field(default_factory=list)
    counted: int = 0
    known: int = 0
    seconds: float = 0.0
    note: str = ""

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
        self.errors.add(predicted, true)
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
            why = self.why().words(len(self.failed))
            raise DataError(f"{self.model}: none of {len(self.failed)} images could be compared, expected one: {why}")
        rows = [[getattr(score.metrics, name) for name in METRICS] for score in self.scores.values()]
        return dict(zip(METRICS, np.mean(rows, axis=0).tolist(), strict=True))

    def why(self) -> Reasons:
        """Why images failed."""
        reasons = Reasons()
        for sentence in self.failed.values():
            reasons.add(sentence)
        return reasons

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
