# SPDX-License-Identifier: Apache-2.0
"""Corners of an image that have a depth, and where they are in the next one."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.motion.bundle import Floats

_FAR, _NEAR = 1e-3, 20.0  # 1/m


@dataclass(frozen=True, eq=False)
class Points:
    """Corners of an image that have a depth.

    Attributes:
        ids: (N,) ascending. rays: (N, 2) x/z, y/z. inverse: (N,) 1/m, as it is by now.
        predicted: (N,) 1/m, as it was predicted first. steady: (N,) bool, it does not move by itself.
    """

    ids: NDArray[np.int64]
    rays: Floats
    inverse: Floats
    predicted: Floats
    steady: NDArray[np.bool_]

    def state(self) -> list[Any]:
        """Everything, as JSON values."""
        return [getattr(self, item.name).tolist() for item in fields(self)]

    @classmethod
    def of(cls, state: list[Any]) -> Points:
        """What `state` gave."""
        ids, rays, inverse, predicted, steady = (np.array(values) for values in state)
        return cls(ids.astype(np.int64), rays.reshape(-1, 2), inverse, predicted, steady.astype(bool))

    def select(self, chosen: NDArray[Any]) -> Points:
        """Those of a boolean mask (N,) or of indices."""
        return Points(*(getattr(self, item.name)[chosen] for item in fields(self)))

    def scaled(self, factor: float) -> Points:
        """The same, farther away by a factor."""
        return replace(self, inverse=self.inverse / factor, predicted=self.predicted / factor)

    @property
    def xyz(self) -> Floats:
        """(N, 3) metres."""
        return np.concatenate((self.rays, np.ones((len(self.ids), 1))), axis=1) / self.inverse[:, None]

    @staticmethod
    def predicted_at(ids: NDArray[np.int64], rays: Floats, inverse: Floats) -> Points:
        """Corners of which no more is known than what is predicted; those without a depth are left out."""
        known = np.isfinite(inverse) & (inverse > _FAR) & (inverse < _NEAR)
        w = inverse[known]
        return Points(ids[known], rays[known], w, w, np.ones(len(w), dtype=bool))

    def joined(self, others: Points) -> Points:
        """These and others, which have other ids."""
        both = (np.concatenate((getattr(self, item.name), getattr(others, item.name))) for item in fields(self))
        points = Points(*both)
        return points.select(np.argsort(points.ids))

    def seen_from(self, now_from_before: Floats, rays: Floats) -> Points:
        """The same corners in the next image, where they are at `rays` (N, 2)."""
        turn, move = now_from_before[2, :3], now_from_before[2, 3]
        along = self.rays @ turn[:2] + turn[2]  # z of the turned ray

        def carried(inverse: Floats) -> Floats:
            return np.clip(inverse / np.maximum(along + inverse * move, 0.05), _FAR, _NEAR)

        return replace(self, rays=rays, inverse=carried(self.inverse), predicted=carried(self.predicted))
