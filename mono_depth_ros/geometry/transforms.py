# SPDX-License-Identifier: Apache-2.0
"""Frames and how they lie to each other: fixed, or moving over time. Nothing is guessed: no chain, no transform."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import DataError, shown
from mono_depth_ros.geometry.rigid import compose, inverse
from mono_depth_ros.geometry.trajectory import Trajectory

Matrix = NDArray[np.float64]

_KEPT = 2000  # transforms of a frame: ten seconds of 200 Hz


class Transforms:
    """A tree of frames, as tf2 keeps it; between two stamps a moving frame is interpolated.

    Args:
        fixed: of each child frame its parent, and (4, 4) parent_from_child. A frame that is fixed does not move.
        moving: likewise the parent of each frame that moves.
        gap_s: two transforms of a frame farther apart than this say nothing of what is between them.
    """

    def __init__(
        self,
        fixed: Mapping[str, tuple[str, Matrix]],
        moving: Mapping[str, str] | None = None,
        gap_s: float = 0.5,
    ) -> None:
        self.fixed = dict(fixed)
        self.moving = {child: parent for child, parent in (moving or {}).items() if child not in self.fixed}
        self._gap_s = gap_s
        self._paths = {child: Trajectory(gap_s, _KEPT) for child in self.moving}

    def add(self, parent: str, child: str, stamp_ns: int, parent_from_child: Matrix) -> None:
        """Keep where a moving frame was; one that gets another parent begins anew."""
        if child in self.fixed:
            return
        if self.moving.get(child) != parent:
            self.moving[child], self._paths[child] = parent, Trajectory(self._gap_s, _KEPT)
        self._paths[child].add(stamp_ns, parent_from_child)

    def parent(self, child: str) -> str | None:
        """The frame that another one is given in; None for a root, or a frame that nobody knows."""
        return self.fixed[child][0] if child in self.fixed else self.moving.get(child)

    def ancestors(self, frame: str) -> list[str]:
        """The frame itself, its parent, and so on to the root.

        Raises:
            DataError: they go in a circle.
        """
        found = [frame]
        while (parent := self.parent(found[-1])) is not None:
            if parent in found:
                raise DataError(f"the transforms of the recording go in a circle at '{shown(parent)}'")
            found.append(parent)
        return found

    def way(self, target: str, source: str) -> tuple[list[str], list[str]]:
        """The frames from either one up to below the one that both have in common.

        Raises:
            DataError: no chain joins them; the sentence names both frames and what there is.
        """
        up, down = self.ancestors(source), self.ancestors(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            raise DataError(
                f"the transforms of the recording do not join '{shown(source)}' and '{shown(target)}'; there is "
                f"{self.words() or 'none at all'}"
            )
        return up[: up.index(common)], down[: down.index(common)]

    def moves(self, target: str, source: str) -> set[str]:
        """The moving frames on the way between two. Raises as `way`."""
        return {frame for side in self.way(target, source) for frame in side if frame in self.moving}

    def lookup(self, target: str, source: str, stamp_ns: int = 0) -> Matrix:
        """(4, 4) target_from_source at a stamp.

        Raises:
            DataError: as `way`, or a frame on it was not seen around that time.
        """
        up, down = self.way(target, source)
        return compose(inverse(self._climb(down, stamp_ns)), self._climb(up, stamp_ns))

    def words(self) -> str:
        """What there is: `odom to base (moving), base to camera`."""
        found = {child: parent for child, (parent, _) in self.fixed.items()} | self.moving
        return ", ".join(
            f"{shown(parent)} to {shown(child)}{' (moving)' if child in self.moving else ''}"
            for child, parent in sorted(found.items())
        )

    def _climb(self, frames: list[str], stamp_ns: int) -> Matrix:
        """(4, 4) from the first of the frames to the parent of the last."""
        return compose(*(self._step(frame, stamp_ns) for frame in reversed(frames)))

    def _step(self, child: str, stamp_ns: int) -> Matrix:
        if child in self.fixed:
            return self.fixed[child][1]
        try:
            return self._paths[child].at(stamp_ns)
        except DataError as error:
            raise DataError(f"'{shown(child)}' in '{shown(self.moving[child])}': {error}") from error
