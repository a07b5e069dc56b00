# SPDX-License-Identifier: Apache-2.0
"""Living rooms, bedrooms and offices, and corridors: ceilings 2.4-3 m, doors 2.0 x 0.9 m with handles at 1.0 m."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world import furniture as fu
from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.people import person
from mono_depth_ros.world.scene import Light, Scene, SceneBuilder

WALL = 0.12


def indoor_light(b: SceneBuilder, ceiling: float) -> Light:
    """Broad lamp light from above at a slant, plus the builder's lamps."""
    rng = b.rng
    warm = rng.uniform(0.0, 1.0)
    color = np.array([1.0, 0.96 - 0.12 * warm, 0.92 - 0.3 * warm])
    slant = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5), 1.0])
    direct, ambient = rng.uniform(0.15, 0.5), rng.uniform(0.25, 0.55)
    return Light(
        sun=slant / np.linalg.norm(slant),
        sun_color=color * direct,
        sky_color=color * ambient * 0.9,
        ground_color=color * ambient * 0.75,
        horizon=color * ambient * 0.8,
        zenith=color * ambient,
        haze=0.0,
        clouds=0.0,
        exposure=float(rng.uniform(0.75, 1.25)),
        lamps=np.array(b.lamps, dtype=np.float64).reshape(-1, 7),
        ceiling=ceiling,
    )


def door(b: SceneBuilder, opened: float = 0.0, thickness: float = WALL) -> None:
    """A door leaf 0.9 x 2.0 m in a frame, in the wall plane y = 0, seen from +y; handle at 1.0 m."""
    color = pal.wall(b.rng) if b.rng.random() < 0.6 else pal.wood(b.rng)
    dark = tuple(0.75 * c for c in color)
    leaf = b.material(tx.DOOR, color, dark, (1.0, float(b.rng.random() < 0.6)), 0.04, 0.3, 0.2)
    frame = b.material(tx.PLAIN, dark if b.rng.random() < 0.5 else (0.9, 0.9, 0.88), noise=0.03)
    metal = b.material(tx.PLAIN, pal.grey(b.rng, 0.5, 0.8), gloss=1.0)
    for s in (-1, 1):
        b.box(s * 0.48, 0, 0, (0.06, thickness + 0.04, 2.06), frame)
    b.box(0, 0, 2.0, (0.9, thickness + 0.04, 0.06), frame)
    with b.at(-0.45, thickness / 2 - 0.02, opened):
        b.box(0.45, 0, 0.005, (0.9, 0.04, 1.99), leaf)
        for side in (-1, 1):
            b.rod((0.84, side * 0.02, 1.0), (0.84, side * 0.07, 1.0), 0.01, metal)
            b.rod((0.84, side * 0.07, 1.0), (0.72, side * 0.07, 1.0), 0.01, metal)


def window(b: SceneBuilder, width: float, height: float, sill: float, thickness: float = WALL) -> None:
    """A window seen from +y, mounted on the wall plane y = 0: panes, frame, sill, a radiator below."""
    sky = pal.hsv(b.rng, (0.52, 0.62), (0.05, 0.4), (0.8, 1.0))
    pane = b.material(tx.PANE, (0.9, 0.9, 0.88), sky, (0.7, height, 0.05), emission=b.rng.uniform(0.2, 1.0))
    white = b.material(tx.PLAIN, (0.9, 0.9, 0.88), noise=0.03)
    b.box(0, thickness / 2 + 0.01, sill, (width, 0.04, height), pane)
    b.box(0, thickness / 2 + 0.08, sill - 0.03, (width + 0.1, 0.16, 0.03), white)
    if b.rng.random() < 0.6:
        fins = b.material(tx.RIBS, (0.88, 0.88, 0.86), params=(0.05,), noise=0.02)
        length = min(1.2, width)
        b.box(0, thickness / 2 + 0.07, 0.12, (length, 0.09, 0.55), fins)
        for s in (-1, 1):
            b.box(s * length * 0.4, thickness / 2 + 0.03, 0, (0.03, 0.03, 0.2), white)
    if b.rng.random() < 0.5:
        cloth = b.material(tx.RIBS, pal.fabric(b.rng), params=(0.12,), noise=0.05)
        for s in (-1, 1):
            b.box(s * (width / 2 + 0.18), thickness / 2 + 0.13, 0.05, (0.4, 0.08, sill + height + 0.1), cloth)


def wall_run(
    b: SceneBuilder, length: float, height: float, material: int, openings: list[float], skirting: int
) -> None:
    """A wall along x centred on y = 0 with door openings 1.02 m wide, 2.06 m high, at the given x."""
    edges = [-length / 2]
    for x in sorted(openings):
        edges += [x - 0.51, x + 0.51]
        b.box(x, 0, 2.06, (1.02, WALL, height - 2.06), material)
    edges.append(length / 2)
    for left, right in zip(edges[::2], edges[1::2]):
        if right - left > 0.02:
            b.box((left + right) / 2, 0, 0, (right - left, WALL, height), material)
            b.box((left + right) / 2, 0, 0, (right - left, WALL + 0.03, 0.09), skirting)


def shell(
    b: SceneBuilder, size: tuple[float, float], height: float, doors: list[list[float]], walls: list[int]
) -> None:
    """Floor, ceiling and four walls around x in +-size[0]/2, y in +-size[1]/2; doors[k] are openings of wall k
    (-y, +x, +y, -x), measured along the wall as seen from inside, left to right being -x."""
    lx, ly = size
    floor = pal.floor_material(b)
    ceiling = b.material(tx.PLAIN, pal.grey(b.rng, 0.8, 0.97), noise=0.03)
    if b.rng.random() < 0.25:
        ceiling = b.material(
            tx.TILES, pal.grey(b.rng, 0.75, 0.95), pal.grey(b.rng, 0.5, 0.8), (0.6, 0.6, 0.02, 0.05), 0.1, 0.05
        )
    skirting = b.material(tx.PLAIN, (0.85, 0.85, 0.83) if b.rng.random() < 0.6 else pal.wood(b.rng), noise=0.03)
    b.box(0, 0, -0.2, (60, 60, 0.2), floor, solid=False)
    b.box(0, 0, height, (60, 60, 0.2), ceiling, solid=False)
    spans = (lx, ly, lx, ly)
    places = ((0, -ly / 2, 0.0), (lx / 2, 0, math.pi / 2), (0, ly / 2, math.pi), (-lx / 2, 0, -math.pi / 2))
    for k in range(4):
        x, y, yaw = places[k]
        with b.at(x, y, yaw), b.at(0, -WALL / 2):
            wall_run(b, spans[k] + 2 * WALL, height, walls[k], doors[k], skirting)
            for at in doors[k]:
                with b.at(at, 0):
                    door(b, opened=float(b.rng.choice([0.0, 0.0, -1.4, -0.7])))


def furnish(b: SceneBuilder, name: str) -> tuple[float, float]:
    """Draw one piece in the current frame, back at -y; returns its footprint."""
    rng = b.rng
    if name == "sofa":
        length = float(rng.uniform(1.5, 2.3))
        fu.sofa(b, length)
        return length, 0.9
    raise KeyError(name)


# name -> (length, depth) ranges of the footprint; drawn against a wall
AGAINST_WALL = ("sofa", "cabinet", "wardrobe", "bookshelf", "bed", "desk", "plant", "lamp", "tv", "cartons")
STYLES = {
    "living": ("sofa", "sofa", "cabinet", "bookshelf", "plant", "lamp", "tv", "plant", "cartons"),
    "bedroom": ("bed", "wardrobe", "cabinet", "desk", "plant", "lamp", "bookshelf"),
    "office": ("desk", "desk", "bookshelf", "cabinet", "wardrobe", "plant", "cartons", "desk"),
    "store": ("cartons", "cartons", "wardrobe", "bookshelf", "cabinet", "cartons", "bookshelf"),
}


def _piece(b: SceneBuilder, name: str):
    """(footprint length, depth, draw function) of a piece of random size."""
    rng = b.rng
    if name == "sofa":
        n = float(rng.uniform(1.5, 2.3))
        return n, 0.9, lambda: fu.sofa(b, n)
    if name == "cabinet":
        n, d, h = float(rng.uniform(0.8, 1.8)), float(rng.uniform(0.4, 0.5)), float(rng.uniform(0.7, 1.1))
        return n, d, lambda: fu.cabinet(b, n, d, h)
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
    if name == "lamp":
        return 0.45, 0.45, lambda: fu.floor_lamp(b)
    if name == "tv":
        return 1.5, 0.45, lambda: _tv(b)
    return 1.1, 0.6, lambda: _cartons(b)


def _desk(b: SceneBuilder, length: float) -> None:
    with b.at(0, -0.28):
        fu.table(b, length, 0.7)
        with b.at(float(b.rng.uniform(-0.25, 0.25)), -0.1):
            fu.screen(b, float(b.rng.uniform(0.45, 0.65)), 0.75)
    with b.at(float(b.rng.uniform(-0.2, 0.2)), 0.3, math.pi + float(b.rng.uniform(-0.6, 0.6))):
        fu.office_chair(b)


def _tv(b: SceneBuilder) -> None:
    fu.cabinet(b, 1.5, 0.4, 0.5)
    fu.screen(b, float(b.rng.uniform(0.9, 1.35)), 0.5)


def _cartons(b: SceneBuilder) -> None:
    for k in range(int(b.rng.integers(1, 4))):
        size = tuple(float(v) for v in b.rng.uniform(0.28, 0.5, 3))
        x = -0.35 + 0.36 * k
        with b.at(x, 0.0):
            fu.carton(b, (min(size[0], 0.34), *size[1:]))
            if b.rng.random() < 0.4:
                fu.carton(b, (0.28, 0.28, 0.25), z0=size[2])


def _wall_frames(size: tuple[float, float]) -> list[tuple[float, float, float, float]]:
    """(x, y, yaw, length) of the four inner wall lines, facing inwards along local +y."""
    lx, ly = size
    return [
        (0, -ly / 2, 0.0, lx),
        (lx / 2, 0, math.pi / 2, ly),
        (0, ly / 2, math.pi, lx),
        (-lx / 2, 0, -math.pi / 2, ly),
    ]


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
    _neighbours(b, size, height, one)
    frames = _wall_frames(size)
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
    style = list(rng.choice(list(STYLES)).split())[0]
    pieces = list(rng.permutation(np.array(STYLES[style])))[: int(rng.integers(3, 10))]
    for name in pieces:
        _against_wall(b, str(name), frames)
    _pictures(b, frames, doors)
    _middle(b, size, style)
    if rng.random() < 0.35:
        _anywhere(b, size, 0.6, 0.6, lambda: person(b))
    for x in (-size[0] / 4, size[0] / 4) if size[0] > 5 else (0.0,):
        _ceiling_lamp(b, x, 0.0, height)
    b.drivable.append((-size[0] / 2, -size[1] / 2, size[0] / 2, size[1] / 2))
    return b.build(indoor_light(b, height))


def _neighbours(b: SceneBuilder, size: tuple[float, float], height: float, wall: int) -> None:
    """A closed outer shell, so that an open door shows another room."""
    gap = float(b.rng.uniform(1.6, 3.5))
    lx, ly = size[0] + 2 * gap, size[1] + 2 * gap
    for x, y, yaw, length in _wall_frames((lx, ly)):
        with b.at(x, y, yaw):
            b.box(0, -WALL, 0, (length + 0.5, WALL, height), wall)


def _against_wall(b: SceneBuilder, name: str, frames: list) -> None:
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


def _anywhere(b: SceneBuilder, size: tuple[float, float], length: float, width: float, draw) -> None:
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
                        with b.at(sx * n / 4, sy * (w / 2 + pull), math.pi if sy > 0 else 0.0):
                            with b.at(0, 0, float(rng.uniform(-0.3, 0.3))):
                                fu.chair(b)
            if rng.random() < 0.6:
                pot = b.material(tx.PLAIN, pal.fabric(rng), gloss=0.6)
                b.cylinder(float(rng.uniform(-0.3, 0.3)), 0, 0.75, 0.08, 0.2, pot)

        _anywhere(b, size, n + 0.2, w + 1.2, dining)
    if style == "living" and rng.random() < 0.8:
        _anywhere(b, size, 1.1, 0.6, lambda: fu.table(b, 1.1, 0.6, 0.42))
    if rng.random() < 0.4:
        rug = b.material(
            tx.STRIPES if rng.random() < 0.5 else tx.PATCHES, pal.fabric(rng), pal.fabric(rng), (0.3, 0.12), 0.15, 0.2
        )
        x, y = rng.uniform(-0.8, 0.8, 2)
        b.box(float(x), float(y), 0, (2.3, 1.6, 0.012), rug, yaw=float(rng.uniform(-0.2, 0.2)), solid=False)
    for _ in range(int(rng.integers(0, 3))):
        _anywhere(b, size, 0.45, 0.45, lambda: fu.chair(b))


def _pictures(b: SceneBuilder, frames: list, doors: list) -> None:
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


def _ceiling_lamp(b: SceneBuilder, x: float, y: float, height: float) -> None:
    rng = b.rng
    power = float(rng.uniform(0.3, 0.9))
    glow = b.material(tx.PLAIN, (1.0, 0.97, 0.9), noise=0.0, emission=1.5)
    b.lamp(x, y, height - 0.3, (power, power * 0.95, power * 0.85), float(rng.uniform(1.5, 3.0)))
    if rng.random() < 0.5:
        b.cylinder(x, y, height - 0.06, 0.2, 0.06, glow, solid=False)
    else:
        metal = b.material(tx.PLAIN, pal.grey(rng, 0.1, 0.9))
        b.cylinder(x, y, height - 0.5, 0.008, 0.5, metal, solid=False)
        b.ellipsoid(x, y, height - 0.5, (0.16, 0.16, 0.14), glow, solid=False)
