# SPDX-License-Identifier: Apache-2.0
"""A warehouse: 6-9 m high, racks with 2.7 m bays, EUR pallets 1.2 x 0.8 x 0.144 m, cartons, fork trucks, people."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.interior import indoor_light, wall_frames
from mono_depth_ros.world.people import person
from mono_depth_ros.world.scene import Scene, SceneBuilder
from mono_depth_ros.world.vehicles import fork_truck

BAY, DEPTH = 2.7, 1.05


def pallet(b: SceneBuilder, material: int, z0: float = 0.0) -> None:
    """An EUR pallet, 1.2 m along x."""
    for y in (-0.35, 0.0, 0.35):
        b.box(0, y, z0, (1.2, 0.1, 0.022), material)
        for x in (-0.5275, 0.0, 0.5275):
            b.box(x, y, z0 + 0.022, (0.145, 0.1, 0.078), material)
    b.box(0, 0, z0 + 0.1, (1.2, 0.8, 0.044), material)


def load(b: SceneBuilder, cartons: list[int], z0: float, room_above: float) -> None:
    """Goods on a pallet whose deck is at z0: stacked cartons, one crate, or a wrapped block."""
    rng = b.rng
    pick = rng.random()
    m = cartons[int(rng.integers(len(cartons)))]
    if pick < 0.3:
        h = float(rng.uniform(0.4, min(1.2, room_above)))
        b.box(0, 0, z0, (1.15, 0.76, h), m)
        return
    nx, ny = (2, 2) if rng.random() < 0.5 else (3, 2)
    h = float(rng.uniform(0.28, 0.45))
    layers = int(rng.integers(1, max(int(min(room_above, 1.4) / h), 1) + 1))
    for k in range(layers):
        for i in range(nx):
            for j in range(ny):
                if k == layers - 1 and rng.random() < 0.3:
                    continue
                sx, sy = 1.16 / nx, 0.78 / ny
                b.box((i + 0.5) * sx - 0.58, (j + 0.5) * sy - 0.39, z0 + k * h, (sx - 0.012, sy - 0.012, h - 0.004), m)


def rack(b: SceneBuilder, bays: int, levels: int, rise: float, cartons: list[int], wood: int, full: float) -> None:
    """A pallet rack along x, centred; uprights at every bay, beams at every level."""
    rng = b.rng
    blue = b.material(tx.PLAIN, pal.hsv(rng, (0.55, 0.65), (0.6, 0.9), (0.3, 0.7)), noise=0.05)
    orange = b.material(tx.PLAIN, pal.hsv(rng, (0.03, 0.1), (0.8, 0.95), (0.7, 0.95)), noise=0.05)
    guard = b.material(tx.HAZARD, (0.9, 0.75, 0.05), (0.05, 0.05, 0.05), (0.16,))
    length = bays * BAY
    for k in range(bays + 1):
        x = -length / 2 + k * BAY
        for s in (-1, 1):
            b.box(x, s * (DEPTH / 2 - 0.05), 0, (0.09, 0.09, levels * rise + 0.6), blue)
        for h in np.arange(0.6, levels * rise, 1.2):
            b.box(x, 0, float(h), (0.04, DEPTH - 0.1, 0.04), blue)
        for s in (-1, 1):
            b.box(x, s * (DEPTH / 2 + 0.04), 0, (0.16, 0.08, 0.4), guard)
    for level in range(levels + 1):
        z = level * rise
        for k in range(bays):
            x = -length / 2 + (k + 0.5) * BAY
            if level:
                for s in (-1, 1):
                    b.box(x, s * (DEPTH / 2 - 0.05), z - 0.12, (BAY - 0.09, 0.05, 0.12), orange)
            for side in (-0.65, 0.65):
                if rng.random() < full:
                    with b.at(x + side, float(rng.uniform(-0.05, 0.05)), float(rng.normal(0, 0.02))):
                        pallet(b, wood, z)
                        load(b, cartons, z + 0.144, rise - 0.5)


def warehouse(rng: np.random.Generator) -> Scene:
    """Two to four parallel racks with aisles of 2.4-3.5 m in between."""
    b = SceneBuilder(rng)
    height = float(rng.uniform(6.0, 9.0))
    rows, bays, levels = int(rng.integers(2, 4)), int(rng.integers(4, 8)), int(rng.integers(2, 4))
    rise, aisle = float(rng.uniform(1.5, 2.0)), float(rng.uniform(2.4, 3.6))
    length = bays * BAY + float(rng.uniform(5, 9))
    width = rows * DEPTH + (rows + 1) * aisle
    if rng.random() < 0.5:
        floor = b.material(tx.PATCHES, pal.grey(rng, 0.35, 0.6), pal.grey(rng, 0.45, 0.7), (0.7,), 0.12, 0.8, 0.25)
    else:
        g = pal.grey(rng, 0.4, 0.7)
        floor = b.material(tx.TILES, g, pal.scaled(g, 0.6), (4.0, 4.0, 0.012, 0.1), 0.18, 0.6, 0.3)
    b.box(0, 0, -0.2, (120, 120, 0.2), floor, solid=False)
    roof = b.material(tx.RIBS, pal.grey(rng, 0.5, 0.9), params=(0.3,), noise=0.05)
    b.box(0, 0, height, (120, 120, 0.2), roof, solid=False)
    wall = b.material(tx.RIBS, pal.grey(rng, 0.6, 0.9), params=(0.3,), noise=0.06)
    lower = pal.brick_material(b) if rng.random() < 0.5 else b.material(tx.PLAIN, pal.wall(rng), noise=0.08)
    gate = b.material(tx.TILES, pal.wall(rng), pal.grey(rng, 0.3, 0.5), (20.0, 0.5, 0.015, 0.05), 0.04)
    for x, y, yaw, run in wall_frames((length, width)):
        with b.at(x, y, yaw):
            b.box(0, -0.15, 0, (run + 0.6, 0.3, height), wall)
            b.box(0, -0.14, 0, (run + 0.6, 0.32, 1.2), lower)
            for at in np.arange(-run / 2 + 2.5, run / 2 - 2, 5.0):
                if rng.random() < 0.4:  # a gate 3 x 3.2 m
                    b.box(float(at), 0.03, 0, (3.0, 0.06, 3.2), gate)
            for at in np.arange(-run / 2, run / 2, 5.0):
                b.box(float(at), 0.1, 0, (0.25, 0.25, height), b.material(tx.PLAIN, pal.grey(rng, 0.3, 0.6)))
    beam = b.material(tx.PLAIN, pal.grey(rng, 0.3, 0.7))
    for x in np.arange(-length / 2, length / 2, 5.0):
        b.box(float(x), 0, height - 0.5, (0.2, width, 0.4), beam)
    glow = b.material(tx.PLAIN, (1.0, 1.0, 1.0), noise=0.0, emission=1.5)
    cartons = [
        b.material(
            tx.CARTON, pal.hsv(rng, (0.07, 0.1), (0.3, 0.55), (0.45, 0.75)), (0.75, 0.65, 0.5), (0.05,), 0.1, 0.3
        )
        for _ in range(3)
    ] + [b.material(tx.PLAIN, pal.fabric(rng), noise=0.15, noise_scale=0.2, gloss=0.4) for _ in range(2)]
    wood = b.material(tx.PLAIN, pal.hsv(rng, (0.08, 0.1), (0.3, 0.5), (0.5, 0.75)), noise=0.25, noise_scale=0.1)
    line = b.material(tx.PLAIN, (0.9, 0.75, 0.1), noise=0.25, noise_scale=0.3)
    full = float(rng.uniform(0.5, 0.95))
    for r in range(rows):
        y = -width / 2 + aisle + DEPTH / 2 + r * (aisle + DEPTH)
        with b.at(0, y):
            rack(b, bays, levels, rise, cartons, wood, full)
        b.claim(0, y, 0, bays * BAY + 0.4, DEPTH + 0.2)
    for r in range(rows + 1):
        y = -width / 2 + aisle / 2 + r * (aisle + DEPTH)
        for s in (-1, 1):
            b.box(0, y + s * (aisle / 2 - 0.25), 0, (bays * BAY, 0.1, 0.003), line, solid=False)
        for x in np.arange(-length / 2 + 3, length / 2, 6.0):
            b.box(float(x), y, height - 0.8, (1.2, 0.3, 0.08), glow, solid=False)
            b.lamp(float(x), y, height - 1.0, (0.35, 0.35, 0.33), 5.0) if int(x) % 2 == 0 else None
    for _ in range(int(rng.integers(3, 12))):
        side = float(rng.choice([-1, 1]))
        x, y = float(rng.uniform(-length / 2 + 1, length / 2 - 1)), float(rng.uniform(-width / 2 + 1, width / 2 - 1))
        pick = rng.random()
        if pick < 0.35 and b.claim(x, y, 0.0, 0.7, 0.7):
            with b.at(x, y, float(rng.uniform(-math.pi, math.pi))):
                person(b, vest=bool(rng.random() < 0.7))
        elif pick < 0.5 and b.claim(x, y, 0.0, 3.2, 1.3):
            with b.at(x, y, 0.0 if side > 0 else math.pi):
                fork_truck(b)
        elif b.claim(x, y, 0.0, 1.3, 0.9):
            with b.at(x, y):
                pallet(b, wood)
                load(b, cartons, 0.144, 1.5)
    b.drivable.append((-length / 2, -width / 2, length / 2, width / 2))
    return b.build(indoor_light(b, height))
