# SPDX-License-Identifier: Apache-2.0
"""An industrial yard: containers 6.06 x 2.44 x 2.59 m, sheds, pallets, drums 0.6 x 0.88 m, cars, people."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world import outdoors as out
from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.people import person
from mono_depth_ros.world.scene import Scene, SceneBuilder
from mono_depth_ros.world.vehicles import car, fork_truck, van
from mono_depth_ros.world.warehouse import load, pallet


def container(b: SceneBuilder, z0: float = 0.0) -> None:
    """A 20-foot container along x with corner posts and door bars."""
    color = pal.strong(b.rng) if b.rng.random() < 0.8 else pal.grey(b.rng)
    ribs = b.material(tx.RIBS, color, pal.scaled(color, 1.0, 0.5), (0.28, 1.0), 0.15, 1.0)
    plain = b.material(tx.PLAIN, pal.scaled(color, 0.85), noise=0.15, noise_scale=0.5)
    b.box(0, 0, z0 + 0.06, (5.98, 2.38, 2.5), ribs)
    for sx in (-1, 1):
        for sy in (-1, 1):
            b.box(sx * 2.97, sy * 1.16, z0, (0.12, 0.12, 2.59), plain)
    for sy in (-1, 1):
        for z in (0.0, 2.47):
            b.box(0, sy * 1.16, z0 + z, (5.9, 0.1, 0.12), plain)
    bar = b.material(tx.PLAIN, pal.grey(b.rng, 0.5, 0.8))
    for y in (-0.8, -0.35, 0.35, 0.8):
        b.rod((3.02, y, z0 + 0.12), (3.02, y, z0 + 2.45), 0.02, bar)


def drums(b: SceneBuilder) -> None:
    """Up to six oil drums side by side."""
    m = b.material(tx.PLAIN, pal.strong(b.rng), noise=0.15, gloss=0.4)
    ring = b.material(tx.PLAIN, pal.grey(b.rng, 0.1, 0.5))
    for k in range(int(b.rng.integers(1, 7))):
        x, y = (k % 3 - 1) * 0.62, (k // 3 - 0.5) * 0.62
        b.cylinder(x, y, 0, 0.29, 0.88, m)
        for z in (0.0, 0.28, 0.58, 0.85):
            b.cylinder(x, y, z, 0.3, 0.02, ring)


def shed(b: SceneBuilder) -> None:
    """A shed or small hall, gate towards -y."""
    rng = b.rng
    w, d, h = float(rng.uniform(6, 18)), float(rng.uniform(5, 10)), float(rng.uniform(3.0, 6.0))
    skin = (
        pal.brick_material(b) if rng.random() < 0.4 else b.material(tx.RIBS, pal.wall(rng), params=(0.25,), noise=0.08)
    )
    b.box(0, d / 2, 0, (w, d, h), skin)
    gate = b.material(tx.TILES, pal.strong(rng), (0.2, 0.2, 0.2), (20.0, 0.45, 0.02, 0.05), 0.06)
    b.box(-w * 0.2, -0.02, 0, (3.0, 0.1, min(2.8, h - 0.2)), gate)
    leaf = b.material(tx.DOOR, pal.grey(rng, 0.3, 0.8), (0.3, 0.3, 0.3), (1.0, 0.5))
    b.box(w * 0.32, -0.02, 0, (0.9, 0.1, 2.0), leaf)
    roof = b.material(tx.RIBS, pal.grey(rng, 0.2, 0.6), params=(0.3,))
    b.box(0, d / 2, h, (w + 0.6, d + 0.6, 0.2), roof, roll=float(rng.uniform(-0.08, 0.08)))


def yard(rng: np.random.Generator) -> Scene:
    """Open ground about 45-70 m a side with things standing about, fenced in, sheds along the rim."""
    b = SceneBuilder(rng)
    size = float(rng.uniform(38, 62))
    grass = b.material(tx.PATCHES, (0.2, 0.3, 0.1), (0.36, 0.38, 0.2), (1.0,), 0.3, float(rng.choice([0.3, 2.0])))
    b.box(0, 0, -1.0, (900, 900, 0.98), grass, solid=False)
    _ground(b, size)
    half = size / 2
    for k in range(4):
        with b.at(0, 0, k * math.pi / 2), b.at(0, half):
            x = -half + float(rng.uniform(0, 6))
            while x < half - 6:
                if rng.random() < 0.45:
                    with b.at(x + 6, 4.5):
                        shed(b)
                    x += 19
                elif rng.random() < 0.5:
                    with b.at(x + 4, 0.5):
                        out.fence(b, 8.0)
                    x += 8
                else:
                    with b.at(x + 2, float(rng.uniform(1.5, 6))):
                        out.tree(b, float(rng.uniform(4, 11)))
                    x += 4
    for _ in range(int(rng.integers(18, 60))):
        _place(b, half)
    out.backdrop(b, 75.0)
    b.drivable.append((-half, -half, half, half))
    return b.build(out.daylight(rng))


def _ground(b: SceneBuilder, size: float) -> None:
    rng, pick = b.rng, b.rng.random()
    gray = pal.grey(rng, 0.4, 0.75)
    if pick < 0.45:
        slab = float(rng.choice([2.0, 3.0, 5.0]))
        m = b.material(tx.TILES, gray, pal.scaled(gray, 0.55), (slab, slab, 0.02, 0.12), 0.2, 0.8)
    elif pick < 0.65:
        m = b.material(tx.BRICKS, gray, pal.scaled(gray, 0.6), (0.2, 0.1, 0.006, 0.25), 0.15, 1.0)
    elif pick < 0.85:
        dirt = pal.hsv(rng, (0.06, 0.12), (0.1, 0.35), (0.4, 0.65))
        other = pal.scaled(dirt, rng.uniform(0.75, 0.95))
        m = b.material(tx.PATCHES, dirt, other, (0.8,), 0.2, float(rng.choice([0.25, 0.5, 1.5])))
    else:
        m = b.material(tx.PATCHES, pal.grey(rng, 0.25, 0.4), pal.grey(rng, 0.3, 0.5), (1.0,), 0.3, 0.4)
    b.box(0, 0, -0.5, (size + 14, size + 14, 0.5), m, solid=False)


def _place(b: SceneBuilder, half: float) -> None:
    """One thing somewhere in the yard, turned by a right angle or a little."""
    rng = b.rng
    x, y = (float(v) for v in rng.uniform(-half + 2, half - 2, 2))
    yaw = float(rng.choice([0.0, math.pi / 2, math.pi, -math.pi / 2])) + float(rng.normal(0, 0.08))
    pick = rng.random()
    wood = pal.hsv(rng, (0.08, 0.1), (0.3, 0.5), (0.45, 0.7))
    if pick < 0.22 and b.claim(x, y, yaw, 7.5, 3.8):
        with b.at(x, y, yaw):
            container(b)
            if rng.random() < 0.35:
                container(b, 2.59)
    elif pick < 0.36 and b.claim(x, y, yaw, 6.0, 3.0):
        with b.at(x, y, yaw):
            car(b) if rng.random() < 0.7 else van(b)
    elif pick < 0.42 and b.claim(x, y, yaw, 3.4, 1.8):
        with b.at(x, y, yaw):
            fork_truck(b)
    elif pick < 0.6 and b.claim(x, y, yaw, 1.5, 1.2):
        with b.at(x, y, yaw):
            m = b.material(tx.PLAIN, wood, noise=0.25, noise_scale=0.1)
            stack = int(rng.integers(1, 9))
            for k in range(stack):
                pallet(b, m, 0.144 * k)
            if stack < 3:
                goods = b.material(
                    tx.CARTON, pal.hsv(rng, (0.07, 0.1), (0.3, 0.55), (0.45, 0.75)), (0.75, 0.65, 0.5), (0.05,)
                )
                load(b, [goods], 0.144 * stack, 1.2)
    elif pick < 0.72 and b.claim(x, y, yaw, 2.0, 1.4):
        with b.at(x, y, yaw):
            drums(b)
    elif pick < 0.9 and b.claim(x, y, yaw, 0.7, 0.7):
        with b.at(x, y, yaw):
            person(b, vest=bool(rng.random() < 0.5))
    elif b.claim(x, y, yaw, 1.2, 1.2):
        with b.at(x, y, yaw):
            out.tree(b, float(rng.uniform(4, 9)))
