# SPDX-License-Identifier: Apache-2.0
"""A part of the image whose samples all err alike: a mirror, an object of a map that moved, a wrong match of stereo.

Within such a part neighbours agree, so none is contradicted; but all around it depth and its ratio to the prediction
jump together, by about the same factor, where the picture shows no edge. A true thing jumps in depth, and the
prediction mostly with it. Where the prediction missed it, its border is an edge of the picture, the jump changes with
what is behind it, and where it stands on the floor there is none.

So each pair of neighbours is evidence for or against a border of one factor between them: the logarithm of a ratio of
likelihoods, of the jump and of the edge in the picture. Sought is the part with the most evidence a pair along its
border. If each pair on the border has a price, that is a cut of a graph, which the mean field finds (Geiger and Girosi
1991); the price then goes up to what was found (Dinkelbach 1967).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.nearest import nearest_sample
from mono_depth_ros.alignment.outliers import neighbours
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.transfer import download

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

MOST_LEFT_OUT = 0.2
"""Share of the samples: a smaller part that stands apart is wrong; of a larger one nobody knows it."""

_MIN_SAMPLES, _MOST = 60, 500  # fewer have no parts; of more, some are looked at
_GRID = 2  # pixels
_SHARE = 0.08  # of the samples, in the smaller part
_MIN_BORDER, _FULL_BORDER = 24, 80  # pairs, each counted from both sides: of fewer the evidence counts less
_MOST_BORDER = 0.6  # of the pairs of the smaller part: more, and these are single samples
_FACTORS, _MIN_FACTOR = (0.65, -0.65), 0.3  # ln of the factor, to begin with, and at least
_SCALE, _MOST_EVIDENCE = 0.1, 3.0  # of ln d, of the Cauchy distribution of the jumps between neighbours; of one pair
_EDGE, _OF_PICTURE = 3.5, 1.5  # so many times as likely is the strongest edge on a true border; weight of such evidence
_PICTURE_PX, _ALONG = 160, 5  # width of the picture that is looked at; places between two samples
_ROUNDS, _STEPS, _SWEEPS = 4, 16, 4
_RADIUS = 0.99  # spectral, of the iteration that Chebyshev's method makes faster
_LEVELS = (-0.4, -0.2, 0.0, 0.2, 0.4)
_SEEDS, _SEED_SHARE, _SEED_SWEEPS = (3, 4), 0.33, 5  # rows and columns of parts to begin with, of this share
_PRICE, _OF_FOUND = 2.0, 0.8
_HOPE = -0.5  # evidence of a pair without the picture: with less it is not looked at
_EVIDENCE = 1.8  # of a pair, enough
_WITHIN = 0.15  # of the pairs that are not on the border jump by half of the factor, at most: else it is noise
# More is asked below and above these shares, by so much for a share of 1: small parts are many, and about half of many
# an image is one thing before the rest; and for factors below this, of ln: things are so far before others.
_USUAL, _SMALLER, _LARGER, _MOST_MORE = (0.25, 0.35), 9.0, 4.0, 0.9
_LARGE_FACTOR, _SMALL_FACTOR = 0.55, 3.0
_POOR = 0.05  # of ln d, median between neighbours: a prediction that leaves so much has missed things


@dataclass(frozen=True, eq=False)
class Cluster:
    """The smaller of two parts.

    Attributes:
        part: (N,) bool, which samples. factor: their depth by that of the samples around, as it jumps there.
        evidence: of a pair of neighbours on the border, natural logarithm.
        poor: 0 to 1, how poor the prediction is.
    """

    part: Flags
    factor: float
    evidence: float
    poor: float

    @property
    def share(self) -> float:
        """Of the samples."""
        return float(self.part.mean())

    @property
    def excess(self) -> float:
        """The evidence beyond what is asked of such a part."""
        small, large = _USUAL
        more = _SMALLER * max(small - self.share, 0.0) + _LARGER * max(self.share - large, 0.0)
        near = _SMALL_FACTOR * self.poor * max(_LARGE_FACTOR - abs(float(np.log(self.factor))), 0.0)
        return self.evidence - _EVIDENCE - min(more, _MOST_MORE) - near


def cluster(samples: Samples, prediction: NDArray[np.floating], guide: torch.Tensor | None = None) -> Cluster | None:
    """The part that stands apart, or None.

    Args:
        prediction: (N,) metres at the samples, of any scale.
        guide: (H, W, 3) uint8 RGB image, where there is one.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.flatnonzero(np.isfinite(np.log(prediction)))
    if len(known) > _MOST:
        known = known[np.linspace(0, len(known) - 1, _MOST).astype(np.int64)]
    if len(known) < _MIN_SAMPLES:
        return None
    chosen = samples if len(known) == len(samples) else samples.select(known)
    pairs = _Pairs(chosen, prediction[known])
    found = _search(pairs, guide)
    if found is None or found.excess < 0 or pairs.jumps_within(found) > _WITHIN:
        return None
    if len(known) == len(samples):
        return found
    height, width = (-(-side // _GRID) for side in samples.size)
    nearest, _ = nearest_sample(chosen.rows // _GRID, chosen.columns // _GRID, (height, width))
    return replace(found, part=found.part[nearest[samples.rows // _GRID, samples.columns // _GRID]])


def _search(pairs: _Pairs, guide: torch.Tensor | None) -> Cluster | None:
    """The part with the most evidence beyond what is asked."""
    if all(one.evidence < _HOPE for factor in _FACTORS for one in pairs.parts(factor, _PRICE)):
        return None
    pairs.look_at(guide)
    seeds = pairs.seeds()
    found = [one for factor in _FACTORS for one in pairs.parts(factor, _PRICE, seeds)]
    best: Cluster | None = None
    for _ in range(_ROUNDS):
        last = max(found, key=lambda one: one.excess, default=None)
        if last is None or (best is not None and last.excess <= best.excess):
            break
        best = last
        start = np.where(best.part, np.float32(1), np.float32(-1))
        found = list(pairs.parts(float(np.log(best.factor)), max(_PRICE, _OF_FOUND * best.evidence), [start]))
    return best


class _Pairs:
    """Each sample with its neighbours."""

    def __init__(self, samples: Samples, prediction: NDArray[np.floating]) -> None:
        self._samples = samples
        self._index = np.ascontiguousarray(neighbours(samples, np.ones(len(samples), dtype=bool)).T)  # (8, N)
        self._there = self._index >= 0
        log_depth = np.log(samples.depth)
        ratio = log_depth - np.log(prediction.astype(np.float32))
        of_depth, of_ratio = (of.take(self._index) - of for of in (log_depth, ratio))
        less = np.where(np.abs(of_depth) < np.abs(of_ratio), of_depth, of_ratio)
        self._jump = np.where(self._there & (of_depth * of_ratio > 0), less, np.float32(0))
        self._poor = min(float(np.median(np.abs(of_ratio[self._there]))) / _POOR, 1.0)
        self._usual = np.log1p((self._jump / np.float32(_SCALE)) ** 2)
        self._no_edge = np.zeros_like(self._jump)

    def look_at(self, guide: torch.Tensor | None) -> None:
        """Take the edges of the picture (H, W, 3) for evidence too."""
        if guide is not None:
            rank = np.maximum(_edge_rank(self._samples, self._index, self._there, guide), np.float32(0.02))
            density = np.float32(np.log(_EDGE)) + np.float32(_EDGE - 1) * np.log(rank)
            self._no_edge = np.float32(_OF_PICTURE) * np.minimum(-density, 2)

    def seeds(self) -> list[Floats]:
        """(N,) each, 1 in a part to begin with, -1 else: about places where samples are."""
        rows, columns = self._samples.rows, self._samples.columns
        found = []
        for column in _middles(columns, _SEEDS[1]):
            near = np.argsort(np.abs(columns - column))[: len(columns) // _SEEDS[1]]
            for row in _middles(rows[near], _SEEDS[0]):
                away = np.hypot(rows - row, columns - column)
                found.append(np.where(away <= np.quantile(away, _SEED_SHARE), 1, -1).astype(np.float32))
        return found

    def parts(self, factor: float, price: float, seeds: Sequence[Floats] = ()) -> Iterator[Cluster]:
        """Cuts for ln of a factor: of the linear problem at several levels, and from parts to begin with."""
        gain = []
        for signed in (factor, -factor):  # into the part, and out of it
            apart = np.log1p(((self._jump - np.float32(signed)) / np.float32(_SCALE)) ** 2)
            gain.append(np.clip(self._usual - apart, -_MOST_EVIDENCE, _MOST_EVIDENCE))
        into, out = (
            np.where(self._there, of - np.float32(price) + np.where(of > 0, self._no_edge, 0), np.float32(0))
            for of in gain
        )
        field, coupling = (out - into).sum(axis=0), np.maximum(-(into + out), 0)
        mean = self._linear(field, coupling, coupling.sum(axis=0) + np.abs(out - into).sum(axis=0) + np.float32(0.2))
        levels = np.array(_LEVELS, dtype=np.float32)[:, None]
        starts = [(np.clip(5 * (mean - levels), -1, 1), _SWEEPS)]
        starts += [(np.stack(seeds), _SEED_SWEEPS)] if len(seeds) else []
        into, out = (of + self._no_edge for of in gain)
        for parts, sweeps in starts:
            for _ in range(sweeps):
                parts = np.tanh(np.float32(0.375) * (field + self._around(coupling, parts)))
            for part in parts > 0:
                found = self._judged(part, into, out)
                if found is not None and abs(np.log(found.factor)) >= _MIN_FACTOR:
                    yield found

    def jumps_within(self, found: Cluster) -> float:
        """How many of the pairs that are not on its border jump by half of its factor or more."""
        within = self._there & (found.part.take(self._index) == found.part)
        return float((np.abs(self._jump[within]) > abs(np.log(found.factor)) / 2).mean())

    def _linear(self, field: Floats, coupling: Floats, total: Floats) -> Floats:
        """(N,) from -1 to 1, out of the part and in it."""
        near, own = coupling / total, field / total
        mean, before, weight = own, np.zeros_like(own), 2.0
        for _ in range(_STEPS):
            weight = 1 / (1 - weight * _RADIUS**2 / 4)
            mean, before = np.float32(weight) * (own + self._around(near, mean) - before) + before, mean
        return mean

    def _around(self, weight: Floats, values: Floats) -> Floats:
        """(..., N) sum of the weighted values (..., N) of the neighbours."""
        found: Floats = (weight * values.take(self._index, axis=-1)).sum(axis=-2)
        return found

    def _judged(self, part: Flags, into: Floats, out: Floats) -> Cluster | None:
        share = float(part.mean())
        if not _SHARE <= share <= 1 - _SHARE:
            return None
        other = part.take(self._index)
        enters, leaves = self._there & (other > part), self._there & (other < part)
        count = np.count_nonzero(enters) + np.count_nonzero(leaves)
        of_part = np.count_nonzero(self._there[:, part if share <= 0.5 else ~part])
        if count < _MIN_BORDER or count > 2 * _MOST_BORDER * of_part:
            return None
        evidence = float(into[enters].sum() + out[leaves].sum()) / max(count, _FULL_BORDER)
        factor = float(np.exp(np.median(np.concatenate((self._jump[enters], -self._jump[leaves])))))
        part, factor = (part, factor) if share <= 0.5 else (~part, 1 / factor)
        return Cluster(part, factor, evidence, self._poor)


def _middles(values: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """(count,) quantiles, in the middle of as many equal parts."""
    return np.asarray(np.quantile(values, (np.arange(count) + 0.5) / count))


def _edge_rank(samples: Samples, index: NDArray[np.int64], there: Flags, guide: torch.Tensor) -> Floats:
    """(8, N), 0 to 1: among all pairs, of how much the picture changes between the two."""
    step = max(round(guide.shape[1] / _PICTURE_PX), 1)
    (coarse,) = download(guide[::step, ::step])
    smooth = cv2.GaussianBlur(np.ascontiguousarray(coarse), (0, 0), 0.8)
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32).reshape(-1, 3)
    row, column = (of.astype(np.float32) / step for of in (samples.rows, samples.columns))
    down, right = row.take(index) - row, column.take(index) - column
    seen = [
        lab[(row + t * down).astype(np.int32) * coarse.shape[1] + (column + t * right).astype(np.int32)]
        for t in np.linspace(0, 1, _ALONG, dtype=np.float32)
    ]
    change = (np.maximum.reduce(seen) - np.minimum.reduce(seen)).sum(axis=2) / np.sqrt(np.hypot(down, right) + 1)
    rank: Floats = (np.searchsorted(np.sort(change[there]), change) / max(np.count_nonzero(there), 1)).astype(
        np.float32
    )
    return rank
