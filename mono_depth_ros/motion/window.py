# SPDX-License-Identifier: Apache-2.0
"""Samples from a camera that moves: the corners of the last seconds, triangulated anew at every image."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import MotionConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import pixel_rays
from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.motion.bundle import Floats, Triangulated, Views, triangulate
from mono_depth_ros.motion.tracks import CornerTracks, whitening

_PIXEL_PX = 0.5  # standard deviation of a followed corner, across the strongest edge
_MOST_VIEWS = 12  # keyframes; older ones are forgotten
_NEW_VIEW_PX = 3.0  # median parallax to the last keyframe that makes another one
_LOST = 0.6  # of the corners of the last keyframe: fewer that are still followed make another one
_VIEWS = 3  # in which a corner must have been seen besides the image at hand
_RESIDUAL = 2.0  # standard deviations of a corner that moves by itself, or was followed wrongly
_MISFIT = 2.5  # standard deviations by which poses that are not the camera's leave half of the corners
_GAP_S, _LONGEST_GAP_S = 0.5, 1.0  # between images; beyond the second corners cannot be followed
_FOLLOWED = 0.45  # of the corners: beyond the first gap, the image has changed too much where fewer are found again
_FEWEST = 8


@dataclass(frozen=True, eq=False)
class _Keyframe:
    stamp_ns: int
    ids: NDArray[np.int64]
    rays: Floats
    whitening: Floats
    world_from_camera: Floats
    parallax: float  # to the keyframe before, in units of x/z


class MotionWindow:
    """Depth at corners, from the images and poses so far. Not thread-safe."""

    def __init__(self, config: MotionConfig) -> None:
        self.config = config
        self._tracks = CornerTracks()
        self.reset()

    def reset(self) -> None:
        """Begin anew, as after a jump of the poses."""
        self._keyframes: list[_Keyframe] = []
        self._stamp_ns: int | None = None
        self._camera: Camera | None = None
        self._tracks.reset()

    def state(self) -> dict[str, Any]:
        """Everything that the next image depends on, as JSON values, exact."""
        return {
            "stamp_ns": self._stamp_ns,
            "camera": None if self._camera is None else asdict(self._camera),
            "tracks": self._tracks.state(),
            "keyframes": [
                {
                    "stamp_ns": key.stamp_ns,
                    "ids": key.ids.tolist(),
                    "rays": key.rays.tolist(),
                    "whitening": key.whitening.tolist(),
                    "pose": key.world_from_camera.tolist(),
                    "parallax": key.parallax,
                }
                for key in self._keyframes
            ],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        camera = state["camera"]
        self._stamp_ns = state["stamp_ns"]
        self._camera = None if camera is None else Camera(**camera | {"distortion": tuple(camera["distortion"])})
        self._tracks.restore(state["tracks"])
        self._keyframes = [
            _Keyframe(
                key["stamp_ns"],
                np.array(key["ids"], np.int64),
                np.array(key["rays"]).reshape(-1, 2),
                np.array(key["whitening"]).reshape(-1, 2, 2),
                np.array(key["pose"]),
                key["parallax"],
            )
            for key in state["keyframes"]
        ]

    def update(self, gray: NDArray[np.uint8], camera: Camera, world_from_camera: Floats, stamp_ns: int) -> Samples:
        """Follow the corners into an image, and triangulate them.

        Args:
            gray: (H, W) uint8. camera: of it, with its distortion. stamp_ns: of it.
            world_from_camera: (4, 4) pose of the camera's optical frame, in any frame that does not move.

        Returns:
            Samples with their standard deviation, grouped by track.

        Raises:
            SamplesError: too few corners are known; the sentence says why. The next image may give some.
        """
        gap_s = 0.0 if self._stamp_ns is None else (stamp_ns - self._stamp_ns) / 1e9
        if camera != self._camera or not 0 <= gap_s <= _LONGEST_GAP_S:
            self.reset()
        before = self._tracks.ids
        self._tracks.update(gray)
        if gap_s > _GAP_S and np.isin(before, self._tracks.ids).sum() < _FOLLOWED * len(before):
            self.reset()
            self._tracks.update(gray)
        self._stamp_ns, self._camera = stamp_ns, camera
        rays = pixel_rays(torch.from_numpy(self._tracks.pixels.astype(np.float64)), camera).numpy()
        now = _Keyframe(stamp_ns, self._tracks.ids, rays, whitening(gray, self._tracks.pixels), world_from_camera, 0.0)
        views = self._views(now)
        if views is None:
            if not len(now.ids):
                raise SamplesError("the image shows no corner that could be followed", "motion_few")
            self._keep(now)
            raise SamplesError("the camera has not moved yet, so that nothing is triangulated", "motion_still")
        found = triangulate(views)
        seen_often = found.views >= _VIEWS
        misfit = float(np.median(found.residual[seen_often])) if seen_often.any() else 0.0
        if misfit > _MISFIT:
            self.reset()
            raise SamplesError(
                f"the poses do not fit what the images show (corners are off by {misfit * _PIXEL_PX:.1f} px): do they "
                "jump, or are they of another clock or frame?",
                "motion_poses",
            )
        self._keep(now)
        return self._samples(found, camera)

    def _views(self, now: _Keyframe) -> Views | None:
        if not self._keyframes or not len(now.ids):
            return None
        seen = np.full((len(self._keyframes), len(now.ids), 2), np.nan)
        white = np.zeros((*seen.shape, 2))
        for view, matrix, keyframe in zip(seen, white, self._keyframes, strict=True):
            _, here, there = np.intersect1d(now.ids, keyframe.ids, assume_unique=True, return_indices=True)
            view[here], matrix[here] = keyframe.rays[there], keyframe.whitening[there]
        poses = np.stack([inverse(key.world_from_camera) @ now.world_from_camera for key in self._keyframes])
        lag_s = np.array([(now.stamp_ns - key.stamp_ns) / 1e9 for key in self._keyframes])
        steps = np.linalg.norm(np.diff(np.concatenate((poses[:, :3, 3], np.zeros((1, 3)))), axis=0), axis=1)
        way = np.cumsum(steps[::-1])[::-1]
        c = self.config
        turn = _walk(lag_s, math.radians(c.pose_turn_drift), 1.0, math.radians(c.pose_turn_jitter))
        move = _walk(way, c.pose_drift, float(way[0]), c.pose_jitter)
        assert self._camera is not None
        return Views(now.rays, seen, poses, turn, move, _PIXEL_PX / self._camera.fx, whitening=white)

    def _keep(self, now: _Keyframe) -> None:
        """Make the image a keyframe, if it shows something new; of too many the least apart go."""
        assert self._camera is not None
        least = _NEW_VIEW_PX / self._camera.fx
        if self._keyframes:
            last = self._keyframes[-1]
            parallax, common = _parallax(last, now)
            if parallax < least and common >= _LOST * len(last.ids):
                return
            now = replace(now, parallax=parallax)
        self._keyframes.append(now)
        oldest_ns = now.stamp_ns - round(self.config.motion_window * 1e9)
        self._keyframes = [key for key in self._keyframes if key.stamp_ns >= oldest_ns]
        if len(self._keyframes) > _MOST_VIEWS:
            between = [key.parallax for key in self._keyframes]
            gone = 1 + int(np.argmin([a + b for a, b in pairwise(between[1:])]))
            after = self._keyframes[gone + 1]
            self._keyframes[gone + 1] = replace(after, parallax=after.parallax + between[gone])
            del self._keyframes[gone]

    def _samples(self, found: Triangulated, camera: Camera) -> Samples:
        relative = found.deviation / found.inverse
        known = (found.views >= _VIEWS) & (found.residual < _RESIDUAL) & (relative < self.config.motion_deviation)
        if np.count_nonzero(known) < _FEWEST:
            seen = np.count_nonzero(found.views >= _VIEWS)
            apart = np.count_nonzero(relative < self.config.motion_deviation)
            raise SamplesError(
                f"{np.count_nonzero(known)} corners are triangulated, expected {_FEWEST}: of {len(relative)} followed "
                f"ones {seen} were seen often enough, and {apart} from places far enough apart",
                "motion_few",
            )
        pixels = np.rint(self._tracks.pixels[known]).astype(np.int64)
        depth = 1.0 / found.inverse[known]
        order = np.argsort(relative[known])
        _, first = np.unique(pixels[order, 1] * camera.width + pixels[order, 0], return_index=True)
        chosen = order[first]
        return Samples(
            pixels[chosen, 1],
            pixels[chosen, 0],
            depth[chosen].astype(np.float32),
            (camera.height, camera.width),
            self._tracks.ids[known][chosen],
            (depth * relative[known])[chosen].astype(np.float32),
        )


def _parallax(before: _Keyframe, now: _Keyframe) -> tuple[float, int]:
    """By how much, as a median, corners are elsewhere than if the camera had only turned; and how many they are."""
    _, here, there = np.intersect1d(now.ids, before.ids, assume_unique=True, return_indices=True)
    if not len(here):
        return 0.0, 0
    turn = before.world_from_camera[:3, :3].T @ now.world_from_camera[:3, :3]
    turned = np.concatenate((now.rays[here], np.ones((len(here), 1))), axis=1) @ turn.T
    off = turned[:, :2] / turned[:, 2:] - before.rays[there]
    return float(np.median(np.linalg.norm(off, axis=1))), len(here)


def _walk(along: Floats, drift: float, unit: float, jitter: float) -> Floats:
    """(K, K) covariance: a random walk of `drift` over `unit`, whose end is here, and a jitter of both ends."""
    walk = drift**2 * unit * np.minimum(along[:, None], along)
    return walk + max(jitter, 1e-6) ** 2 * (np.eye(len(along)) + 1.0)
