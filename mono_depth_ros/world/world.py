# SPDX-License-Identifier: Apache-2.0
"""A synthetic world: generate it from a seed, look at it from anywhere, drive through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.world.clutter import clutter
from mono_depth_ros.world.corridor import corridor
from mono_depth_ros.world.course import course
from mono_depth_ros.world.freespace import FreeSpace, free_space
from mono_depth_ros.world.path import CameraPath, make_path
from mono_depth_ros.world.pose import camera_pose
from mono_depth_ros.world.render import Renderer, WorldFrame
from mono_depth_ros.world.rooms import room
from mono_depth_ros.world.scene import Scene
from mono_depth_ros.world.street import street
from mono_depth_ros.world.walker import Walker, make_walker
from mono_depth_ros.world.warehouse import warehouse
from mono_depth_ros.world.yard import yard

_GENERATORS: dict[str, Callable[[np.random.Generator], Scene]] = {
    "room": room,
    "corridor": corridor,
    "warehouse": warehouse,
    "street": street,
    "yard": yard,
    "course": course,
    "clutter": clutter,
}
_ORDER = tuple(_GENERATORS)  # a world's random numbers follow from the place in it: a new kind comes last
BY_HAND_ONLY = ("clutter",)
"""Kinds of worlds that are too full to drive in; see `hand_held_pose`."""
KINDS = tuple(kind for kind in _ORDER if kind not in BY_HAND_ONLY)
INDOOR = ("room", "corridor", "warehouse", "course")
OUTDOOR = ("street", "yard")
MOST_PITCH, MOST_ROLL = np.radians(12.0), np.radians(2.0)


@dataclass(frozen=True, eq=False)
class World:
    """One world. Make it with `World.generate`; everything in it follows from `kind` and `seed`.

    World frame: z up, metres, the floor or road at z = 0.
    """

    kind: str
    seed: int
    camera_height: float  # metres above the floor (indoors 0.5-0.7) or the road (1.5-1.7)
    renderer: Renderer = field(repr=False)
    free: FreeSpace = field(repr=False)
    walkers: tuple[Walker, ...] = ()

    @classmethod
    def generate(cls, kind: str, seed: int) -> World:
        """A world of one of `KINDS` or `BY_HAND_ONLY`; the same kind and seed give the same world, byte by byte.

        Raises ConfigError for an unknown kind or a negative seed.
        """
        if kind not in _GENERATORS:
            raise ConfigError(f"world kind is '{kind}', expected one of: {', '.join(_ORDER)}")
        if seed < 0:
            raise ConfigError(f"world seed is {seed}, expected 0 or more")
        indoor = kind not in OUTDOOR
        rng = np.random.Generator(np.random.PCG64([_ORDER.index(kind), seed]))
        height = float(rng.uniform(0.52, 0.68) if indoor else rng.uniform(1.52, 1.68))
        scene = _GENERATORS[kind](rng)
        renderer = Renderer.prepare(scene, margin=1.0 if indoor else 12.0)
        return cls(kind, seed, height, renderer, free_space(scene, height, 0.05 if indoor else 0.2))

    @property
    def scene(self) -> Scene:
        """The solids, materials and lights."""
        return self.renderer.scene

    @property
    def indoor(self) -> bool:
        """Is there a ceiling?"""
        return self.kind not in OUTDOOR

    def render(self, camera: Camera, world_from_camera: np.ndarray, normals: bool = True) -> WorldFrame:
        """Cast one ray through the centre of every pixel of any camera, distorted ones included.

        Args:
            world_from_camera: 4x4 float64, optical frame (x right, y down, z forward).
            normals: without them `normals` is None and a frame is a little cheaper.
        """
        grid = rays(camera).numpy()
        rgb, depth, normal = self.renderer.cast(grid, world_from_camera, 1.0 / camera.fx, normals)
        return WorldFrame(rgb, depth, normal if normals else None, np.isposinf(depth))

    def path(self, seed: int = 0) -> CameraPath:
        """A smooth drive through free space, defined for any time; see `CameraPath`."""
        rng = np.random.Generator(np.random.PCG64([self.seed, _ORDER.index(self.kind), seed, 1]))
        return make_path(self.free, self.camera_height, self.kind, self.indoor, rng)

    def with_walkers(self, count: int, drive: CameraPath, seed: int = 0) -> World:
        """The same world with people who walk to and fro in view of a drive and out of its way; see `at`.

        Raises ConfigError where there is no room for them.
        """
        walkers: list[Walker] = []
        for k in range(count):
            rng = np.random.Generator(np.random.PCG64([self.seed, _ORDER.index(self.kind), seed, 2, k]))
            walkers.append(make_walker(self.scene, drive, self.indoor, walkers, rng))
        return replace(self, walkers=tuple(walkers))

    def at(self, t_s: float) -> World:
        """The world at a time: the walkers stand where they are then, as solids like all others."""
        renderer = self.renderer
        for walker in self.walkers:
            renderer = renderer.with_solids(walker.solids(t_s, self.scene))
        return replace(self, renderer=renderer, walkers=()) if self.walkers else self

    def random_pose(self, rng: np.random.Generator) -> np.ndarray:
        """A plausible viewpoint: 4x4 float64 world_from_camera anywhere free, any direction, the height of the vehicle.

        Views from less than 0.4 m before something are drawn again, and so are most of those that show little.
        """
        points = self.free.points(0.25 if self.indoor else 0.6)
        if len(points) == 0:
            points = self.free.points(0.9 * float(self.free.clearance.max()))
        for _ in range(40):
            x, y = points[int(rng.integers(len(points)))] + rng.uniform(-0.5, 0.5, 2) * self.free.cell
            pitch = float(np.clip(rng.normal(0.0, np.radians(4.0)), -MOST_PITCH, MOST_PITCH))
            roll, yaw = float(rng.uniform(-MOST_ROLL, MOST_ROLL)), float(rng.uniform(-np.pi, np.pi))
            pose = camera_pose(x, y, self.camera_height + float(rng.uniform(-0.02, 0.02)), yaw, pitch, roll)
            if self._shows_something(pose, dull_accepted=bool(rng.random() < 0.15)):
                break
        return pose

    def _shows_something(self, pose: np.ndarray, dull_accepted: bool) -> bool:
        grid = _probe_rays()
        _, depth, _ = self.renderer.cast(grid, pose, 0.05, normals=False, raw_albedo=True)
        if np.quantile(depth, 0.1) < 0.4 or np.median(depth) < (0.9 if self.indoor else 2.0):
            return False
        return dull_accepted or np.unique(self.renderer.first_solids(grid, pose)).size >= 6


def _probe_rays() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-0.6, 0.6, 12), np.linspace(-0.45, 0.45, 8))
    return np.stack([x, y], axis=-1).astype(np.float32)
