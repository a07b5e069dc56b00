# SPDX-License-Identifier: Apache-2.0
"""A synthetic world: generate it from a seed, look at it from anywhere, drive through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.world import noise
from mono_depth_ros.world.corridor import corridor
from mono_depth_ros.world.freespace import FreeSpace, free_space
from mono_depth_ros.world.path import CameraPath, make_path
from mono_depth_ros.world.pose import camera_pose
from mono_depth_ros.world.raycast import first_hits, to_camera
from mono_depth_ros.world.rooms import room
from mono_depth_ros.world.scene import Scene
from mono_depth_ros.world.shading import shade, srgb_table
from mono_depth_ros.world.shadows import shadow_map
from mono_depth_ros.world.street import street
from mono_depth_ros.world.warehouse import warehouse
from mono_depth_ros.world.yard import yard

_GENERATORS: dict[str, Callable[[np.random.Generator], Scene]] = {
    "room": room,
    "corridor": corridor,
    "warehouse": warehouse,
    "street": street,
    "yard": yard,
}
INDOOR = ("room", "corridor", "warehouse")
OUTDOOR = ("street", "yard")
KINDS = INDOOR + OUTDOOR
_SRGB = srgb_table()


@dataclass(frozen=True)
class WorldFrame:
    """What a camera sees. Arrays (H, W, ...) numpy; the sky has depth +inf and normals NaN.

    Pixels for which a distorted camera has no ray are black, with depth and normals NaN.
    """

    rgb: np.ndarray  # (H, W, 3) uint8 sRGB
    depth: np.ndarray  # (H, W) float32, metres along the optical axis
    normals: np.ndarray | None  # (H, W, 3) float32, unit, camera optical frame, towards the camera
    sky: np.ndarray  # (H, W) bool


@dataclass(frozen=True)
class World:
    """One world. Make it with `World.generate`; everything in it follows from `kind` and `seed`."""

    kind: str
    seed: int
    scene: Scene
    camera_height: float  # metres above the floor or the road
    free: FreeSpace
    shadow: np.ndarray
    shadow_frame: np.ndarray

    @classmethod
    def generate(cls, kind: str, seed: int) -> World:
        """A world of one of `KINDS`; the same kind and seed give the same world, byte by byte.

        Raises ConfigError for an unknown kind.
        """
        if kind not in _GENERATORS:
            raise ConfigError(f"world kind is '{kind}', expected one of: {', '.join(KINDS)}")
        rng = np.random.Generator(np.random.PCG64([KINDS.index(kind), seed]))
        height = float(rng.uniform(0.52, 0.68) if kind in INDOOR else rng.uniform(1.52, 1.68))
        scene = _GENERATORS[kind](rng)
        free = free_space(scene, height, 0.05 if kind in INDOOR else 0.2)
        low, high = scene.drivable[:, :2].min(axis=0), scene.drivable[:, 2:].max(axis=0)
        margin = 1.0 if kind in INDOOR else 12.0
        shadow, frame = shadow_map(scene, low - margin, high + margin)
        return cls(kind, seed, scene, height, free, shadow, frame)

    @property
    def indoor(self) -> bool:
        return self.kind in INDOOR

    def render(self, camera: Camera, world_from_camera: np.ndarray, normals: bool = True) -> WorldFrame:
        """Cast one ray through every pixel's centre. world_from_camera: 4x4 float64, optical frame."""
        grid = rays(camera).numpy()
        rgb, depth, normal = self._cast(grid, world_from_camera, normals, False, 1.0 / camera.fx)
        return WorldFrame(rgb, depth, normal if normals else None, np.isposinf(depth))

    def cast(self, grid: np.ndarray, world_from_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cast arbitrary rays, (H, W, 2) float32 of x/z and y/z, z forward.

        Returns unlit colour (H, W, 3) uint8, depth (H, W) float32 along z (+inf sky, NaN for NaN rays) and normals
        (H, W, 3) float32 in the frame of the rays.
        """
        return self._cast(grid, world_from_camera, True, True, 2e-3)

    def _cast(
        self, grid: np.ndarray, world_from_camera: np.ndarray, normals: bool, raw_albedo: bool, pixel: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scene = self.scene
        pose = np.asarray(world_from_camera, dtype=np.float64)
        rotation, origin = np.ascontiguousarray(pose[:3, :3]), np.ascontiguousarray(pose[:3, 3])
        frames, bounds = to_camera(scene.center, scene.rotation, scene.half, origin, rotation)
        ids = first_hits(grid, scene.kind, scene.half, frames, bounds)
        return shade(
            grid, ids, scene.kind, scene.half, scene.rotation, scene.material, scene.tint, scene.materials, frames,
            origin, rotation, scene.light.packed(), scene.light.lamps, self.shadow, self.shadow_frame, noise.TABLE,
            _SRGB, pixel, normals, raw_albedo,
        )  # fmt: skip

    def path(self, seed: int = 0) -> CameraPath:
        """A smooth drive through free space, defined for any time; see `CameraPath`."""
        rng = np.random.Generator(np.random.PCG64([self.seed, KINDS.index(self.kind), seed, 1]))
        return make_path(self.free, self.camera_height, self.kind, self.indoor, rng)

    def random_pose(self, rng: np.random.Generator) -> np.ndarray:
        """A plausible viewpoint: 4x4 float64 world_from_camera anywhere free, not staring at a wall."""
        clearance = 0.25 if self.indoor else 0.6
        points = self.free.points(clearance)
        if len(points) == 0:
            points = self.free.points(float(self.free.clearance.max()) * 0.9)
        probe = _probe()
        for _ in range(30):
            x, y = points[int(rng.integers(len(points)))] + rng.uniform(-0.5, 0.5, 2) * self.free.cell
            pitch = np.clip(rng.normal(0.0, np.radians(4.0)), -np.radians(12.0), np.radians(12.0))
            roll = rng.uniform(-1.0, 1.0) * np.radians(2.0)
            height = self.camera_height + rng.uniform(-0.02, 0.02)
            pose = camera_pose(x, y, height, rng.uniform(-np.pi, np.pi), float(pitch), float(roll))
            _, depth, _ = self._cast(probe, pose, False, True, 0.05)
            if np.quantile(depth, 0.1) > 0.4 and np.median(depth) > (0.9 if self.indoor else 2.0):
                break
        return pose

    def sequence(
        self, camera: Camera, rate_hz: float, duration_s: float, seed: int = 0
    ) -> Iterator[tuple[float, np.ndarray, WorldFrame]]:
        """Yield (t_s, world_from_camera, frame) along `path(seed)`."""
        path = self.path(seed)
        for k in range(int(round(rate_hz * duration_s))):
            t = k / rate_hz
            pose = path.pose(t)
            yield t, pose, self.render(camera, pose)


def _probe() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-0.6, 0.6, 12), np.linspace(-0.45, 0.45, 8))
    return np.stack([x, y], axis=-1).astype(np.float32)
