# SPDX-License-Identifier: Apache-2.0
"""Holds a latency: which of a few sizes of work is right, by how long the latest frames took. No ROS here.

A step down follows late frames: most of the latest few, or the median of many. A step up follows a prediction: the
work, times what the larger size was measured to cost beside the present one, and what a frame waits where that is more
than fits between two images. It must lie under the target by a margin, so that the two rules leave a band in which
nothing happens. Where a prediction was wrong all the same, that size is not tried again for a time which grows.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence

WINDOW, MANY = 15, 12  # of so many latest frames this many must be late for a step down, or
_LONG = 120  # the median of so many; a step up follows the median of these, from
_CALM = 45  # of them on: all are frames since the last step
_MARGIN = 0.85  # of the target: the prediction for a larger size must lie under it
_FAILED = 1000  # frames: a step up that is taken back sooner was wrong
_BLOCKED, _GROWTH = 1000, 4  # frames until such a size is tried again, times this at each further time
_SATURATED = 0.9  # of the time between two images: with more work than that, images wait


class LatencyControl:
    """The level of work, 0 the largest, that holds a target.

    Attributes:
        level: the present one. why: of the last step, as a clause; "" before any.
        late_s: the median latency, where the target is missed at the smallest size; NaN else.
    """

    def __init__(self) -> None:
        self.level, self.why, self.late_s = 0, "", math.nan
        self._target_s = 0.0
        self._latencies: deque[float] = deque(maxlen=_LONG)
        self._waits: deque[float] = deque(maxlen=_LONG)
        self._frames = self._since = 0  # of all, and at the last step
        self._raised = False  # the last step was one up
        self._blocked: dict[int, tuple[int, int]] = {}  # by level: until which frame, and for how many it was

    def take(self, latency_s: float, wait_s: float, period_s: float, target_s: float, seconds: Sequence[float]) -> bool:
        """Take in a frame.

        Args:
            latency_s: from its arrival until it was published. wait_s: of that, until the work on it began.
            period_s: between two images, NaN where that is not known.
            target_s: that the median latency is to stay under; 0: the largest size is taken.
            seconds: (levels,) what the work was measured to take at each level, in one and the same state.

        Returns:
            Whether the level has changed.
        """
        if target_s != self._target_s:
            self._target_s = target_s
            self._clear()
            self._blocked.clear()
        if not target_s:
            return self.level > 0 and self._step(0, "target_latency is 0")
        self._frames += 1
        self._latencies.append(latency_s)
        self._waits.append(wait_s)
        self.level = min(self.level, len(seconds) - 1)
        latest = list(self._latencies)[-WINDOW:]
        if sum(latency_s > target_s for latency_s in latest) >= MANY:
            return self._down(WINDOW, period_s, seconds)
        if self._frames % WINDOW:  # the rest is no matter of single frames
            return False
        if len(self._latencies) == _LONG and statistics.median(self._latencies) > target_s:
            return self._down(_LONG, period_s, seconds)
        self.late_s = math.nan
        return self.level > 0 and self._up(period_s, seconds)

    def _down(self, count: int, period_s: float, seconds: Sequence[float]) -> bool:
        """To the largest size that fits by what is predicted from so many latest frames, else the smallest."""
        median_s = statistics.median(list(self._latencies)[-count:])
        smaller = range(self.level + 1, len(seconds))
        if not smaller:
            self.late_s = median_s
            return False
        if self._raised and self._frames - self._since < _FAILED:
            frames = self._blocked.get(self.level, (0, _BLOCKED // _GROWTH))[1] * _GROWTH
            self._blocked[self.level] = self._frames + frames, frames
        fits = (
            level for level in smaller if self._predicted(level, count, period_s, seconds) < _MARGIN * self._target_s
        )
        why = f"the latency, {_ms(median_s)}, exceeded target_latency, {_ms(self._target_s)}"
        return self._step(next(fits, smaller[-1]), why)

    def _up(self, period_s: float, seconds: Sequence[float]) -> bool:
        larger = self.level - 1
        until, _ = self._blocked.get(larger, (0, 0))
        if self._raised and self._frames - self._since >= _FAILED:
            self._blocked.pop(self.level, None)
        if self._frames - self._since < _CALM or self._frames < until:
            return False
        predicted_s = self._predicted(larger, _LONG, period_s, seconds)
        if predicted_s >= _MARGIN * self._target_s:
            return False
        why = f"a latency of {_ms(predicted_s)} is expected, under target_latency, {_ms(self._target_s)}"
        return self._step(larger, why)

    def _predicted(self, level: int, count: int, period_s: float, seconds: Sequence[float]) -> float:
        """The latency at another level, by so many latest frames."""
        latencies, waits = list(self._latencies)[-count:], list(self._waits)[-count:]
        work_s = statistics.median(a - b for a, b in zip(latencies, waits, strict=True))
        work_s *= seconds[level] / seconds[self.level]
        wait_s = statistics.median(waits)
        if work_s > _SATURATED * period_s:  # the newest image came at any moment since the one before it
            return work_s + max(wait_s, period_s / 2)
        return work_s + (wait_s if level < self.level else 0.0)

    def _step(self, level: int, why: str) -> bool:
        self._raised, self.level, self.why, self._since = level < self.level, level, why, self._frames
        self._clear()
        return True

    def _clear(self) -> None:
        self.late_s = math.nan
        self._latencies.clear()
        self._waits.clear()


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms"
