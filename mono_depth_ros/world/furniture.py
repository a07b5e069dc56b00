# SPDX-License-Identifier: Apache-2.0
"""Furniture at the sizes people build it; every piece stands on z = 0, its back towards -y, in the builder's frame."""

from __future__ import annotations

from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.scene import SceneBuilder


def table(b: SceneBuilder, length: float, width: float, height: float = 0.75) -> None:
    """A table: top 3 cm thick, four legs."""
    m = pal.wood_material(b)
    legs = m if b.rng.random() < 0.6 else b.material(tx.PLAIN, pal.grey(b.rng, 0.1, 0.9), noise=0.03, gloss=0.4)
    b.box(0, 0, height - 0.03, (length, width, 0.03), m)
    for sx in (-1, 1):
        for sy in (-1, 1):
            b.box(sx * (length / 2 - 0.06), sy * (width / 2 - 0.06), 0, (0.06, 0.06, height - 0.03), legs)


def chair(b: SceneBuilder) -> None:
    """A chair: seat 0.45 m high, back to 0.88 m."""
    seat = b.material(tx.PLAIN, pal.fabric(b.rng), noise=0.1, noise_scale=0.1)
    frame = pal.wood_material(b)
    b.box(0, 0, 0.42, (0.43, 0.43, 0.04), seat)
    for sx in (-1, 1):
        b.box(sx * 0.19, 0.19, 0, (0.035, 0.035, 0.42), frame)
        b.box(sx * 0.19, -0.19, 0, (0.035, 0.035, 0.88), frame)
    b.box(0, -0.2, 0.62, (0.4, 0.03, 0.25), seat)


def office_chair(b: SceneBuilder) -> None:
    """A swivel chair on a five-spoke base."""
    import math

    black = b.material(tx.PLAIN, pal.grey(b.rng, 0.05, 0.25), noise=0.05)
    cloth = b.material(tx.PLAIN, pal.fabric(b.rng), noise=0.1, noise_scale=0.05)
    for k in range(5):
        a = 2 * math.pi * k / 5
        b.rod((0, 0, 0.1), (0.3 * math.cos(a), 0.3 * math.sin(a), 0.06), 0.02, black)
        b.ellipsoid(0.3 * math.cos(a), 0.3 * math.sin(a), 0.03, (0.03, 0.03, 0.03), black)
    b.cylinder(0, 0, 0.1, 0.03, 0.33, black)
    b.box(0, 0, 0.43, (0.48, 0.48, 0.07), cloth)
    b.box(0, -0.22, 0.58, (0.44, 0.06, 0.5), cloth, pitch=0.0, roll=0.12)


def sofa(b: SceneBuilder, length: float) -> None:
    """A sofa 0.88 m deep, seat at 0.43 m, cushions."""
    color = pal.fabric(b.rng)
    m = b.material(tx.PLAIN, color, noise=0.12, noise_scale=0.15)
    b.box(0, 0, 0.06, (length, 0.88, 0.24), m)
    b.box(0, -0.34, 0.3, (length, 0.2, 0.5), m)
    for s in (-1, 1):
        b.box(s * (length / 2 - 0.09), 0, 0.3, (0.18, 0.88, 0.3), m)
    seats = 2 if length < 1.9 else 3
    w = (length - 0.4) / seats
    for k in range(seats):
        b.box(-length / 2 + 0.2 + w * (k + 0.5), 0.08, 0.3, (w - 0.02, 0.66, 0.14), m)
    pillow = b.material(
        tx.STRIPES if b.rng.random() < 0.5 else tx.PLAIN, pal.fabric(b.rng), pal.fabric(b.rng), (0.06, 0.03)
    )
    for _ in range(int(b.rng.integers(0, 4))):
        x = b.rng.uniform(-length / 2 + 0.4, length / 2 - 0.4)
        b.box(x, -0.12, 0.45, (0.42, 0.12, 0.4), pillow, roll=0.35)


def bed(b: SceneBuilder, width: float) -> None:
    """A bed 2.05 m long, mattress top at 0.52 m, head at -y."""
    frame = pal.wood_material(b)
    linen = b.material(tx.PATCHES, pal.fabric(b.rng), pal.fabric(b.rng), (0.8,), 0.1, 0.3)
    white = b.material(tx.PLAIN, pal.grey(b.rng, 0.8, 0.95), noise=0.06, noise_scale=0.2)
    b.box(0, 0, 0.08, (width, 2.05, 0.22), frame)
    b.box(0, -1.04, 0, (width + 0.06, 0.05, b.rng.uniform(0.8, 1.15)), frame)
    b.box(0, 0, 0.3, (width - 0.06, 1.98, 0.2), white)
    b.box(0, 0.28, 0.42, (width + 0.02, 1.46, 0.12), linen)
    for k in range(2 if width > 1.2 else 1):
        x = (k - 0.5) * width / 2 if width > 1.2 else 0.0
        b.ellipsoid(x, -0.72, 0.55, (0.33, 0.22, 0.1), white)


def cabinet(b: SceneBuilder, length: float, depth: float, height: float) -> None:
    """A cabinet or wardrobe with doors or drawers, 4 cm off the floor."""
    tall = height > 1.4
    cell = (0.45, height) if tall else (float(b.rng.choice([0.45, 0.6, 0.9])), float(b.rng.choice([0.2, 0.25, height])))
    color = pal.wood(b.rng) if b.rng.random() < 0.6 else pal.wall(b.rng)
    m = b.material(tx.CABINET, color, pal.scaled(color, 0.3), (*cell, 0.006), 0.08, 0.3, 0.25)
    dark = b.material(tx.PLAIN, (0.1, 0.1, 0.1))
    b.box(0, 0.0, 0, (length - 0.04, depth - 0.04, 0.06), dark)
    b.box(0, 0, 0.06, (length, depth, height - 0.06), m)


def bookshelf(b: SceneBuilder, length: float, height: float) -> None:
    """Shelves every 0.32 m, 0.28 m deep, with books whose spines stand 3 cm behind the front."""
    m = pal.wood_material(b)
    books = b.material(tx.BOOKS, (0.3, 0.25, 0.2), params=(0.32, b.rng.uniform(0.03, 0.045)))
    shelves = int(height / 0.32)
    height = shelves * 0.32 + 0.1
    for s in (-1, 1):
        b.box(s * length / 2, 0, 0, (0.025, 0.28, height), m)
    b.box(0, -0.13, 0.08, (length, 0.02, height - 0.08), m)
    for k in range(shelves + 1):
        b.box(0, 0, 0.06 + k * 0.32, (length, 0.28, 0.022), m)
    for k in range(shelves):
        full = b.rng.uniform(0.2, 1.0) if b.rng.random() < 0.8 else 0.0
        if full * length > 0.1:
            b.box(-length / 2 + full * length / 2, -0.02, 0.08 + k * 0.32, (full * length - 0.03, 0.2, 0.295), books)
        elif b.rng.random() < 0.6:
            pot = b.material(tx.PLAIN, pal.fabric(b.rng), gloss=0.5)
            b.cylinder(b.rng.uniform(-0.3, 0.3) * length, 0, 0.08 + k * 0.32, 0.07, b.rng.uniform(0.1, 0.22), pot)


def plant(b: SceneBuilder, height: float) -> None:
    """A potted plant."""
    pot = b.material(tx.PLAIN, pal.hsv(b.rng, (0.0, 0.1), (0.2, 0.7), (0.3, 0.9)), noise=0.1, noise_scale=0.2)
    leaf = b.material(tx.LEAVES, (0.1, 0.32, 0.1), (0.3, 0.5, 0.2), (1.2,), 0.2, 0.15)
    stem = b.material(tx.PLAIN, (0.3, 0.2, 0.1))
    b.cylinder(0, 0, 0, 0.16, 0.3, pot)
    b.rod((0, 0, 0.3), (0.03, 0.02, height - 0.15), 0.02, stem)
    for _ in range(int(b.rng.integers(4, 9))):
        x, y = b.rng.uniform(-0.2, 0.2, 2)
        z = b.rng.uniform(0.45, 1.0) * height
        r = b.rng.uniform(0.1, 0.22)
        b.ellipsoid(x, y, z, (r, r * 0.8, r * 0.6), leaf, yaw=b.rng.uniform(0, 6), pitch=b.rng.uniform(-0.6, 0.6))


def floor_lamp(b: SceneBuilder) -> None:
    """A standing lamp 1.55 m high."""
    metal = b.material(tx.PLAIN, pal.grey(b.rng, 0.1, 0.7), gloss=0.5)
    shade = b.material(tx.PLAIN, pal.hsv(b.rng, (0.08, 0.14), (0.1, 0.4), (0.8, 1.0)), emission=b.rng.uniform(0.2, 1.2))
    b.cylinder(0, 0, 0, 0.14, 0.03, metal)
    b.cylinder(0, 0, 0.03, 0.015, 1.27, metal)
    b.cylinder(0, 0, 1.27, 0.2, 0.28, shade)


def screen(b: SceneBuilder, width: float, z0: float) -> None:
    """A flat screen (16:9) on a foot that stands on z0."""
    dark = b.material(tx.PLAIN, (0.03, 0.03, 0.035), noise=0.02, gloss=0.9)
    b.box(0, 0, z0 + 0.08, (width, 0.04, width * 0.5625), dark)
    b.box(0, 0, z0, (width * 0.35, 0.2, 0.02), dark)
    b.box(0, -0.01, z0, (0.06, 0.03, 0.12), dark)


def carton(b: SceneBuilder, size: tuple[float, float, float], z0: float = 0.0, x: float = 0.0, y: float = 0.0) -> None:
    """A cardboard box with tape."""
    color = pal.hsv(b.rng, (0.07, 0.1), (0.3, 0.5), (0.5, 0.75))
    tape = pal.scaled(color, 0.8, 0.15)
    m = b.material(tx.CARTON, color, tape, (0.05,), 0.08, 0.3)
    b.box(x, y, z0, size, m, yaw=float(b.rng.uniform(-0.1, 0.1)))


def counter(b: SceneBuilder, length: float) -> None:
    """A kitchen counter 0.9 m high and 0.6 m deep in 0.6 m units, with wall cupboards 0.35 m deep from 1.45 m up."""
    rng = b.rng
    color = pal.wall(rng) if rng.random() < 0.7 else pal.wood(rng)
    doors = b.material(tx.CABINET, color, pal.scaled(color, 0.3), (0.6, 0.75, 0.005), 0.04, 0.3, 0.4)
    dark = b.material(tx.PLAIN, (0.08, 0.08, 0.08))
    top = b.material(tx.PLAIN, pal.grey(rng, 0.1, 0.9) if rng.random() < 0.5 else pal.wood(rng), noise=0.15, gloss=0.5)
    steel = b.material(tx.PLAIN, (0.7, 0.7, 0.72), noise=0.03, gloss=2.0)
    b.box(0, -0.02, 0, (length - 0.02, 0.5, 0.1), dark)
    b.box(0, 0, 0.1, (length, 0.58, 0.76), doors)
    b.box(0, 0.005, 0.86, (length + 0.01, 0.61, 0.04), top)
    if rng.random() < 0.6:  # an oven with its hob
        x = (int(rng.integers(int(length / 0.6 + 0.5))) + 0.5) * 0.6 - length / 2
        b.box(x, 0.29, 0.22, (0.56, 0.03, 0.5), dark)
        b.rod((x - 0.22, 0.33, 0.66), (x + 0.22, 0.33, 0.66), 0.01, steel)
        b.box(x, 0, 0.9, (0.56, 0.5, 0.006), dark)
    if rng.random() < 0.7:
        b.box(0, -0.125, 1.45, (length, 0.35, 0.7), doors)
    for _ in range(int(rng.integers(0, 4))):
        trinket(b, float(rng.uniform(-0.45, 0.45)) * length, 0.0, 0.906)


def fridge(b: SceneBuilder, height: float) -> None:
    """A fridge 0.6 m wide."""
    white = b.material(tx.PLAIN, pal.grey(b.rng, 0.6, 0.97), noise=0.02, gloss=0.6)
    gap = b.material(tx.PLAIN, (0.1, 0.1, 0.1))
    split = float(b.rng.uniform(0.35, 0.65)) * height
    b.box(0, -0.02, 0.03, (0.58, 0.56, height - 0.03), gap)
    for low, high in ((0.04, split - 0.005), (split + 0.005, height)):
        b.box(0, 0, low, (0.6, 0.62, high - low), white)
        b.box(0.24, 0.33, (low + high) / 2 - 0.15, (0.025, 0.04, 0.3), gap)


def trinket(b: SceneBuilder, x: float, y: float, z0: float) -> None:
    """A small thing on a table: a mug, a vase, a bowl, a stack of books, a box."""
    rng, pick = b.rng, b.rng.random()
    m = b.material(tx.PLAIN, pal.fabric(rng), noise=0.1, noise_scale=0.1, gloss=0.5)
    if pick < 0.3:
        b.cylinder(x, y, z0, 0.04, 0.095, m)
    elif pick < 0.5:
        r = float(rng.uniform(0.05, 0.09))
        b.cylinder(x, y, z0, r, float(rng.uniform(0.15, 0.3)), m)
    elif pick < 0.65:
        b.ellipsoid(x, y, z0 + 0.05, (0.12, 0.12, 0.06), m)
    elif pick < 0.85:
        for k in range(int(rng.integers(1, 5))):
            cover = b.material(tx.PLAIN, pal.fabric(rng), noise=0.05)
            b.box(x, y, z0 + 0.03 * k, (0.17, 0.24, 0.029), cover, yaw=float(rng.uniform(-0.4, 0.4)))
    else:
        b.box(x, y, z0, (0.2, 0.14, 0.12), m, yaw=float(rng.uniform(-0.5, 0.5)))
