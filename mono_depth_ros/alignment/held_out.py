# SPDX-License-Identifier: Apache-2.0
"""Samples that are held out and told from the others: every fifth one, or where they lie in lines, every second line.

So between a sample and those it is told from there is a gap such as the sensor has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.extrapolation import around_each
from mono_depth_ros.alignment.interpolation import OF_RATIO, Known, estimates
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.silhouettes import across_edges, alike
from mono_depth_ros.alignment.triangulation import Places, Triangulation

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_FOLDS = 5
_MANY = 2000  # others
_MOST = 400  # samples that are held out
_MAX_AROUND = 4000  # samples, of which those around one that is held out are looked for
_MIN_IN_GROUP = 3  # samples, on average


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Q samples, each told from all that are not in its fold.

    Attributes:
        number: (Q,) which of the samples. inside: (7, Q) ln d of each estimate, NaN outside of all triangles.
        sliver: (Q,) whether in a sliver. distance: (Q,) pixels to the nearest of the others.
        near: where no triangle is trusted, (2, Q) what the fit leaves at the samples around, and their ln d.
        edge: (Q,) ln d of the samples that look alike at edges, NaN elsewhere.
        places: the triangles of those that lie in one.
    """

    number: Ints
    inside: Floats
    sliver: NDArray[np.bool_]
    distance: Floats
    near: Floats
    edge: Floats
    places: Places


def held_out(
    samples: Samples,
    known: Known,
    line: Ints | None,
    in_beam: Ints | None,
    wanted: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[HeldOut, Triangulation]:
    """The samples that are held out, and the triangles of all samples.

    Args:
        line: (N,) as of `lines`. in_beam: (N, K) of those beside each in its beam, or None. wanted: (7,) estimates.
    """
    folds = _folds(len(samples), line, rng)
    number, of_fold, places, triangles = _surrounded(samples, folds, rng)
    inside = number[places.number]
    colour = None if known.colour is None else known.colour[:, inside]
    told = np.full((len(wanted), len(number)), np.nan, dtype=np.float32)
    one = estimates(places, known, known.fitted[inside], colour, wanted)
    one[OF_RATIO] += known.fitted[inside]
    told[:, places.number] = one
    distance, sliver = np.zeros(len(number), dtype=np.float32), np.zeros(len(number), dtype=bool)
    distance[places.number], sliver[places.number] = places.distance, places.sliver
    near = np.zeros((2, len(number)), dtype=np.float32)
    beyond = np.ones(len(number), dtype=bool)
    beyond[places.number] = places.sliver
    for k, fold in enumerate(folds):
        far = np.flatnonzero(beyond & (of_fold == k))
        if len(far):
            rest = np.flatnonzero(~fold)
            near[:, far], distance[far] = _around(samples, known, number[far], rest[:: len(rest) // _MAX_AROUND + 1])
    edge = np.full(len(number), np.nan, dtype=np.float32)
    if in_beam is not None:
        rows, columns = samples.rows[inside], samples.columns[inside]
        of, there = at_edges(samples, known, places, in_beam, rows, columns, known.fitted[inside], colour)
        edge[places.number[of]] = there
    return HeldOut(number, told, sliver, distance, near, edge, places), triangles


def _surrounded(
    samples: Samples, folds: list[NDArray[np.bool_]], rng: np.random.Generator
) -> tuple[Ints, Ints, Places, Triangulation]:
    """(Q,) the samples that are held out, (Q,) the fold of each, the triangles of others that they are in, and those of
    all samples."""
    chosen: list[Ints] = []
    within, corners, long = [], [], []
    most = _MOST // len(folds)
    for fold in folds:
        number, rest = np.flatnonzero(fold), np.flatnonzero(~fold)
        if len(number) > most:
            number = np.sort(rng.choice(number, most, replace=False))
        triangles = Triangulation(samples.rows, samples.columns, samples.size, rest)
        found, of = triangles.around(samples.rows[number], samples.columns[number])
        if len(folds) < _FOLDS:  # of many triangles the list takes as long as all that is asked of it here
            usual = triangles.long(of if len(rest) > _MANY else triangles.corners)
            long.append(np.full(len(found), usual, dtype=np.float32))
        within.append(found + sum(len(one) for one in chosen))
        chosen.append(number)
        corners.append(of)
    triangles.add(np.flatnonzero(folds[-1]))  # the others are in them
    all_number, all_within = np.concatenate(chosen), np.concatenate(within)
    inside = all_number[all_within]
    # Triangles of a part of the samples that are spread alike are larger than those of all, as these are more.
    of_long = np.concatenate(long) if long else triangles.long(triangles.corners) * _FOLDS / (_FOLDS - 1)
    places = triangles.places(
        all_within, np.concatenate(corners, axis=1), samples.rows[inside], samples.columns[inside], of_long
    )
    return all_number, np.repeat(np.arange(len(folds)), [len(of) for of in chosen]), places, triangles


def _around(samples: Samples, known: Known, number: Ints, rest: Ints) -> tuple[Floats, Floats]:
    """(2, Q) means of what the fit leaves, and of ln d, around some samples; and (Q,) the distance."""
    values = [(known.log_depth - known.fitted)[rest], known.log_depth[rest]]
    near = around_each(
        samples.rows[rest], samples.columns[rest], values, (samples.rows[number], samples.columns[number])
    )
    return near.mean, near.distance


def at_edges(
    samples: Samples,
    known: Known,
    places: Places,
    in_beam: Ints,
    rows: Ints,
    columns: Ints,
    fitted: Floats,
    colour: Floats | None,
) -> tuple[Ints, Floats]:
    """Which of the places (Q,) lie between two things, and ln d of the samples around that look like them."""
    edge = across_edges(places.corners, known)
    near = in_beam[places.corners[:, edge].T].reshape(len(edge), 3 * in_beam.shape[1])
    down, right = (of[near] - at[edge, None] for of, at in ((samples.rows, rows), (samples.columns, columns)))
    apart = np.hypot(down, right).astype(np.float32)
    return edge, alike(near, apart, known, fitted[edge], None if colour is None else colour[:, edge])


def lines(samples: Samples) -> Ints | None:
    """(N,) which group each sample is of, from above to below; None: they are of none, or each of its own."""
    if samples.group is None or (samples.group < 0).any():
        return None
    groups, number = np.unique(samples.group, return_inverse=True)
    if len(groups) * _MIN_IN_GROUP > len(samples):
        return None
    rank = np.argsort(np.argsort(np.bincount(number, samples.rows) / np.bincount(number)))
    found: Ints = rank[number]
    return found


def _folds(count: int, line: Ints | None, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Masks (N,) of samples that are held out together."""
    if line is not None and line.max() > 0:
        return [line % 2 == 0, line % 2 == 1]
    if count > 5 * _MOST:
        fold = np.zeros(count, dtype=bool)
        fold[rng.choice(count, _MOST, replace=False)] = True
        return [fold]
    of = rng.permutation(count) % _FOLDS
    return [of == number for number in range(_FOLDS)]
