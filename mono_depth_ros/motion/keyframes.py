# SPDX-License-Identifier: Apache-2.0
"""Images that are kept because of what they show of the corners at hand from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import pixel_rays, project
from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.motion.bundle import Floats

_MOST = 8
_COLUMNS, _ROWS = 32, 24
_NEW_PX = 6.0  # median parallax to the last keyframe that makes another one
_LOST = 0.7  # of the corners of the last keyframe: fewer that are still followed make another one


@dataclass(frozen=True, eq=False)
class Keyframe:
    """What an image showed.

    Attributes:
        ids: (N,) of corners, ascending. rays: (N, 2) x/z, y/z, where they were. world_from_camera: (4, 4).
        depth: (M,) metres at the places of `grid`, not finite where there is none.
        parallax: to the keyframe before, in units of x/z.
    """

    ids: NDArray[np.int64]
    rays: Floats
    world_from_camera: Floats
    depth: Floats
    parallax: float = 0.0

    def state(self) -> list[Any]:
        """Everything, as JSON values."""
        depth = np.where(np.isfinite(self.depth), self.depth, 0.0)  # JSON has no NaN
        return [self.ids.tolist(), self.rays.tolist(), self.world_from_camera.tolist(), depth.tolist(), self.parallax]

    @classmethod
    def of(cls, state: list[Any]) -> Keyframe:
        """What `state` gave."""
        ids, rays, pose, depth, parallax = state
        return cls(np.array(ids, np.int64), np.array(rays).reshape(-1, 2), np.array(pose), np.array(depth), parallax)

    def scaled(self, way: float, depth: float) -> Keyframe:
        """In a world that is larger by a factor, and with a depth that is."""
        return replace(self, world_from_camera=scaled(self.world_from_camera, way), depth=self.depth * depth)

    def seen(self, ids: NDArray[np.int64]) -> Floats:
        """(N, 2) rays of the corners of these ids, ascending; NaN where this image did not show one."""
        found = np.full((len(ids), 2), np.nan)
        _, here, there = np.intersect1d(ids, self.ids, assume_unique=True, return_indices=True)
        found[here] = self.rays[there]
        return found


def grid(camera: Camera) -> tuple[torch.Tensor, torch.Tensor]:
    """(M, 2) pixels, columns and rows, float64, and their rays: places in an image where keyframes keep its depth."""
    columns = (torch.arange(_COLUMNS, dtype=torch.float64) + 0.5) * (camera.width / _COLUMNS) - 0.5
    rows = (torch.arange(_ROWS, dtype=torch.float64) + 0.5) * (camera.height / _ROWS) - 0.5
    pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).reshape(-1, 2).round()
    return pixels, pixel_rays(pixels, camera)


def depth_from(keyframe: Keyframe, pose: Floats, camera: Camera) -> tuple[torch.Tensor, Floats, NDArray[np.int64]]:
    """What a keyframe knows of another image, from world_from_camera `pose` (4, 4).

    Returns:
        (K,) pixels, flat, (K,) metres there, and (K,) which places of `grid` they are of.
    """
    _, rays = grid(camera)
    depth = torch.from_numpy(keyframe.depth)[:, None]
    now_from_then = torch.from_numpy(inverse(pose) @ keyframe.world_from_camera)
    points = torch.cat((rays * depth, depth), dim=1) @ now_from_then[:3, :3].T + now_from_then[:3, 3]
    columns, rows = torch.round(project(points, camera)).unbind(-1)
    seen = (depth[:, 0] > 0) & (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height)
    places = np.flatnonzero(seen.numpy())
    return (rows * camera.width + columns)[seen].long(), points[seen, 2].numpy(), places


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
