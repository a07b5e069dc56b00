# SPDX-License-Identifier: Apache-2.0
"""The course of the alignment during a run, as its node tells it on /diagnostics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

NAME = "alignment"
"""Of the node whose status it is."""

KEYS = {
    "scale": "scale",
    "shift": "shift",
    "inliers": "inliers (%)",
    "held_out_abs_rel": "held-out AbsRel after",
}
"""Name of each figure in summary.json to its key on /diagnostics."""


@dataclass(frozen=True, eq=False)
class Course:
    """One row a diagnostics message with an alignment.

    Attributes:
        stamp_ns: (N,) int64. values: (N, 4) float64: scale; shift in 1/m or without unit; inliers, a part of 1; the
            AbsRel on held-out samples, NaN where none was held out.
    """

    stamp_ns: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, messages: Iterable[Any]) -> Course:
        """From diagnostic_msgs/DiagnosticArray messages of any nodes."""
        stamps, rows = [], []
        for message in messages:
            for status in message.status:
                row = _row(status)
                if row is not None:
                    stamps.append(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
                    rows.append(row)
        return cls(np.array(stamps, dtype=np.int64), np.array(rows, dtype=np.float64).reshape(-1, len(KEYS)))

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def summary(self) -> dict[str, float | None] | None:
        """The median of each figure over the run, by its name in `KEYS`; None where no alignment was told."""
        if not len(self):
            return None
        found: dict[str, float | None] = {}
        for key, column in zip(KEYS, self.values.T, strict=True):
            known = column[np.isfinite(column)]
            found[key] = round(float(np.median(known)), 6) if known.size else None
        return found


def _row(status: Any) -> list[float] | None:
    if status.name.partition(":")[0].rpartition("/")[2] != NAME:
        return None
    told = {pair.key: pair.value for pair in status.values}
    scale, shift, percent, abs_rel = (_number(told.get(key, "")) for key in KEYS.values())
    return [scale, shift, percent / 100.0, abs_rel] if np.isfinite(scale) else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
