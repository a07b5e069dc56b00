# SPDX-License-Identifier: Apache-2.0
"""The mean scale that a memory keeps: that of the network's own metres, over the whole run."""

from __future__ import annotations

from typing import Any

_HORIZON = 0.07  # of the run so far: within so long its mean is to be right
_LAG, _SHORTEST_S = 0.25, 1.0  # time constant of the pull, of the run so far, and at least
_PULL = 0.1  # of what the network's scale jumps from image to image on average: the most that an image is pulled


class ScaleAnchor:
    """A slow pull of the memory's scale, after which its mean over the run is that of the predictions as they were.

    Everything is in logarithms. `ratio` is the memory's metres by the network's, for one image. The pull goes to the
    network's mean scale, and past it as far as the mean of the run so far is off: that of both, not the scale of now,
    has to agree in the end.
    """

    def __init__(self) -> None:
        self._count, self._seconds = 0, 0.0
        self._mean_ratio = self._mean_jump = 0.0
        self._behind = 0.0  # the network's mean scale by the memory's of now
        self._last: float | None = None

    def state(self) -> list[Any]:
        """Everything, as JSON values."""
        return [self._count, self._seconds, self._mean_ratio, self._mean_jump, self._behind, self._last]

    def restore(self, state: list[Any]) -> None:
        """Go on from what `state` gave."""
        self._count, self._seconds, self._mean_ratio, self._mean_jump, self._behind, self._last = state

    def pull(self, ratio: float, seconds: float) -> float:
        """ln of the factor for all of the memory's metres, after an image that came `seconds` after the one before."""
        jump = 0.0 if self._last is None else abs(ratio - self._last)
        self._count += 1
        self._seconds += seconds
        self._mean_ratio += (ratio - self._mean_ratio) / self._count
        self._mean_jump += (jump - self._mean_jump) / self._count
        self._behind += (-ratio - self._behind) / self._count
        wanted = self._behind - self._mean_ratio / _HORIZON
        most = _PULL * self._mean_jump
        step = min(max(wanted * seconds / max(_SHORTEST_S, _LAG * self._seconds), -most), most)
        self._behind -= step
        self._last = ratio + step
        return step
