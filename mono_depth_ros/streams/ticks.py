# SPDX-License-Identifier: Apache-2.0
"""The camera's tick from the stamps of those of its images that came, and how many are missing between them.

Stamps lie whole numbers of ticks apart, whatever is lost; the typical step is several ticks where most are lost, and so
is the smallest one biased by jitter. So the tick is the longest one of which all recent steps are multiples.
"""

from __future__ import annotations

from collections import deque

import numpy as np

CAP_S = 2.0
"""A longer step is a pause of the camera, or a jump of its clock: nobody can tell what is missing."""

_KEPT = 64  # steps that the tick is made from
_ENOUGH = 5  # steps before anything is said
_TOLERANCE = 0.15  # root mean square of the steps' distances from whole ticks, in ticks
_DIVISORS = (1, 2, 3)  # of the smallest step: at a loss of 90 % all of 64 steps are longer than a tick once in 1000
_SURE = 32  # steps before the tick is shorter than the smallest of them: of a few irregular ones it would fit by chance


class Ticks:
    """Fed with stamps; forgets the tick when the camera changes its rate."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._steps: deque[int] = deque(maxlen=_KEPT)
        self._pending: list[int] = []  # missing before each of the last messages: losses, or a camera that slowed down

    def gap(self, stamp_ns: int) -> int:
        """How many images are missing before this one, and before those that were undecided until now."""
        last, self._last_ns = self._last_ns, stamp_ns
        step = stamp_ns - last if last is not None else 0
        if not 0 < step <= CAP_S * 1e9:
            return 0
        self._steps.append(step)
        tick = tick_ns(np.array(self._steps)) if len(self._steps) >= _ENOUGH else None
        if tick is None:
            return 0
        missing = max(round(step / tick) - 1, 0)
        if missing == 0:
            found, self._pending = sum(self._pending), []
            return found
        self._pending.append(missing)
        if len(self._pending) >= _ENOUGH and len(set(self._pending[-_ENOUGH:])) == 1:
            recent = list(self._steps)[-_ENOUGH:]  # a slower camera: losses do not come in such order
            self._steps.clear()
            self._steps.extend(recent)
            found, self._pending = sum(self._pending[:-_ENOUGH]), []
            return found
        return 0


def tick_ns(steps_ns: np.ndarray) -> float | None:
    """The longest tick of which all of the steps are multiples, within jitter; None where there is none."""
    smallest = float(steps_ns.min())
    for divisor in _DIVISORS:
        tick = _refined(np.sort(steps_ns), smallest / divisor)
        off = steps_ns / tick - np.round(steps_ns / tick)
        if np.sqrt(np.mean(off**2)) <= _TOLERANCE and (divisor == 1 or len(steps_ns) >= _SURE):
            return tick
    return None


def _refined(ascending_ns: np.ndarray, tick: float) -> float:
    """A rough tick made better by one step after the other: the longer ones need it the more exactly."""
    total, count = 0.0, 0
    for step in ascending_ns:
        multiple = max(round(step / tick), 1)
        total, count = total + step, count + multiple
        tick = total / count
    return tick
