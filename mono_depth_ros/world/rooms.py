# SPDX-License-Identifier: Apache-2.0
"""Living rooms, bedrooms, offices, kitchens and store rooms, 3-8 m a side, ceilings 2.4-3 m."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mono_depth_ros.world import furniture as fu
from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.interior import WALL, ceiling_lamp, indoor_light, shell, wall_frames, window
from mono_depth_ros.world.people import person
from mono_depth_ros.world.scene import Scene, SceneBuilder

# What stands against the walls; drawn from without replacement.
STYLES = {
    "living": ("sofa", "sofa", "cabinet", "bookshelf", "plant", "lamp", "tv", "plant", "cartons"),
    "bedroom": ("bed", "wardrobe", "cabinet", "desk", "plant", "lamp", "bookshelf"),
    "office": ("desk", "desk", "bookshelf", "cabinet", "wardrobe", "plant", "cartons", "desk"),
    "kitchen": ("counter", "counter", "fridge", "cabinet", "plant", "wardrobe", "cartons"),
    "store": ("cartons", "cartons", "wardrobe", "bookshelf", "cabinet", "cartons", "bookshelf"),
}


def _piece(b: SceneBuilder, name: str) -> tuple[float, float, Callable[[], None]]:
    """(footprint length, depth, how to draw it) of a piece of random size; its back is towards -y."""
    rng = b.rng
    if name == "sofa":
        n = float(rng.uniform(1.5, 2.3))
        return n, 0.9, lambda: fu.sofa(b, n)
    if name == "cabinet":
        n, d, h = float(rng.uniform(0.8, 1.8)), float(rng.uniform(0.4, 0.5)), float(rng.uniform(0.7, 1.1))
        return n, d, lambda: _cabinet(b, n, d, h)
    if name == "wardrobe":
        n, h = float(rng.choice([0.9, 1.35, 1.8])), float(rng.uniform(1.9, 2.2))
        return n, 0.6, lambda: fu.cabinet(b, n, 0.6, h)
    if name == "bookshelf":
        n, h = float(rng.uniform(0.6, 1.2)), float(rng.uniform(1.0, 2.1))
        return n, 0.3, lambda: fu.bookshelf(b, n, h)
    if name == "bed":
        n = float(rng.choice([0.9, 1.4, 1.6, 1.8]))
        return n + 0.1, 2.15, lambda: fu.bed(b, n)
    if name == "desk":
        n = float(rng.uniform(1.2, 1.6))
        return n, 1.3, lambda: _desk(b, n)
    if name == "plant":
        h = float(rng.uniform(0.7, 1.7))
        return 0.5, 0.5, lambda: fu.plant(b, h)
    if name == "counter":
        n = 0.6 * int(rng.integers(2, 5))
        return n + 0.02, 0.62, lambda: fu.counter(b, n)
    if name == "fridge":
        h = float(rng.uniform(1.5, 1.9))
        return 0.62, 0.64, lambda: fu.fridge(b, h)
    if name == "lamp":
        return 0.45, 0.45, lambda: fu.floor_lamp(b)
    if name == "tv":
        return 1.5, 0.45, lambda: _tv(b)
    return 1.1, 0.6, lambda: _cartons(b)


def _cabinet(b: SceneBuilder, length: float, depth: float, height: float) -> None:
    fu.cabinet(b, length, depth, height)
    for _ in range(int(b.rng.integers(0, 3))):
        fu.trinket(b, float(b.rng.uniform(-0.4, 0.4)) * length, 0.0, height)


def _desk(b: SceneBuilder, length: float) -> None:
    with b.at(0, -0.28):
        fu.table(b, length, 0.7)
        with b.at(float(b.rng.uniform(-0.25, 0.25)), -0.1):
            fu.screen(b, float(b.rng.uniform(0.45, 0.65)), 0.75)
        for side in (-1, 1):
            if b.rng.random() < 0.4:
                fu.trinket(b, side * length * 0.42, float(b.rng.uniform(-0.15, 0.15)), 0.75)
    with b.at(float(b.rng.uniform(-0.2, 0.2)), 0.3, math.pi + float(b.rng.uniform(-0.6, 0.6))):
        fu.office_chair(b)


def _tv(b: SceneBuilder) -> None:
    fu.cabinet(b, 1.5, 0.4, 0.5)
    fu.screen(b, float(b.rng.uniform(0.9, 1.35)), 0.5)


def _cartons(b: SceneBuilder) -> None:
    for k in range(int(b.rng.integers(1, 4))):
        length, width, height = (float(v) for v in b.rng.uniform(0.28, 0.5, 3))
        with b.at(-0.35 + 0.36 * k, 0.0):
            fu.carton(b, (min(length, 0.34), width, height))
            if b.rng.random() < 0.4:
                fu.carton(b, (0.28, 0.28, 0.25), z0=height)


def room(rng: np.random.Generator) -> Scene:
    """One furnished room, 3-8 m a side, with a neighbour behind each open door."""
    b = SceneBuilder(rng)
    size = (float(rng.uniform(3.4, 8.0)), float(rng.uniform(3.2, 6.5)))
    height = float(rng.uniform(2.4, 3.0))
    one = pal.wall_material(b)
    walls = [one if rng.random() < 0.75 else pal.wall_material(b) for _ in range(4)]
    doors: list[list[float]] = [[], [], [], []]
    for k in rng.permutation(4)[: int(rng.integers(1, 3))]:
        half = (size[0] if k % 2 == 0 else size[1]) / 2
        doors[k] = [float(rng.uniform(-half + 0.8, half - 0.8))]
    shell(b, size, height, doors, walls)
    neighbours(b, size, height, one)
    frames = wall_frames(size)
    for k, (x, y, yaw, length) in enumerate(frames):
        with b.at(x, y, yaw):
            for at in doors[k]:
                b.claim(at, 0.5, 0.0, 1.2, 1.1)
            if rng.random() < 0.55:
                w = float(rng.choice([1.2, 1.4, 2.1]))
                at = float(rng.uniform(-length / 2 + w, length / 2 - w)) if length > 2.2 * w else 0.0
                if all(abs(at - d) > w / 2 + 1.1 for d in doors[k]):
                    with b.at(at, -WALL / 2):
                        window(b, w, 1.3, 0.9)
                    b.claim(at, 0.1, 0.0, w + 0.8, 0.35)
    style = str(rng.choice(list(STYLES)))
    pieces = list(rng.permutation(np.array(STYLES[style])))[: int(rng.integers(3, 9))]
    for name in pieces:
        against_wall(b, str(name), frames)
    pictures(b, frames, doors)
    _middle(b, size, style)
    if rng.random() < 0.35:
        anywhere(b, size, 0.6, 0.6, lambda: person(b))
    for x in (-size[0] / 4, size[0] / 4) if size[0] > 5 else (0.0,):
        ceiling_lamp(b, x, 0.0, height)
    b.drivable.append((-size[0] / 2, -size[1] / 2, size[0] / 2, size[1] / 2))
    return b.build(indoor_light(b, height))


def neighbours(b: SceneBuilder, size: tuple[float, float], height: float, wall: int) -> None:
    """A closed outer shell, so that an open door shows another room."""
    gap = float(b.rng.uniform(1.6, 3.5))
    lx, ly = size[0] + 2 * gap, size[1] + 2 * gap
    for x, y, yaw, length in wall_frames((lx, ly)):
        with b.at(x, y, yaw):
            b.box(0, -WALL, 0, (length + 0.5, WALL, height), wall)


def against_wall(b: SceneBuilder, name: str, frames: list) -> None:
    """Along one of the walls where its footprint is free; nowhere after twelve tries."""
    length, depth, draw = _piece(b, name)
    for _ in range(12):
        x, y, yaw, run = frames[int(b.rng.integers(4))]
        if run < length + 0.1:
            continue
        at = float(b.rng.uniform(-(run - length) / 2, (run - length) / 2))
        with b.at(x, y, yaw):
            if b.claim(at, depth / 2 + 0.03, 0.0, length, depth):
                with b.at(at, depth / 2 + 0.03):
                    draw()
                return


def anywhere(b: SceneBuilder, size: tuple[float, float], length: float, width: float, draw: Callable[[], None]) -> None:
    """Somewhere in the room where a footprint is free; nowhere after ten tries."""
    for _ in range(10):
        x = float(b.rng.uniform(-size[0] / 2 + length / 2 + 0.2, size[0] / 2 - length / 2 - 0.2))
        y = float(b.rng.uniform(-size[1] / 2 + width / 2 + 0.2, size[1] / 2 - width / 2 - 0.2))
        yaw = float(b.rng.uniform(-math.pi, math.pi)) if length == width else float(b.rng.choice([0.0, math.pi / 2]))
        if b.claim(x, y, yaw, length, width):
            with b.at(x, y, yaw):
                draw()
            return


def _middle(b: SceneBuilder, size: tuple[float, float], style: str) -> None:
    rng = b.rng
    if size[0] * size[1] > 16 and rng.random() < 0.75:
        n, w = float(rng.uniform(1.2, 2.0)), float(rng.uniform(0.8, 1.0))

        def dining() -> None:
            fu.table(b, n, w)
            for sx in (-1, 1):
                for sy in (-1, 1):
                    if rng.random() < 0.75:
                        pull = float(rng.uniform(0.1, 0.35))
                        turn = (math.pi if sy > 0 else 0.0) + float(rng.uniform(-0.3, 0.3))
                        with b.at(sx * n / 4, sy * (w / 2 + pull), turn):
                            fu.chair(b)
            for _ in range(int(rng.integers(0, 4))):
                fu.trinket(b, float(rng.uniform(-0.35, 0.35)) * n, float(rng.uniform(-0.3, 0.3)) * w, 0.75)

        anywhere(b, size, n + 0.2, w + 1.2, dining)
    if style == "living" and rng.random() < 0.8:
        anywhere(b, size, 1.1, 0.6, lambda: fu.table(b, 1.1, 0.6, 0.42))
    if rng.random() < 0.4:
        rug = b.material(
            tx.STRIPES if rng.random() < 0.5 else tx.PATCHES, pal.fabric(rng), pal.fabric(rng), (0.3, 0.12), 0.15, 0.2
        )
        x, y = rng.uniform(-0.8, 0.8, 2)
        b.box(float(x), float(y), 0, (2.3, 1.6, 0.012), rug, yaw=float(rng.uniform(-0.2, 0.2)), solid=False)
    for _ in range(int(rng.integers(0, 3))):
        anywhere(b, size, 0.45, 0.45, lambda: fu.chair(b))


def pictures(b: SceneBuilder, frames: list, doors: list) -> None:
    """Up to three on each wall, beside its doors."""
    rng = b.rng
    for k, (x, y, yaw, length) in enumerate(frames):
        hung: list[tuple[float, float]] = []
        for _ in range(int(rng.integers(0, 4))):
            w, h = (float(v) for v in rng.uniform(0.3, 0.9, 2))
            at = float(rng.uniform(-length / 2 + w, length / 2 - w))
            if any(abs(at - d) < 0.6 + w / 2 for d in doors[k]) or any(abs(at - p) < (w + q) / 2 for p, q in hung):
                continue
            hung.append((at, w))
            frame = b.material(tx.PICTURE, pal.wood(rng), pal.fabric(rng), (0.03,), gloss=0.3)
            with b.at(x, y, yaw):
                b.box(at, 0.012, float(rng.uniform(1.25, 1.55)), (w, 0.02, h), frame)
