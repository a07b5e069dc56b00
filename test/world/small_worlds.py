# SPDX-License-Identifier: Apache-2.0
"""Hand-built scenes with known answers."""

from __future__ import annotations

import numpy as np

from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.render import Renderer
from mono_depth_ros.world.scene import BOX, CYLINDER, Light, Scene, SceneBuilder


def builder(seed: int = 0) -> SceneBuilder:
    b = SceneBuilder(np.random.Generator(np.random.PCG64(seed)))
    b.drivable.append((-10.0, -10.0, 10.0, 10.0))
    return b


def plain(b: SceneBuilder, level: float = 0.5) -> int:
    return b.material(tx.PLAIN, (level, level, level), noise=0.0)


def light(**changes: object) -> Light:
    """A white sun straight overhead, a weak white sky, no haze, no clouds."""
    values: dict = {
        "sun": np.array([0.0, 0.0, 1.0]),
        "sun_color": np.full(3, 0.5),
        "sky_color": np.full(3, 0.2),
        "ground_color": np.full(3, 0.2),
        "horizon": np.full(3, 0.8),
        "zenith": np.full(3, 0.4),
        "haze": 0.0,
        "clouds": 0.0,
        "exposure": 1.0,
    }
    return Light(**(values | changes))


def renderer(b: SceneBuilder, **changes: object) -> Renderer:
    return Renderer.prepare(b.build(light(**changes)), margin=1.0)


def reference_depth(scene: Scene, rays: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """First hits by brute force in float64: every ray against every solid, textbook formulas."""
    d = np.concatenate([rays.astype(np.float64), np.ones((*rays.shape[:2], 1))], axis=-1) @ pose[:3, :3].T
    best = np.full(rays.shape[:2], np.inf)
    for p in range(len(scene.kind)):
        local = d @ scene.rotation[p]
        o = (pose[:3, 3] - scene.center[p]) @ scene.rotation[p]
        h = scene.half[p]
        with np.errstate(divide="ignore", invalid="ignore"):
            if scene.kind[p] in (BOX, CYLINDER):
                a, b = (-h - o) / local, (h - o) / local
                slab_in, slab_out = np.minimum(a, b), np.maximum(a, b)
                if scene.kind[p] == CYLINDER:
                    side_in, side_out = _quadratic(local[..., :2], o[:2], h[0])
                    enter, leave = np.maximum(side_in, slab_in[..., 2]), np.minimum(side_out, slab_out[..., 2])
                else:
                    enter, leave = slab_in.max(axis=-1), slab_out.min(axis=-1)
            else:
                enter, leave = _quadratic(local / h, o / h, 1.0)
        hit = (enter <= leave) & (enter > 0)
        best = np.where(hit & (enter < best), enter, best)
    return best


def _quadratic(d: np.ndarray, o: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    a, b, c = (d * d).sum(-1), d @ o, o @ o - radius * radius
    root = np.sqrt(b * b - a * c)
    return (-b - root) / a, (-b + root) / a
