# SPDX-License-Identifier: Apache-2.0
# mypy: allow-untyped-defs
"""A depth map seen from the sun (or a broad lamp), rendered once per world and looked up by `shading.shade`."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world.kernels import inner, kernel, prange
from mono_depth_ros.world.raycast import exact_hit
from mono_depth_ros.world.scene import BOX, CYLINDER, Scene, perpendicular

TEXELS = 1024
BIAS = 0.01


def shadow_map(scene: Scene, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest occluder towards the light over the area low..high (x, y metres; z from 0 to 3).

    Returns (TEXELS, TEXELS) float32 heights along the light direction (larger is nearer the light; -inf where nothing
    casts) and a (14,) float64 frame: rows a, b, light direction; offsets; texels per metre; bias. Solids that start
    above the ceiling, or are very large and flat on the ground, cast nothing.
    """
    direction = scene.light.sun
    a = perpendicular(direction)
    b = np.cross(direction, a)
    ground = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (0.0, 3.0)])
    plane = ground @ np.stack([a, b]).T
    start, extent = plane.min(axis=0), float(np.ptp(plane, axis=0).max())
    scale = TEXELS / extent
    frame = np.concatenate([a, b, direction, start, [0.0, scale, BIAS]])
    corners = scene.corners()
    casts = corners[:, :, 2].max(axis=1) > 0.02
    casts &= corners[:, :, 2].min(axis=1) < scene.light.ceiling - 0.08
    keep = np.flatnonzero(casts)
    texel = (corners[keep] @ np.stack([a, b]).T - start) * scale
    boxes = np.concatenate([np.floor(texel.min(axis=1)), np.ceil(texel.max(axis=1))], axis=1)
    boxes = np.clip(boxes, 0, TEXELS).astype(np.int64)
    heights = _fill(scene.kind[keep], scene.center[keep], scene.rotation[keep], scene.half[keep], boxes, frame)
    return heights, frame


@kernel(parallel=True)
def _fill(kind, center, rotation, half, boxes, frame):
    n = TEXELS
    heights = np.full((n, n), -np.inf, dtype=np.float32)
    bands = 32
    for band in prange(bands):
        first, last = band * n // bands, (band + 1) * n // bands
        f = np.empty(12)
        for p in range(kind.size):
            top, bottom = max(first, boxes[p, 1]), min(last, boxes[p, 3])
            if top >= bottom:
                continue
            for j in range(top, bottom):
                for i in range(boxes[p, 0], boxes[p, 2]):
                    # A ray from far along the light: local direction is constant, only the origin moves.
                    ca, cb = (i + 0.5) / frame[12] + frame[9], (j + 0.5) / frame[12] + frame[10]
                    far = 1000.0
                    for k in range(3):
                        o = 0.0
                        d = 0.0
                        for w in range(3):
                            world = frame[w] * ca + frame[3 + w] * cb + frame[6 + w] * far
                            o += rotation[p, w, k] * (world - center[p, w])
                            d -= rotation[p, w, k] * frame[6 + w]
                        f[3 * k], f[3 * k + 1], f[3 * k + 2] = 0.0, 0.0, d
                        f[9 + k] = o
                    if _misses(kind[p], f, half[p]):
                        continue
                    t, _, _, _, _ = exact_hit(kind[p], f, half[p], 0.0, 0.0)
                    heights[j, i] = max(heights[j, i], np.float32(far - t))
    return heights


@inner
def _misses(kind, f, h):
    """Does the ray (0, 0) of frame f miss the solid?"""
    enter, leave = -math.inf, math.inf
    for k in range(3):
        if kind == BOX or (kind == CYLINDER and k == 2):
            d, o = f[3 * k + 2], f[9 + k]
            if abs(d) < 1e-12:
                if abs(o) > h[k]:
                    return True
                continue
            middle, reach = -o / d, abs(h[k] / d)
            enter, leave = max(enter, middle - reach), min(leave, middle + reach)
    if kind == BOX:
        return enter > leave
    if kind == CYLINDER:
        a = f[2] * f[2] + f[5] * f[5] + 1e-30
        cross = f[9] * f[5] - f[10] * f[2]
        disc = h[0] * h[0] * a - cross * cross
        if disc <= 0.0:
            return True
        middle, reach = -(f[9] * f[2] + f[10] * f[5]) / a, math.sqrt(disc) / a
        return max(enter, middle - reach) > min(leave, middle + reach)
    ex, ey, ez = f[2] / h[0], f[5] / h[1], f[8] / h[2]
    px, py, pz = f[9] / h[0], f[10] / h[1], f[11] / h[2]
    cx, cy, cz = py * ez - pz * ey, pz * ex - px * ez, px * ey - py * ex
    return ex * ex + ey * ey + ez * ez <= cx * cx + cy * cy + cz * cz
