# SPDX-License-Identifier: Apache-2.0
"""Where something was at which time: poses with their stamps, and between them."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.rigid import quaternion, rigid_from_pose

_BACK_S = 1.0  # a stamp that lies farther back before the newest is of a recording that begins again
_OTHER_CLOCK_S = 60.0


class Trajectory:
    """Poses (4, 4) by stamp; between two of them translations are interpolated linearly, rotations on the sphere.

    Args:
        gap_s: two poses farther apart than this say nothing of what is between them.
        kept: at most so many; the oldest go. 0 keeps all.
    """

    def __init__(self, gap_s: float = 0.5, kept: int = 0) -> None:
        self._gap_s, self._kept = gap_s, kept
        self._poses: list[tuple[int, NDArray[np.float64]]] = []

    def __len__(self) -> int:
        return len(self._poses)

    @property
    def span_ns(self) -> tuple[int, int]:
        """Stamps of the first and of the last pose; there has to be one."""
        return self._poses[0][0], self._poses[-1][0]

    def add(self, stamp_ns: int, pose: NDArray[np.float64]) -> None:
        """Keep a pose; one of the same stamp is replaced. Time that jumps back forgets all that was before."""
        if self._poses and (stamp_ns - self._poses[-1][0]) / 1e9 < -_BACK_S:
            self._poses.clear()
        at = bisect_left(self._poses, stamp_ns, key=_stamp)
        if at < len(self._poses) and self._poses[at][0] == stamp_ns:
            self._poses[at] = (stamp_ns, pose)
        else:
            insort(self._poses, (stamp_ns, pose), key=_stamp)
        if self._kept:
            del self._poses[: -self._kept]

    def at(self, stamp_ns: int) -> NDArray[np.float64]:
        """(4, 4) float64 at that time.

        Raises:
            DataError: no pose is near enough before and after; the sentence says what there is.
        """
        if not self._poses:
            raise DataError("no pose has come yet, expected those of the camera's motion")
        at = bisect_left(self._poses, stamp_ns, key=_stamp)
        if at < len(self._poses) and self._poses[at][0] == stamp_ns:
            return self._poses[at][1]
        if 0 < at < len(self._poses):
            (before_ns, before), (after_ns, after) = self._poses[at - 1], self._poses[at]
            gap_s = (after_ns - before_ns) / 1e9
            if gap_s > self._gap_s:
                raise DataError(
                    f"the poses have a gap of {gap_s:.3g} s around the image, expected {self._gap_s:g} s at most"
                )
            return between(before, after, (stamp_ns - before_ns) / (after_ns - before_ns))
        nearest_ns = self._poses[min(at, len(self._poses) - 1)][0]
        apart_s = (nearest_ns - stamp_ns) / 1e9
        side = "after" if apart_s > 0 else "before"
        found = f"the {'first' if apart_s > 0 else 'last'} pose is {abs(apart_s):.3g} s {side} the image"
        if abs(apart_s) > _OTHER_CLOCK_S:
            raise DataError(f"{found}: the stamps of the poses are of another clock, expected that of the image")
        raise DataError(f"{found}, expected poses before and after it")


def _stamp(entry: tuple[int, NDArray[np.float64]]) -> int:
    return entry[0]


def between(a: NDArray[np.float64], b: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """(4, 4) float64, a share of the way from a to b; the rotation by spherical interpolation (Shoemake 1985)."""
    p, q = np.array(quaternion(a[:3, :3])), np.array(quaternion(b[:3, :3]))
    cosine = float(p @ q)
    if cosine < 0:
        q, cosine = -q, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-6:
        mixed = (1 - share) * p + share * q
    else:
        mixed = (np.sin((1 - share) * angle) * p + np.sin(share * angle) * q) / np.sin(angle)
    return rigid_from_pose((1 - share) * a[:3, 3] + share * b[:3, 3], mixed / np.linalg.norm(mixed))
