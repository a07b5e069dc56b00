# SPDX-License-Identifier: Apache-2.0
"""From a scene and a grid of rays to colour, depth and normals: find the first solids, then shade them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mono_depth_ros.world import noise
from mono_depth_ros.world.kernels import one_at_a_time
from mono_depth_ros.world.raycast import first_hits, to_camera
from mono_depth_ros.world.scene import Scene
from mono_depth_ros.world.shading import shade, srgb_table
from mono_depth_ros.world.shadows import shadow_map

_SRGB = srgb_table()


@dataclass(frozen=True, eq=False)
class WorldFrame:
    """What a camera sees. Arrays (H, W, ...) numpy; the sky has depth +inf and normals NaN.

    Pixels for which a distorted camera has no ray are black, with depth and normals NaN.
    """

    rgb: np.ndarray  # (H, W, 3) uint8 sRGB
    depth: np.ndarray  # (H, W) float32, metres along the optical axis
    normals: np.ndarray | None  # (H, W, 3) float32, unit, camera optical frame, towards the camera
    sky: np.ndarray  # (H, W) bool


@dataclass(frozen=True, eq=False)
class Renderer:
    """A scene with its shadows. Rays are (H, W, 2) float32 of x/z and y/z; poses 4x4 float64, optical frame."""

    scene: Scene
    shadow: np.ndarray
    shadow_frame: np.ndarray
    area: tuple[np.ndarray, np.ndarray]  # x and y of the two corners between which shadows are known

    @classmethod
    def prepare(cls, scene: Scene, margin: float) -> Renderer:
        """Bake the shadows over the drivable area and `margin` metres around it."""
        low, high = scene.drivable[:, :2].min(axis=0), scene.drivable[:, 2:].max(axis=0)
        with one_at_a_time:
            return cls(scene, *shadow_map(scene, low - margin, high + margin), (low - margin, high + margin))

    def with_solids(self, others: Scene) -> Renderer:
        """The same scene and more solids in it, which cast their shadows too."""
        with one_at_a_time:
            shadow, _ = shadow_map(others, *self.area)
        return replace(self, scene=self.scene.joined(others), shadow=np.maximum(self.shadow, shadow))

    def first_solids(self, grid: np.ndarray, world_from_camera: np.ndarray) -> np.ndarray:
        """(H, W) int32: which solid each ray meets first; -1 for sky, -2 for a NaN ray."""
        with one_at_a_time:
            return self._hits(grid, world_from_camera)[0]

    def cast(
        self,
        grid: np.ndarray,
        world_from_camera: np.ndarray,
        pixel: float,
        normals: bool = True,
        raw_albedo: bool = False,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Colour (H, W, 3) uint8, depth (H, W) float32 and normals (H, W, 3) float32 (without meaning if not wanted).

        pixel: radians one ray stands for, over which textures are averaged. raw_albedo: the surface's own colour.
        """
        scene = self.scene
        with one_at_a_time:
            ids, frames, rotation, origin = self._hits(grid, world_from_camera)
            return shade(
                grid, ids, scene.kind, scene.half, scene.rotation, scene.material, scene.tint, scene.materials, frames,
                origin, rotation, scene.light.packed(), scene.light.lamps, self.shadow, self.shadow_frame, noise.TABLE,
                _SRGB, pixel, normals, raw_albedo,
            )  # fmt: skip

    def _hits(
        self, grid: np.ndarray, world_from_camera: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        scene = self.scene
        pose = np.asarray(world_from_camera, dtype=np.float64)
        rotation, origin = np.ascontiguousarray(pose[:3, :3]), np.ascontiguousarray(pose[:3, 3])
        frames, bounds = to_camera(scene.center, scene.rotation, scene.half, origin, rotation)
        return first_hits(grid, scene.kind, scene.half, frames, bounds), frames, rotation, origin
