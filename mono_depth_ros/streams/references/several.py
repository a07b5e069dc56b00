# SPDX-License-Identifier: Apache-2.0
"""Several references at once: samples of each, in one image, each counting by what it knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.streams.references.base import Context, Reference, ReferenceMatch, View

_MODEL = 0.1  # relative standard deviation of a prediction from pixel to pixel, which more samples make up for
_CELL = 8  # pixels
_BETTER = 2.0  # times as exact: near samples of another reference that are leave nothing to be told


class Several(Reference):
    """One reference that is made of others, by name; where one gives nothing for an image the others go on.

    Attributes:
        parts: the others. missing: those that gave nothing for the last image, and why, as sentences.
        problem: a sentence on those of them that should have given something, or "".
        without: how many images there were nothing for, by name.
    """

    def __init__(self, context: Context, parts: Mapping[str, Reference]) -> None:
        super().__init__(context)
        self.parts = parts
        self.inputs = tuple({item.name: item for part in parts.values() for item in part.inputs}.values())
        self.needs_rgb = any(part.needs_rgb for part in parts.values())
        self.missing: dict[str, str] = {}
        self.problem = ""
        self.without = Counter(dict.fromkeys(parts, 0))

    def add(self, name: str, message: Any) -> None:
        for part in self.parts.values():
            if any(item.name == name for item in part.inputs):
                part.add(name, message)

    def samples(self, view: View) -> ReferenceMatch | None:
        found: dict[str, ReferenceMatch] = {}
        missing: dict[str, str] = {}
        faults = []
        first: FrameError | DataError | None = None
        for name, part in sorted(self.parts.items(), key=lambda item: item[1].holds):
            try:
                if part.holds and found:
                    part.learn(view, self._merged(found))
                    continue
                match = part.samples(view)
            except (FrameError, DataError) as error:
                missing[name], first = str(error), first or error
                if getattr(error, "reason", "") not in part.usual:
                    faults.append(name)
                continue
            if match is None:
                missing[name] = "no message has come yet"
                faults.append(name)
            else:
                found[name] = match
        self.given_ns = max((ns for part in self.parts.values() if (ns := part.given_ns) is not None), default=None)
        known = [part for part in self.parts.values() if part.pose is not None]
        self.pose = known[0].pose if known else None
        self.pose_problem = next((part.pose_problem for part in self.parts.values() if part.pose_problem), "")
        self.missing = missing
        sentence = "reference {} gives nothing, the others go on: {}"
        self.problem = "; ".join(sentence.format(name, missing[name]) for name in faults)
        self.without.update(missing.keys())
        if not found:
            if first is not None:
                raise first
            return None
        farthest = max(found.values(), key=lambda match: abs(match.offset_s))
        return ReferenceMatch(
            self._merged(found),
            farthest.stamp_ns,
            farthest.offset_s,
            any(match.fresh for match in found.values()),
            any(match.local for match in found.values()),
            all(match.lone for match in found.values()),
            all(match.metric for match in found.values()),
            all(match.each for match in found.values()),
        )

    def _merged(self, found: Mapping[str, ReferenceMatch]) -> Samples:
        return merged(found, {name: self.parts[name].deviation for name in found})

    def state(self) -> Any:
        return {name: [part.given_ns, part.state()] for name, part in self.parts.items()}

    def restore(self, state: Any) -> None:
        for name, (given_ns, own) in (state or {}).items():
            self.parts[name].given_ns = given_ns
            self.parts[name].restore(own)


def merged(found: Mapping[str, ReferenceMatch], deviations: Mapping[str, float]) -> Samples:
    """The samples of all, in one: groups stay apart, and of two at one pixel the more exact stays.

    A reference counts in the fit by the inverse variance of what it says of the scale: what its samples have in common,
    `deviations`, however many they are, and what each of them, and the prediction there, errs by itself. Samples that
    only fix the scale correct nothing locally, where others may, and those beside far more exact ones are left out.
    """
    if len(found) == 1:
        return next(iter(found.values())).samples
    relative, group, weight, only, groups = [], [], [], [], 0
    for name, match in found.items():
        given, common = match.samples, deviations[name]
        n = len(given)
        sigma = np.full(n, common, np.float32) if given.sigma is None else given.sigma / given.depth
        information = 1 / (sigma**2 + _MODEL**2)
        total = float(information.sum())
        relative.append(sigma)
        weight.append(information / max(total, 1e-9) / (common**2 + 1 / max(total, 1e-9)))
        own = np.full(n, -1) if given.group is None else given.group
        group.append(np.where(own < 0, -1, own + groups))
        groups += int(own.max(initial=-1)) + 1
        only.append(np.full(n, not match.local))
    number = np.repeat(np.arange(len(found)), [len(match.samples) for match in found.values()])
    parts = [match.samples for match in found.values()]
    depth, sigma = np.concatenate([part.depth for part in parts]), np.concatenate(relative)
    every = Samples(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.columns for part in parts]),
        depth,
        parts[0].size,
        np.concatenate(group),
        sigma * depth,
        _scaled(np.concatenate(weight)),
        np.concatenate(only),
    )
    kept = np.flatnonzero(~_outdone(every, sigma, number))
    order = kept[np.argsort(sigma[kept], kind="stable")]
    _, first = np.unique(every.pixels[order], return_index=True)
    return every.select(np.sort(order[first]))


def _scaled(weight: NDArray[np.float64]) -> NDArray[np.float32]:
    largest = max(float(weight.max(initial=0.0)), 1e-9)
    return (weight / largest).astype(np.float32)


def _outdone(samples: Samples, sigma: NDArray[np.float32], number: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) those with a far more exact sample of another reference within one or two cells."""
    height, width = ((side - 1) // _CELL + 1 for side in samples.size)
    rows, columns = samples.rows // _CELL, samples.columns // _CELL
    out = np.zeros(len(samples), dtype=bool)
    for one in range(int(number.max(initial=0)) + 1):
        own = number == one
        best = np.full((height, width), np.inf, dtype=np.float32)
        np.minimum.at(best, (rows[~own], columns[~own]), sigma[~own])
        near = cv2.erode(best, np.ones((3, 3), np.uint8), borderValue=float("inf"))
        out[own] = _BETTER * near[rows[own], columns[own]] < sigma[own]
    return out
