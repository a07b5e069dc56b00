# SPDX-License-Identifier: Apache-2.0
"""What every indoor scene is built of: walls with openings, doors, windows, floor, ceiling, lamps and their light."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.scene import Light, SceneBuilder

WALL = 0.12  # thickness of inner walls, metres


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
    dark = pal.scaled(color, 0.75)
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
    for left, right in zip(edges[::2], edges[1::2], strict=True):
        if right - left > 0.02:
            b.box((left + right) / 2, 0, 0, (right - left, WALL, height), material)
            b.box((left + right) / 2, 0, 0, (right - left, WALL + 0.03, 0.09), skirting)


def shell(
    b: SceneBuilder, size: tuple[float, float], height: float, doors: list[list[float]], walls: list[int]
) -> None:
    """Floor, ceiling and four walls around x in +-size[0]/2, y in +-size[1]/2; doors[k] are openings of wall k
    (-y, +x, +y, -x), measured along the wall as seen from inside, left to right being -x."""
    floor = pal.floor_material(b)
    ceiling = b.material(tx.PLAIN, pal.grey(b.rng, 0.8, 0.97), noise=0.03)
    if b.rng.random() < 0.25:
        ceiling = b.material(
            tx.TILES, pal.grey(b.rng, 0.75, 0.95), pal.grey(b.rng, 0.5, 0.8), (0.6, 0.6, 0.02, 0.05), 0.1, 0.05
        )
    skirting = b.material(tx.PLAIN, (0.85, 0.85, 0.83) if b.rng.random() < 0.6 else pal.wood(b.rng), noise=0.03)
    b.box(0, 0, -0.2, (60, 60, 0.2), floor, solid=False)
    b.box(0, 0, height, (60, 60, 0.2), ceiling, solid=False)
    for k, (x, y, yaw, length) in enumerate(wall_frames(size)):
        with b.at(x, y, yaw), b.at(0, -WALL / 2):
            wall_run(b, length + 2 * WALL, height, walls[k], doors[k], skirting)
            for at in doors[k]:
                with b.at(at, 0):
                    door(b, opened=float(b.rng.choice([0.0, 0.0, -1.4, -0.7])))


def wall_frames(size: tuple[float, float]) -> list[tuple[float, float, float, float]]:
    """(x, y, yaw, length) of the four inner wall lines, facing inwards along local +y."""
    lx, ly = size
    return [
        (0, -ly / 2, 0.0, lx),
        (lx / 2, 0, math.pi / 2, ly),
        (0, ly / 2, math.pi, lx),
        (-lx / 2, 0, -math.pi / 2, ly),
    ]


def ceiling_lamp(b: SceneBuilder, x: float, y: float, height: float) -> None:
    """A flat lamp on the ceiling, or a globe that hangs half a metre below it."""
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
