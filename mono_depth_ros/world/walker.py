# SPDX-License-Identifier: Apache-2.0
"""People who walk to and fro in view of a drive and out of its way, where they are at any time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.world.freespace import FreeSpace, free_space
from mono_depth_ros.world.path import CameraPath
from mono_depth_ros.world.people import STRIDE, person
from mono_depth_ros.world.scene import Scene, SceneBuilder

TURN_M = 0.15  # half the width of the ellipse that is walked: at its ends one turns round
TALL_M = 1.6  # what reaches higher than this above the floor, plus 0.3 m, is in nobody's way
CANDIDATES = 600
VIEW = math.radians(30.0)  # from the middle of the image
SEEN_S = np.arange(0.0, 20.0, 0.5)


@dataclass(frozen=True, eq=False)
class Walker:
    """An adult on a narrow ellipse; the same seed is the same person."""

    center: np.ndarray  # (2,) x, y in metres, world frame
    half: np.ndarray  # (2,) from the centre to one end
    speed: float  # metres a second, the mean
    start: float  # radians of the ellipse at t = 0
    seed: int

    def position(self, t_s: float | np.ndarray) -> np.ndarray:
        """(..., 2) x and y in metres."""
        angle = self._angle(t_s)[..., None]
        side = TURN_M * np.array([-self.half[1], self.half[0]]) / np.linalg.norm(self.half)
        return self.center + np.cos(angle) * self.half + np.sin(angle) * side

    def walk(self) -> np.ndarray:
        """(24, 2) points of the whole ellipse."""
        return self.position(np.linspace(0.0, 4 * float(np.linalg.norm(self.half)) / self.speed, 24))

    def solids(self, t_s: float, scene: Scene) -> Scene:
        """The body at that time, with the light of `scene`; the legs swing as fast as the feet need."""
        angle = float(self._angle(t_s))
        reach = float(np.linalg.norm(self.half))
        way = reach * (2 * math.floor(angle / math.pi) + 1 - math.cos(angle % math.pi))
        ahead = self.position(t_s + 1e-3) - self.position(t_s - 1e-3)
        b = SceneBuilder(np.random.Generator(np.random.PCG64([self.seed, 3])))
        x, y = self.position(t_s)
        with b.at(float(x), float(y), math.atan2(ahead[1], ahead[0]) - math.pi / 2):
            person(b, swing=math.sin(way * math.pi / (2 * STRIDE)))
        return b.build(scene.light)

    def _angle(self, t_s: float | np.ndarray) -> np.ndarray:
        rate = 2 * math.pi * self.speed / (4 * float(np.linalg.norm(self.half)))
        return self.start + rate * np.asarray(t_s, dtype=np.float64)


def make_walker(
    scene: Scene, drive: CameraPath, indoor: bool, others: Sequence[Walker], rng: np.random.Generator
) -> Walker:
    """Of a few hundred random walks the one that is seen for the longest time from a drive, and never in its way.

    Raises ConfigError where there is no room to walk.
    """
    free = free_space(scene, TALL_M, 0.05 if indoor else 0.2)
    track = drive.position(np.linspace(0.0, drive.period_s, 128, endpoint=False))
    track = np.concatenate([track, *(other.walk() for other in others)])
    views = np.array([drive.pose(t) for t in SEEN_S])
    reach, apart, farthest = ((0.8, 2.0), 0.7, 6.0) if indoor else ((2.0, 5.0), 1.5, 25.0)
    for ease in (1.0, 0.7, 0.4):
        points = free.points(0.35 * ease)
        best, best_seen = None, 0.0
        for _ in range(CANDIDATES if len(points) else 0):
            direction = rng.uniform(0, 2 * math.pi)
            half = ease * rng.uniform(*reach) * np.array([math.cos(direction), math.sin(direction)])
            speed, start, body = rng.uniform(1.0, 1.4), rng.uniform(0, 2 * math.pi), int(rng.integers(2**31))
            walker = Walker(points[rng.integers(len(points))], half, float(speed), float(start), body)
            walked = walker.walk()
            if free.at(*walked.T).min() < 0.3 * ease:
                continue
            if np.linalg.norm(walked[:, None] - track, axis=2).min() < apart * max(ease, 0.7):
                continue
            seen = _seen(walker, views, free, farthest)
            if best is None or seen > best_seen:
                best, best_seen = walker, seen
        if best is not None and (best_seen > 0.0 or ease < 0.5):
            return best
    raise ConfigError("nobody can walk in this world: there is no room beside the drive; expected another seed")


def _seen(walker: Walker, views: np.ndarray, free: FreeSpace, farthest: float) -> float:
    """How long, and how large, the walker is in the image, with nothing tall between: the mean of 1 / distance."""
    to = walker.position(SEEN_S) - views[:, :2, 3]
    distance = np.linalg.norm(to, axis=1)
    ahead = np.einsum("ni,ni->n", to, views[:, :2, 2]) > distance * math.cos(VIEW)
    between = views[:, None, :2, 3] + np.linspace(0.1, 0.9, 12)[:, None] * to[:, None]
    clear = (free.at(between[..., 0], between[..., 1]) > 0.0).all(axis=1)
    return float(np.where(ahead & clear & (distance < farthest), 1 / distance, 0.0).mean())
