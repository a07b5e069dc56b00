# SPDX-License-Identifier: Apache-2.0
"""Images that are kept because of what they show of the corners at hand from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.motion.bundle import Floats

_MOST = 8
_NEW_PX = 6.0  # median parallax to the last keyframe that makes another one
_LOST = 0.7  # of the corners of the last keyframe: fewer that are still followed make another one


@dataclass(frozen=True, eq=False)
class Keyframe:
    """Corners by `ids` (N,), ascending, at `rays` (N, 2) x/z, y/z, from world_from_camera (4, 4).

    `parallax` is that to the keyframe before, in units of x/z.
    """

    ids: NDArray[np.int64]
    rays: Floats
    world_from_camera: Floats
    parallax: float = 0.0

    def state(self) -> list[Any]:
        """Everything, as JSON values."""
        return [self.ids.tolist(), self.rays.tolist(), self.world_from_camera.tolist(), self.parallax]

    @classmethod
    def of(cls, state: list[Any]) -> Keyframe:
        """What `state` gave."""
        ids, rays, pose, parallax = state
        return cls(np.array(ids, np.int64), np.array(rays).reshape(-1, 2), np.array(pose), parallax)

    def scaled(self, factor: float) -> Keyframe:
        """In a world that is larger by a factor."""
        return replace(self, world_from_camera=scaled(self.world_from_camera, factor))

    def seen(self, ids: NDArray[np.int64]) -> Floats:
        """(N, 2) rays of the corners of these ids, ascending; NaN where this image did not show one."""
        found = np.full((len(ids), 2), np.nan)
        _, here, there = np.intersect1d(ids, self.ids, assume_unique=True, return_indices=True)
        found[here] = self.rays[there]
        return found


def scaled(pose: Floats, factor: float) -> Floats:
    """A pose (4, 4) in a world that is larger by a factor."""
    out = pose.copy()
    out[:3, 3] *= factor
    return out


def keyframes_with(keyframes: Sequence[Keyframe], now: Keyframe, fx: float) -> list[Keyframe]:
    """The keyframes, and the image at hand if it shows something new; of too many the least apart go."""
    kept = list(keyframes)
    if kept:
        parallax, common = _parallax(kept[-1], now)
        if parallax < _NEW_PX / fx and common >= _LOST * len(kept[-1].ids):
            return kept
        now = replace(now, parallax=parallax)
    kept.append(now)
    if len(kept) > _MOST:
        between = [key.parallax for key in kept]
        gone = 1 + int(np.argmin([a + b for a, b in pairwise(between[1:])]))
        kept[gone + 1] = replace(kept[gone + 1], parallax=kept[gone + 1].parallax + between[gone])
        del kept[gone]
    return kept


def _parallax(before: Keyframe, now: Keyframe) -> tuple[float, int]:
    """By how much, as a median, corners are elsewhere than if the camera had only turned; and how many they are."""
    seen = before.seen(now.ids)
    both = np.isfinite(seen[:, 0])
    if not both.any():
        return 0.0, 0
    turn = before.world_from_camera[:3, :3].T @ now.world_from_camera[:3, :3]
    turned = np.concatenate((now.rays[both], np.ones((int(both.sum()), 1))), axis=1) @ turn.T
    off = turned[:, :2] / turned[:, 2:] - seen[both]
    return float(np.median(np.linalg.norm(off, axis=1))), int(both.sum())
