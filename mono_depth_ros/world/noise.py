# SPDX-License-Identifier: Apache-2.0
# mypy: allow-untyped-defs
"""Band-limited noise from one small table, and hashes: what procedural textures are made of."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world.kernels import inner

SIZE = 256
LEVELS = 7
CELLS = 4  # blobs of the lowest octave across the table


def _build() -> np.ndarray:
    """(LEVELS, SIZE, SIZE) float32 tiling noise in about [-1, 1]; level k is blurred for a footprint of 2^k texels."""
    rng = np.random.Generator(np.random.PCG64(20240))
    fx = np.fft.fftfreq(SIZE) * SIZE
    radius = np.hypot(fx[:, None], fx[None, :])
    spectrum = np.where(radius >= CELLS * 0.75, 1.0 / np.maximum(radius, 1.0) ** 1.6, 0.0)
    waves = np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * spectrum
    base = np.fft.ifft2(waves).real.std() * 2.2
    levels = []
    for k in range(LEVELS):
        sigma = 0.4 * 2.0**k if k else 0.0
        blur = np.exp(-2.0 * (math.pi * sigma * radius / SIZE) ** 2)
        levels.append(np.clip(np.fft.ifft2(waves * blur).real / base, -1.3, 1.3))
    return np.array(levels, dtype=np.float32)


TABLE = _build()


@inner
def hash2(ix, iy, salt):
    """Two cell indices and a salt -> uniform in [0, 1)."""
    h = (np.int64(ix) * 374761393 + np.int64(iy) * 668265263 + np.int64(salt) * 2246822519) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF) / 16777216.0


@inner
def noise2(table, u, v, scale, footprint):
    """Noise at u, v (metres) whose largest blobs measure `scale` metres, averaged over `footprint` metres."""
    texel = SIZE / (CELLS * scale)
    width = footprint * texel
    level = 0
    while width > 1.0 and level < LEVELS:
        width *= 0.5
        level += 1
    if level >= LEVELS:
        return 0.0
    x, y = u * texel, v * texel
    fx, fy = math.floor(x), math.floor(y)
    ix, iy = int(fx) & (SIZE - 1), int(fy) & (SIZE - 1)
    jx, jy = (ix + 1) & (SIZE - 1), (iy + 1) & (SIZE - 1)
    a, b = x - fx, y - fy
    top = table[level, iy, ix] * (1 - a) + table[level, iy, jx] * a
    low = table[level, jy, ix] * (1 - a) + table[level, jy, jx] * a
    return top * (1 - b) + low * b


@inner
def pulse(x, period, width, footprint):
    """Share of [x - footprint/2, x + footprint/2] covered by pulses [k period, k period + width]: exact box filter."""
    footprint = max(footprint, 1e-4)
    a, b = (x - 0.5 * footprint) / period, (x + 0.5 * footprint) / period
    w = width / period
    fa, fb = math.floor(a), math.floor(b)
    return ((fb - fa) * w + min(b - fb, w) - min(a - fa, w)) / (b - a)


@inner
def span(x, low, high, footprint):
    """Share of the footprint around x that lies in [low, high]."""
    footprint = max(footprint, 1e-4)
    inside = min(x + 0.5 * footprint, high) - max(x - 0.5 * footprint, low)
    return min(max(inside / footprint, 0.0), 1.0)


@inner
def fade(footprint, size):
    """1 where a detail of `size` metres is well resolved, 0 where a footprint covers it."""
    return min(max(1.5 - 1.5 * footprint / size, 0.0), 1.0)
