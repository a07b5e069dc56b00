# SPDX-License-Identifier: Apache-2.0
"""Small rooms full of things, as they are lived and worked in: kitchens, studies and workshops."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world import furniture as fu
from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world import things
from mono_depth_ros.world.interior import ceiling_lamp, indoor_light, shell, wall_frames
from mono_depth_ros.world.rooms import against_wall, anywhere, neighbours, pictures
from mono_depth_ros.world.scene import Scene, SceneBuilder

_BEHIND = {  # what stands against the walls, beside counters or desks
    "kitchen": ("fridge", "cabinet", "plant", "cartons", "bookshelf"),
    "study": ("bookshelf", "bookshelf", "cabinet", "wardrobe", "plant", "lamp", "sofa"),
    "workshop": ("cartons", "cartons", "cabinet", "bookshelf", "wardrobe"),
}


def clutter(rng: np.random.Generator) -> Scene:
    """A room 2.2-5 m a side, where most of what a camera sees is nearer than 2 m."""
    b = SceneBuilder(rng)
    size = (float(rng.uniform(2.2, 5.0)), float(rng.uniform(2.2, 4.2)))
    height, style = float(rng.uniform(2.35, 2.9)), str(rng.choice(("kitchen", "kitchen", "study", "workshop")))
    one = pal.wall_material(b)
    doors: list[list[float]] = [[], [], [], []]
    frames = wall_frames(size)
    at = int(rng.integers(4))
    doors[at] = [float(rng.uniform(-frames[at][3] / 2 + 0.7, frames[at][3] / 2 - 0.7))]
    shell(b, size, height, doors, [one if rng.random() < 0.7 else pal.wall_material(b) for _ in range(4)])
    neighbours(b, size, height, one)
    with b.at(*frames[at][:3]):
        b.claim(doors[at][0], 0.4, 0.0, 1.1, 0.9)
    worktops = [k for k in rng.permutation(4) if k != at or frames[k][3] > 3.2][: int(rng.integers(1, 4))]
    for k in worktops:
        _worktop(b, style, frames[k])
    for name in rng.permutation(np.array(_BEHIND[style]))[: int(rng.integers(1, 5))]:
        against_wall(b, str(name), frames)
    for k in range(4):
        if rng.random() < 0.6:
            _shelf(b, style, frames[k], doors[k])
    pictures(b, frames, doors)
    if size[0] * size[1] > 8:
        anywhere(b, size, 1.2, 1.1, lambda: _table(b, style))
    for _ in range(int(rng.integers(1, 7))):
        _, draw = things.FLOOR[int(rng.integers(len(things.FLOOR)))]
        anywhere(b, size, 0.45, 0.45, lambda draw=draw: draw(b))  # type: ignore[misc]
    for _ in range(int(rng.integers(0, 3))):
        anywhere(b, size, 0.5, 0.5, lambda: fu.chair(b))
    ceiling_lamp(b, 0.0, 0.0, height)
    b.drivable.append((-size[0] / 2, -size[1] / 2, size[0] / 2, size[1] / 2))
    return b.build(indoor_light(b, height))


def spread(b: SceneBuilder, kinds: tuple[tuple[float, things.Draw], ...], length: float, depth: float) -> None:
    """Things side by side on a surface at z = 0 of the builder's frame, around its origin; some places stay empty."""
    rng, x = b.rng, -length / 2 + 0.03
    fullness = float(rng.uniform(0.5, 1.0))
    while True:
        width, draw = kinds[int(rng.integers(len(kinds)))]
        if x + width > length / 2:
            return
        if rng.random() < fullness:
            y = float(rng.uniform(-0.5, 0.5)) * max(depth - min(width, 0.3), 0.0)
            with b.at(x + width / 2, y, float(rng.normal(0.0, 0.3))):
                draw(b)
        x += width + float(rng.uniform(0.0, 0.08))


def _worktop(b: SceneBuilder, style: str, frame: tuple[float, float, float, float]) -> None:
    """A counter or desks along a wall, with what stands on them; nothing where the place is taken."""
    rng, (x, y, yaw, run) = b.rng, frame
    kitchen = style == "kitchen"
    length = 0.6 * int(rng.integers(2, max(3, int(run / 0.6) + 1))) if kitchen else float(rng.uniform(0.5, 1.0)) * run
    length = min(length, run - 0.05)
    depth, height = (0.6, 0.9) if kitchen else (float(rng.uniform(0.5, 0.8)), float(rng.uniform(0.7, 0.95)))
    at = float(rng.uniform(-(run - length) / 2, (run - length) / 2))
    with b.at(x, y, yaw):
        if not b.claim(at, depth / 2 + 0.02, 0.0, length, depth):
            return
        with b.at(at, depth / 2 + 0.02):
            if kitchen:
                fu.counter(b, length)
            else:
                fu.table(b, length, depth, height)
            kinds = things.KITCHEN if kitchen else things.DESK
            if style == "workshop":
                kinds = (*things.DESK, *things.KITCHEN, *((0.5, one) for one in (things.crate, things.bag)))
            with b.at(0, 0, z=height + 0.006):
                spread(b, kinds, length, depth)
            if not kitchen and rng.random() < 0.5:
                with b.at(float(rng.uniform(-0.3, 0.3)) * length, depth / 2 + 0.25, math.pi):
                    fu.office_chair(b)


def _shelf(b: SceneBuilder, style: str, frame: tuple[float, float, float, float], doors: list[float]) -> None:
    """Boards on a wall above head or counter, with things on them."""
    rng, (x, y, yaw, run) = b.rng, frame
    length = float(rng.uniform(0.5, 1.4))
    if run < length + 0.2:
        return
    at = float(rng.uniform(-(run - length) / 2, (run - length) / 2))
    if any(abs(at - door) < 0.6 + length / 2 for door in doors):
        return
    wood, deep = pal.wood_material(b), float(rng.uniform(0.18, 0.32))
    kinds = tuple(one for one in (things.KITCHEN if style == "kitchen" else things.DESK) if one[0] < 0.35)
    for k in range(int(rng.integers(1, 4))):
        z = 1.25 + 0.36 * k
        with b.at(x, y, yaw), b.at(at, deep / 2 + 0.01, z=z):
            b.box(0, 0, 0, (length, deep, 0.02), wood)
            with b.at(0, 0, z=0.02):
                spread(b, kinds, length, deep)


def _table(b: SceneBuilder, style: str) -> None:
    length, width, height = 1.1, float(b.rng.uniform(0.6, 0.9)), float(b.rng.uniform(0.7, 0.78))
    fu.table(b, length, width, height)
    cloth = b.material(tx.PATCHES, pal.fabric(b.rng), pal.fabric(b.rng), (0.3,), 0.1, 0.1)
    if b.rng.random() < 0.3:
        b.box(0, 0, height, (length * 0.9, width * 0.9, 0.003), cloth)
    for row in (-1, 1):
        with b.at(0, row * width / 4, z=height + 0.004):
            spread(b, things.KITCHEN if style == "kitchen" else things.DESK, length, width / 2)
