# SPDX-License-Identifier: Apache-2.0
"""Two models on the same images: paired differences, with an interval that says whether they mean anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.metrics import DepthMetrics

COMPARED = ("abs_rel", "rmse_m", "silog", "delta1")
RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """Of one metric, second minus first, over the `n` images that both models have.

    Attributes:
        mean: of the differences. low, high: bootstrap 95 % interval of the mean (percentiles of the means of
            `RESAMPLES` samples of the images with replacement, Efron 1979); None with one image.
        first_wins, second_wins: images on which each is better; the rest are ties.
    """

    metric: str
    first: str
    second: str
    n: int
    mean: float
    low: float | None
    high: float | None
    first_wins: int
    second_wins: int


def compare(first: str, a: Mapping[str, DepthMetrics], second: str, b: Mapping[str, DepthMetrics], seed: int = 0
            ) -> list[Difference]:  # fmt: skip
    """The differences of two models, given their metrics by the name of the image; none where no image is common."""
    names = [name for name in a if name in b]
    if not names:
        return []
    found = []
    for metric in COMPARED:
        difference = np.array([getattr(b[name], metric) - getattr(a[name], metric) for name in names])
        better = difference if metric.startswith("delta") else -difference
        low, high = interval(difference, seed) if len(names) > 1 else (None, None)
        found.append(
            Difference(
                metric, first, second, len(names), float(difference.mean()), low, high,
                first_wins=int((better < 0).sum()), second_wins=int((better > 0).sum()),
            )
        )  # fmt: skip
    return found


def compare_all(models: Sequence[tuple[str, Mapping[str, DepthMetrics]]], seed: int = 0) -> list[dict[str, object]]:
    """`compare` of every two of them, as dictionaries."""
    pairs = combinations(models, 2)
    return [asdict(row) for (first, a), (second, b) in pairs for row in compare(first, a, second, b, seed)]


def interval(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Bootstrap 95 % interval of the mean of values (N,); the same seed gives the same interval."""
    generator = np.random.default_rng(seed)
    chunk = max(1, 2_000_000 // len(values))
    means = [
        values[generator.integers(0, len(values), (min(chunk, RESAMPLES - start), len(values)))].mean(axis=1)
        for start in range(0, RESAMPLES, chunk)
    ]
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5)).tolist()
    return low, high
