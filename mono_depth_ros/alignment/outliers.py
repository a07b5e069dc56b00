# SPDX-License-Identifier: Apache-2.0
"""Samples that nothing speaks for: left out before anything is fitted, or interpolated from them.

A depth far from the prediction may well be true, of something the network missed, and then neighbours on the same thing
agree: in depth, or in what the prediction lacks. So a sample is contradicted only where it is far from the median of
its neighbours in both, and hardly one of them agrees with it. A few such samples are in every scene, on thin things and
at edges: they go only where they are far from the whole prediction too. Where there are many the sensor errs, and all
go; then it is looked again, among those that stay.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.kriging import noisy
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.triangulation import Triangulation

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

_MIN_SAMPLES = 9
_CELL = 1.5  # spacings of the samples
_OCCUPIED = 3  # samples of a cell that has some, at most, on average: in lines they are nearer than spread evenly
_NEAREST, _ENOUGH = 8, 6  # neighbours of a sample; with fewer it is looked farther away
_FEW = 4000  # of more samples all around count, and it is not looked farther
_USUAL_OF = 2000  # of so many of many samples
_FAR, _AGREE = 0.15, 0.07  # of ln d: from the median of the neighbours, and from one of them
_MANY, _MANY_OF_FEW = 0.04, 0.5  # of all samples; and so much by the root of their number
_TIMES_USUAL = 3.0  # the usual distance to the median, which grows as samples get few
_LEAST_FAR = 0.1  # where the samples and the prediction agree well, less is far
_SIGMAS, _SIGMAS_OF_MANY, _MIN_DEVIATION = 4.0, 3.5, 0.025  # robust deviations from the whole prediction; of ln d
_VERY_FAR = 9.0  # likewise
_AGREE_OF_MANY = 0.05  # where many are wrong
_NEEDED = (2, 4)  # of the neighbours that stay must agree, and with a sample far from the prediction
_TOLD_OF, _FOLDS = 2000, 5  # of no more samples each is told from others
_RIGHT, _WRONG = 8.0, 18.0  # robust deviations of what others tell of those that stay
_MORE = 0.1  # go then at most, by those that went before: edges are told as wrongly as outliers
_ALIKE, _SUPPORT = 0.04, (1.1, 1.8, 4.0)  # of ln d, where a neighbour counts 1/e; so much of eight is needed, and of
# a sample far, and very far, from the prediction


def contradicted(samples: Samples, prediction: NDArray[np.floating]) -> Flags:
    """(N,) which samples to leave out.

    Args:
        prediction: (N,) metres at the samples, of any scale. Where it is not finite and positive, depth alone counts.
    """
    count = len(samples)
    if count < _MIN_SAMPLES:
        return np.zeros(count, dtype=bool)
    log_depth = np.log(samples.depth)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = log_depth - np.log(prediction.astype(np.float32))
    ratio = np.where(np.isfinite(ratio), ratio, np.float32(np.nan))
    off = _off(ratio)
    needed = np.where(off > _VERY_FAR, 2, 1)  # two outliers in one place may agree by chance
    wrong = _wrong(samples, log_depth, ratio, np.ones(count, dtype=bool), _FAR, _AGREE, needed)
    if wrong.mean() <= _MANY + _MANY_OF_FEW / count**0.5:
        return wrong & ~(off <= _SIGMAS)
    far = _off(ratio, ~wrong) > _SIGMAS_OF_MANY
    wrong = _wrong(samples, log_depth, ratio, ~wrong, _LEAST_FAR, _AGREE_OF_MANY, np.where(far, *_NEEDED[::-1]))
    wrong = _unsupported(samples, log_depth, ratio, ~wrong)
    if count > _TOLD_OF or count - np.count_nonzero(wrong) < _MIN_SAMPLES or noisy(samples):  # weighed one by one later
        return wrong
    told = _told(samples, log_depth, ratio, ~wrong)
    known = told[~wrong & np.isfinite(told)]
    if not known.size:
        return wrong
    usual = 1.4826 * float(np.median(known))
    rare = float(np.quantile(known, 1 - _MORE * wrong.mean()))
    found: Flags = np.where(wrong, ~(told < _RIGHT * usual), told > max(_WRONG * usual, _LEAST_FAR, rare))
    return found


def _told(samples: Samples, log_depth: Floats, ratio: Floats, kept: Flags) -> Floats:
    """(N,) how far ln d of each is from what others that are kept tell, in 1/d or in the ratio, whichever is nearer;
    NaN where none are on all sides."""
    found = np.full(len(samples), np.nan, dtype=np.float32)
    inverse = np.exp(-log_depth)
    fold = np.random.default_rng(len(samples)).permutation(len(samples)) % _FOLDS
    for number in range(_FOLDS):
        of, others = np.flatnonzero(fold == number), np.flatnonzero((fold != number) & kept)
        triangles = Triangulation(samples.rows, samples.columns, samples.size, others)
        within, corners = triangles.around(samples.rows[of], samples.columns[of])
        at = of[within]
        weights = triangles.places(at, corners, samples.rows[at], samples.columns[at], np.inf).weights
        by_depth, by_ratio = ((weights * of_all.take(corners)).sum(axis=0) for of_all in (inverse, ratio))
        found[at] = np.fmin(np.abs(np.log(by_depth) + log_depth[at]), np.abs(by_ratio - ratio[at]))
    return found


def _off(ratio: Floats, kept: Flags | None = None) -> Floats:
    """(N,) robust deviations of ln d from the prediction; NaN where there is none."""
    known = ratio[np.isfinite(ratio) if kept is None else np.isfinite(ratio) & kept]
    if not known.size:
        return np.full(len(ratio), np.nan, dtype=np.float32)
    middle = float(np.median(known))
    found: Floats = np.abs(ratio - middle) / max(1.4826 * float(np.median(np.abs(known - middle))), _MIN_DEVIATION)
    return found


def _wrong(
    samples: Samples, log_depth: Floats, ratio: Floats, kept: Flags, far: float, agree: float, needed: NDArray[np.int64]
) -> Flags:
    """(N,) which are far from the neighbours that are kept, with fewer than `needed` (N,) of these alike."""
    of = np.arange(len(samples))
    if len(samples) > _FEW:  # some say what is usual, and of the others most have neighbours alike
        some = of[kept][:: len(samples) // _USUAL_OF]
        cell = _cell(samples)
        usual = _usual(_differences(_in_cells(samples, some, kept, cell), some, log_depth, ratio)[0])
        of = np.flatnonzero(_alike(samples, log_depth, ratio, kept, cell, max(agree, usual / 2)) < needed)
        index = _in_cells(samples, of, kept, cell)
        away, apart = _differences(index, of, log_depth, ratio)
    else:
        index = neighbours(samples, kept)
        away, apart = _differences(index, of, log_depth, ratio)
        usual = _usual(away[kept])
    enough = np.minimum(needed[of], np.maximum((index >= 0).sum(axis=1) // 2, 1))
    alike = (apart < max(agree, usual / 2)).sum(axis=1)
    found = np.zeros(len(samples), dtype=bool)
    found[of] = np.isfinite(away) & (away > max(min(far, max(_LEAST_FAR, 2 * usual)), usual)) & (alike < enough)
    return found


def _usual(away: Floats) -> float:
    return _TIMES_USUAL * float(np.median(away)) if away.size else 0.0


def _alike(
    samples: Samples, log_depth: Floats, ratio: Floats, kept: Flags, cell: float, agree: float
) -> NDArray[np.int64]:
    """(N,) how many others around each are alike, of one of every cell, of those that are kept."""
    key, wide, cells = _keys(samples, cell)
    last = np.full(cells, -1, dtype=np.int64)
    number = np.flatnonzero(kept)
    last[key[number]] = number
    values = [np.where(last >= 0, of.take(last), np.float32(np.nan)) for of in (log_depth, ratio)]
    found = -(last.take(key) == np.arange(len(key))).astype(np.int64)  # none is another than itself
    for offset in (r * wide + c for r in (-1, 0, 1) for c in (-1, 0, 1)):
        beside = key + offset
        by_depth, by_ratio = (
            np.abs(theirs.take(beside) - of) for theirs, of in zip(values, (log_depth, ratio), strict=True)
        )
        found += (by_depth < agree) | (by_ratio < agree)
    return found


def _unsupported(samples: Samples, log_depth: Floats, ratio: Floats, kept: Flags) -> Flags:
    """(N,) which are far from the neighbours that are kept, and these, weighted, speak too little for them."""
    index = neighbours(samples, kept)
    there = index >= 0
    away, apart = _differences(index, np.arange(len(index)), log_depth, ratio)
    usual = float(np.median(away[kept]))
    distance = np.hypot(samples.rows[index] - samples.rows[:, None], samples.columns[index] - samples.columns[:, None])
    weight = np.where(there, np.exp(-distance / max(float(np.median(distance[there])), 1.0)), 0)
    support = (weight * np.exp(-apart / max(_ALIKE, usual))).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    off = _off(ratio, kept)
    needed = np.select((off > _VERY_FAR, off > _SIGMAS_OF_MANY), _SUPPORT[:0:-1], _SUPPORT[0]) / _NEAREST
    found: Flags = np.isfinite(away) & (away > max(_LEAST_FAR, 2 * usual)) & (support < needed)
    return found


def _differences(
    index: NDArray[np.int64], of: NDArray[np.int64], log_depth: Floats, ratio: Floats
) -> tuple[Floats, Floats]:
    """(Q,) of ln d, from the median of the neighbours (Q, K), and (Q, K) from each, inf where there is none: in depth
    or in the ratio, whichever is less."""
    away, apart = np.full(len(index), np.inf, dtype=np.float32), np.full(index.shape, np.inf, dtype=np.float32)
    for values in (log_depth, ratio):
        theirs, own = np.where(index >= 0, values.take(index), np.float32(np.nan)), values.take(of)
        away = np.fmin(away, np.abs(own - _median(theirs)))
        apart = np.fmin(apart, np.abs(theirs - own[:, None]))
    return away, apart


def neighbours(samples: Samples, kept: Flags) -> NDArray[np.int64]:
    """(N, K) others around each, of those that are kept, nearly the nearest; -1: none."""
    return _of_all(samples) if kept.all() else _neighbours(samples, kept)


@lru_cache(maxsize=1)
def _of_all(samples: Samples) -> NDArray[np.int64]:
    """Which are asked for twice."""
    return _neighbours(samples, np.ones(len(samples), dtype=bool))


def _neighbours(samples: Samples, kept: Flags) -> NDArray[np.int64]:
    count, cell = len(samples), _cell(samples)
    found = _in_cells(samples, np.arange(count), kept, cell)
    if count > _FEW:
        return found
    found = _nearest(samples, np.arange(count), found)
    while cell < max(samples.size):
        cell *= 2
        alone = np.flatnonzero((found >= 0).sum(axis=1) < _ENOUGH)
        if not len(alone):
            break
        found[alone] = _nearest(samples, alone, _in_cells(samples, alone, kept, cell))
    return found


def _cell(samples: Samples) -> float:
    """Pixels, of a side of the cells in which neighbours are looked for."""
    count, (height, width) = len(samples), samples.size
    cell = _CELL * (height * width / count) ** 0.5
    while cell > 2:
        key, _, cells = _keys(samples, cell)
        if np.count_nonzero(np.bincount(key, minlength=cells)) * _OCCUPIED >= count:
            break
        cell /= 2
    return cell


def _keys(samples: Samples, cell: float) -> tuple[NDArray[np.int64], int, int]:
    """(N,) number of each sample's cell, with one more all around; cells in a row, and in all."""
    high, wide = (int(side / cell) + 3 for side in samples.size)
    row, column = ((of * (1 / cell)).astype(np.int64) + 1 for of in (samples.rows, samples.columns))
    return row * wide + column, wide, high * wide


def _in_cells(samples: Samples, of: NDArray[np.int64], kept: Flags, cell: float) -> NDArray[np.int64]:
    """(Q, 18) of the cell of each sample and of the eight beside it two of those that are kept; -1: none, or itself."""
    key, wide, cells = _keys(samples, cell)
    number = np.flatnonzero(kept)
    last, first = np.full(cells, -1, dtype=np.int64), np.full(cells, -1, dtype=np.int64)
    last[key[number]] = number
    first[key[number[::-1]]] = number[::-1]
    first[first == last] = -1
    around = key[of, None] + np.array([r * wide + c for r in (-1, 0, 1) for c in (-1, 0, 1)])
    found = np.concatenate((last[around], first[around]), axis=1)
    return np.where(found == of[:, None], -1, found)


def _nearest(samples: Samples, of: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.int64]:
    """(Q, 8) of (Q, K)."""
    rows, columns = samples.rows, samples.columns
    away = (rows[found] - rows[of, None]) ** 2 + (columns[found] - columns[of, None]) ** 2
    away[found < 0] = np.iinfo(away.dtype).max
    return np.take_along_axis(found, np.argpartition(away, _NEAREST, axis=1)[:, :_NEAREST], axis=1)


def _median(values: Floats) -> Floats:
    """(N,) of each row of (N, K) without its NaN; NaN where nothing else is."""
    ordered = np.sort(values, axis=1)  # NaN at the end
    last = np.maximum(np.isfinite(ordered).sum(axis=1) - 1, 0)[:, None]
    low, high = (np.take_along_axis(ordered, of, axis=1)[:, 0] for of in (last // 2, (last + 1) // 2))
    found: Floats = ((low + high) / 2).astype(np.float32)
    return found
