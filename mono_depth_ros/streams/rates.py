# SPDX-License-Identifier: Apache-2.0
"""At most so many items a second of a stream that comes at a pace of its own."""

from __future__ import annotations


class RateLimit:
    """Lets items through evenly: of 30 a second, 20 are two of three, and 30 are all of them in spite of jitter.

    An item may come half a period early, for which later ones come later: on average it is never more than the rate.
    """

    def __init__(self) -> None:
        self._due_s, self._rate_hz = 0.0, 0.0

    def due(self, now_s: float, rate_hz: float) -> bool:
        """Whether an item may pass at a time of a monotonic clock; a rate of 0 is no limit."""
        return rate_hz <= 0 or rate_hz != self._rate_hz or now_s >= self._due_s - 0.5 / rate_hz

    def take(self, now_s: float, rate_hz: float) -> bool:
        """`due`, and what is due has passed."""
        if not self.due(now_s, rate_hz):
            return False
        if rate_hz > 0:
            in_step = rate_hz == self._rate_hz and now_s <= self._due_s + 1.0 / rate_hz
            self._due_s, self._rate_hz = (self._due_s if in_step else now_s) + 1.0 / rate_hz, rate_hz
        return True
