# SPDX-License-Identifier: Apache-2.0
"""What stands outdoors: daylight, houses, trees, lamp posts, fences, signs, the far tree line."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.scene import Light, SceneBuilder


def daylight(rng: np.random.Generator) -> Light:
    """Sun height, haze and cloud by the seed: from a clear noon to an overcast evening."""
    overcast = float(rng.random() < 0.35) * float(rng.uniform(0.5, 1.0))
    height = float(rng.uniform(0.25, 1.2))
    azimuth = float(rng.uniform(-math.pi, math.pi))
    warm = max(0.0, 0.8 - height) * 0.7
    sun = np.array([1.0, 0.95 - 0.35 * warm, 0.9 - 0.7 * warm]) * (1.0 - 0.92 * overcast) * rng.uniform(1.0, 1.7)
    blue = np.array([0.42, 0.58, 0.85]) * (1 - overcast) + np.array([0.75, 0.78, 0.82]) * overcast
    sky = blue * rng.uniform(0.6, 0.9) * (1.0 + 0.4 * overcast)
    pale = np.array([0.78, 0.85, 0.95]) * (1 - 0.3 * warm) + np.array([0.3, 0.1, -0.1]) * warm
    horizon = pale * (1 - overcast) + np.array([0.75, 0.77, 0.8]) * overcast
    zenith = blue * (0.75 * (1 - overcast) + 0.85 * overcast)
    return Light(
        sun=np.array([math.cos(height) * math.cos(azimuth), math.cos(height) * math.sin(azimuth), math.sin(height)]),
        sun_color=sun,
        sky_color=sky,
        ground_color=sky * 0.4 + sun * 0.12,
        horizon=horizon,
        zenith=zenith,
        haze=float(1.0 / rng.uniform(350, 2500)),
        clouds=float(np.clip(rng.uniform(-0.2, 0.8) + 0.3 * overcast, 0.0, 1.0)),
        exposure=float(rng.uniform(0.75, 1.1)),
    )


def house(b: SceneBuilder, width: float, depth: float, storeys: int) -> None:
    """A house, front on y = 0, facing -y: storeys 2.8-3 m, windows 1.2 x 1.4 m, door 2.0 x 0.9 m, roof."""
    rng = b.rng
    storey = float(rng.uniform(2.8, 3.0))
    height = storey * storeys + 0.3
    color = pal.wall(rng) if rng.random() < 0.65 else pal.hsv(rng, (0.0, 0.09), (0.35, 0.6), (0.35, 0.65))
    facade = b.material(
        tx.FACADE, color, pal.scaled(color, 0.55), (float(rng.uniform(2.0, 3.2)), storey, 1.2, 1.4), 0.1, 0.5
    )
    b.box(0, depth / 2, 0, (width, depth, height), facade)
    trim = b.material(tx.PLAIN, pal.grey(rng, 0.5, 0.95), noise=0.05)
    x = float(rng.uniform(-0.35, 0.35)) * width
    dcolor = pal.strong(rng) if rng.random() < 0.5 else pal.wood(rng)
    leaf = b.material(tx.DOOR, dcolor, pal.scaled(dcolor, 0.7), (1.0, 1.0), 0.05, 0.3, 0.3)
    b.box(x, -0.02, 0, (1.1, 0.1, 2.1), trim)
    b.box(x, -0.05, 0, (0.9, 0.1, 2.0), leaf)
    b.box(x, -0.3, 0, (1.4, 0.6, 0.15), trim)
    if rng.random() < 0.4:
        b.box(x, -0.5, 2.3, (1.6, 1.0, 0.08), trim)
    if rng.random() < 0.35 and storeys > 1:
        rail = b.material(tx.STRIPES, pal.grey(rng, 0.1, 0.9), pal.grey(rng, 0.3, 0.7), (0.12, 0.03))
        for k in range(1, storeys):
            b.box(-x * 0.7, -0.6, k * storey, (2.6, 1.2, 0.16), trim)
            b.box(-x * 0.7, -1.17, k * storey + 0.16, (2.6, 0.05, 0.95), rail)
    roof = b.material(
        tx.TILES,
        pal.hsv(rng, (0.0, 0.08), (0.2, 0.7), (0.2, 0.55)),
        (0.08, 0.07, 0.07),
        (0.3, 0.35, 0.03, 0.3),
        0.15,
        0.8,
    )
    if rng.random() < 0.7:
        slope = float(rng.uniform(0.5, 0.8))
        rise = depth / 2 * math.tan(slope)
        run = depth / 2 / math.cos(slope) + 0.4
        for s in (-1, 1):
            with b.at(0, depth / 2 + s * depth / 4):
                b.box(0, s * 0.1, height + rise / 2 - 0.08, (width + 0.3, run, 0.16), roof, roll=-s * slope)
        # gable ends, in steps that the roof's edge hides
        gable = b.material(tx.PLAIN, color, noise=0.1, noise_scale=0.5)
        for k in range(12):
            w = depth * (1 - (k + 1) / 12) + 0.05
            b.box(0, depth / 2, height + rise * k / 12 - 0.01, (width - 0.1, w, rise / 12 + 0.01), gable)
        if rng.random() < 0.5:
            b.box(width * 0.25, depth * 0.6, height + rise * 0.4, (0.6, 0.6, rise * 0.6 + 0.9), trim)
    else:
        b.box(0, depth / 2, height, (width + 0.2, depth + 0.2, 0.35), trim)


def tree(b: SceneBuilder, height: float) -> None:
    """A trunk and a crown of ellipsoids."""
    rng = b.rng
    bark = b.material(tx.LEAVES, (0.28, 0.2, 0.14), (0.4, 0.32, 0.24), (1.0,), 0.2, 0.1)
    hue = pal.hsv(rng, (0.18, 0.36), (0.35, 0.75), (0.2, 0.5))
    leaf = b.material(tx.LEAVES, pal.scaled(hue, 0.35), hue, (1.5,), 0.25, 0.5)
    trunk = height * float(rng.uniform(0.3, 0.45))
    radius = 0.022 * height + 0.04
    b.cylinder(0, 0, 0, radius, trunk + 0.3, bark)
    r = height * float(rng.uniform(0.2, 0.32))
    if rng.random() < 0.2:  # a conifer
        for k in range(5):
            w = r * (1.0 - k / 5.5)
            b.ellipsoid(0, 0, height * (0.25 + 0.16 * k), (w, w, height * 0.13), leaf)
        return
    b.ellipsoid(0, 0, (height + trunk) / 2, (r, r, (height - trunk) / 2), leaf)
    for _ in range(int(rng.integers(4, 9))):
        a, d = rng.uniform(0, 6.28), rng.uniform(0.4, 0.9) * r
        z = float(rng.uniform(trunk + 0.3 * r, height - 0.5 * r))
        s = float(rng.uniform(0.35, 0.6)) * r
        b.ellipsoid(float(d * math.cos(a)), float(d * math.sin(a)), z, (s, s, s * 0.8), leaf)
    for _ in range(2):
        a = rng.uniform(0, 6.28)
        b.rod((0, 0, trunk * 0.9), (0.5 * r * math.cos(a), 0.5 * r * math.sin(a), trunk + 0.5 * r), radius * 0.5, bark)


def lamp_post(b: SceneBuilder) -> None:
    """A street lamp 5-6 m high whose arm reaches towards +y."""
    h = float(b.rng.uniform(5.0, 6.0))
    m = b.material(tx.PLAIN, pal.grey(b.rng, 0.15, 0.6), noise=0.05)
    b.cylinder(0, 0, 0, 0.09, 1.0, m)
    b.cylinder(0, 0, 1.0, 0.055, h - 1.0, m)
    b.rod((0, 0, h), (0, 1.1, h + 0.15), 0.04, m)
    b.box(0, 1.2, h + 0.1, (0.25, 0.6, 0.1), m)


def sign(b: SceneBuilder) -> None:
    """A traffic sign whose plate (0.6 m) is centred 2.2 m above ground and faces -x."""
    rng = b.rng
    metal = b.material(tx.PLAIN, pal.grey(rng, 0.4, 0.7))
    b.cylinder(0, 0, 0, 0.03, 2.5, metal)
    pick = rng.random()
    red, blue, white = (0.75, 0.05, 0.05), (0.05, 0.15, 0.6), (0.92, 0.92, 0.92)
    if pick < 0.5:
        m = b.material(tx.SIGN, white, red, (0.3,), noise=0.02)
        b.rod((-0.05, 0, 2.2), (-0.035, 0, 2.2), 0.3, m)
    else:
        m = b.material(tx.SIGN, blue if pick < 0.8 else white, white if pick < 0.8 else red, (0.42,), noise=0.02)
        b.box(-0.045, 0, 1.9, (0.015, 0.6, 0.6), m)


def bin_(b: SceneBuilder) -> None:
    """A wheeled bin 0.58 x 0.72 x 1.07 m."""
    m = b.material(tx.PLAIN, pal.hsv(b.rng, (0.1, 0.65), (0.1, 0.7), (0.1, 0.5)), noise=0.08, gloss=0.3)
    b.box(0, 0, 0.08, (0.5, 0.6, 0.9), m)
    b.box(0, 0, 0.98, (0.58, 0.72, 0.09), m)
    for s in (-1, 1):
        b.rod((s * 0.22, -0.28, 0.1), (s * 0.28, -0.28, 0.1), 0.1, m)


def fence(b: SceneBuilder, length: float) -> None:
    """A fence, hedge or garden wall along x, 1-1.8 m high."""
    rng = b.rng
    pick, height = rng.random(), float(rng.uniform(1.0, 1.8))
    if pick < 0.4:
        color = pal.hsv(rng, (0.22, 0.34), (0.4, 0.7), (0.2, 0.42))
        m = b.material(tx.LEAVES, pal.scaled(color, 0.35), color, (1.5,), 0.2, 0.4)
        b.box(0, 0, 0, (length, 0.6, height), m)
    elif pick < 0.7:
        wood = pal.wood(rng) if rng.random() < 0.7 else (0.9, 0.9, 0.9)
        m = b.material(tx.TILES, wood, pal.scaled(wood, 0.25), (0.1, 4.0, 0.015, 0.3), 0.12, 0.1)
        b.box(0, 0, 0.05, (length, 0.03, height - 0.05), m)
        for x in np.arange(-length / 2, length / 2 + 0.1, 2.0):
            b.box(float(x), 0.05, 0, (0.1, 0.1, height + 0.05), m)
    else:
        m = pal.brick_material(b)
        b.box(0, 0, 0, (length, 0.24, min(height, 1.3)), m)
        cap = b.material(tx.PLAIN, pal.grey(rng, 0.4, 0.7))
        b.box(0, 0, min(height, 1.3), (length, 0.3, 0.06), cap)


def backdrop(b: SceneBuilder, radius: float) -> None:
    """A ring of far trees, blocks and hills, so that the horizon is never bare."""
    rng = b.rng
    hue = pal.hsv(rng, (0.2, 0.36), (0.3, 0.6), (0.2, 0.45))
    leaf = b.material(tx.LEAVES, pal.scaled(hue, 0.5), hue, (1.3,), 0.25, 2.5)
    block = [b.material(tx.FACADE, pal.wall(rng), pal.grey(rng), (3.0, 3.0, 1.4, 1.5), 0.1, 1.0) for _ in range(3)]
    n = 44
    built = float(rng.uniform(0.0, 0.7))
    for k in range(n):
        a = 2 * math.pi * (k + float(rng.uniform(-0.3, 0.3))) / n
        r = radius * float(rng.uniform(1.0, 1.5))
        x, y = r * math.cos(a), r * math.sin(a)
        if rng.random() < built:
            w, d, h = float(rng.uniform(10, 24)), float(rng.uniform(8, 14)), float(rng.choice([6.3, 9.3, 12.3, 18.3]))
            b.box(x, y, 0, (d, w, h), block[int(rng.integers(3))], yaw=a)
        elif rng.random() < 0.85:
            w, h = float(rng.uniform(5, 11)), float(rng.uniform(3, 7))
            b.ellipsoid(x, y, h * 0.6, (w, w, h), leaf)
    if rng.random() < 0.5:
        hill = b.material(tx.PATCHES, pal.scaled(hue, 0.8), (0.4, 0.42, 0.35), (0.6,), 0.2, 20.0)
        for _ in range(int(rng.integers(2, 6))):
            a = float(rng.uniform(0, 6.28))
            w = float(rng.uniform(50, 110))
            b.ellipsoid(radius * 2.6 * math.cos(a), radius * 2.6 * math.sin(a), 0, (w * 0.6, w, w * 0.25), hill, yaw=a)
