# SPDX-License-Identifier: Apache-2.0
"""A hall with what is hard for a robot: things lower than 5 cm, poles of 2 cm, table edges, a ramp and a step down."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mono_depth_ros.world import furniture as fu
from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.interior import ceiling_lamp, indoor_light
from mono_depth_ros.world.scene import Scene, SceneBuilder

POLE_M = 0.02  # across
PLATFORM_M = 0.9  # from the wall to the top of the ramp


def course(rng: np.random.Generator) -> Scene:
    """A hall 9-12 m long and 6-8 m wide, at whose far end the floor is 15-40 cm lower; `things` says what is where."""
    b = SceneBuilder(rng)
    length, width, height = float(rng.uniform(9, 12)), float(rng.uniform(6, 8)), float(rng.uniform(2.8, 3.6))
    edge, drop = length / 2 - float(rng.uniform(2.0, 3.0)), float(rng.uniform(0.15, 0.4))
    _hall(b, length, width, height, edge, drop)
    b.note("step down", edge, 0.0, 0.0, 0.1, width)
    b.claim((edge + length / 2) / 2, 0.0, 0.0, length / 2 - edge + 0.1, width)
    with b.at(-length / 2, float(rng.uniform(-width / 2 + 0.9, width / 2 - 0.9)), -math.pi / 2):
        _ramp(b)
    for count, size, draw in ((2, (1.7, 1.0), _table), (5, (0.5, 0.5), _pole), (6, (1.4, 0.4), _low)):
        for _ in range(count):
            _somewhere(b, (-length / 2, edge), width, size, draw)
    for _ in range(int(rng.integers(1, 4))):
        _somewhere(b, (-length / 2, edge), width, (0.6, 0.6), lambda b: fu.carton(b, (0.4, 0.35, 0.3)))
    for x in (-length / 4, length / 4):
        ceiling_lamp(b, x, 0.0, height)
    b.drivable.append((-length / 2, -width / 2, edge, width / 2))
    return b.build(indoor_light(b, height))


def _hall(b: SceneBuilder, length: float, width: float, height: float, edge: float, drop: float) -> None:
    """Two floors, walls around them from the lower one up, a ceiling."""
    floor, far = pal.floor_material(b), length / 2 - edge
    b.box((edge - length / 2) / 2, 0, -0.6, (length - far, width + 0.4, 0.6), floor, solid=False)
    b.box((edge + length / 2) / 2, 0, -0.2 - drop, (far + 0.4, width + 0.4, 0.2), floor, solid=False)
    b.box(0, 0, height, (length + 1, width + 1, 0.2), b.material(tx.PLAIN, pal.grey(b.rng, 0.8, 0.97)), solid=False)
    wall = pal.wall_material(b)
    for s in (-1, 1):
        b.box(s * (length / 2 + 0.1), 0, -0.6, (0.2, width + 0.4, height + 0.6), wall)
        b.box(0, s * (width / 2 + 0.1), -0.6, (length + 0.4, 0.2, height + 0.6), wall)


def _somewhere(
    b: SceneBuilder, along: tuple[float, float], width: float, size: tuple[float, float], draw: Callable
) -> None:
    """On the upper floor where a footprint is free; nowhere after twenty tries."""
    for _ in range(20):
        half = max(size) / 2 + 0.2
        x = float(b.rng.uniform(along[0] + half, along[1] - half))
        y, yaw = float(b.rng.uniform(-width / 2 + half, width / 2 - half)), float(b.rng.uniform(-math.pi, math.pi))
        if b.claim(x, y, yaw, *size):
            with b.at(x, y, yaw):
                draw(b)
            return


def _ramp(b: SceneBuilder) -> None:
    """A platform at the wall y = 0, and a ramp of 3 to 9 degrees down from it, towards +y."""
    rng = b.rng
    slope, run = math.radians(float(rng.uniform(3, 9))), float(rng.uniform(1.5, 2.5))
    wide, rise = float(rng.uniform(1.0, 1.5)), run * math.tan(slope)
    plate = b.material(tx.TILES, pal.grey(rng, 0.3, 0.7), pal.grey(rng, 0.2, 0.4), (0.4, 0.4, 0.01, 0.1), 0.15, 0.5)
    b.box(0, PLATFORM_M / 2, 0, (wide, PLATFORM_M, rise), plate)
    thick, long = rise + 0.1, run / math.cos(slope)
    # The middle of its upper side is half way up and half way along.
    y = PLATFORM_M + run / 2 - math.sin(slope) * thick / 2
    z = rise / 2 - math.cos(slope) * thick / 2
    b.box(0, y, z - thick / 2, (wide, long, thick), plate, roll=-slope)
    b.claim(0, (PLATFORM_M + run) / 2, 0.0, wide + 0.1, PLATFORM_M + run + 0.8)
    b.note("ramp", 0, PLATFORM_M + run / 2, 0.0, wide, run)


def _table(b: SceneBuilder) -> None:
    """A top 2.5 cm thick on one column."""
    rng = b.rng
    size = (float(rng.uniform(1.1, 1.6)), float(rng.uniform(0.7, 0.9)))
    height, wood = float(rng.uniform(0.7, 0.8)), pal.wood_material(b)
    metal = b.material(tx.PLAIN, pal.grey(rng, 0.1, 0.7), gloss=0.4)
    b.box(0, 0, height - 0.025, (*size, 0.025), wood)
    b.cylinder(0, 0, 0.02, 0.04, height - 0.045, metal)
    b.cylinder(0, 0, 0, 0.25, 0.02, metal)
    b.note("table edge", 0, 0, 0.0, *size)


def _pole(b: SceneBuilder) -> None:
    """A thin pole on a flat foot."""
    metal = b.material(tx.PLAIN, pal.strong(b.rng) if b.rng.random() < 0.5 else pal.grey(b.rng, 0.1, 0.8), gloss=0.4)
    b.cylinder(0, 0, 0, POLE_M / 2, float(b.rng.uniform(0.9, 1.8)), metal)
    b.cylinder(0, 0, 0, 0.1, 0.01, metal)
    b.note("pole", 0, 0, 0.0, POLE_M, POLE_M)


def _low(b: SceneBuilder) -> None:
    """A threshold, a cable duct, a hose or a plank."""
    rng, pick = b.rng, b.rng.random()
    m = b.material(tx.PLAIN, pal.strong(rng) if pick < 0.4 else pal.wood(rng), noise=0.15, noise_scale=0.1)
    length = float(rng.uniform(0.8, 1.2))
    if pick < 0.25:
        radius = float(rng.uniform(0.01, 0.02))
        b.rod((-length / 2, 0, radius), (length / 2, 0, radius), radius, m)
        wide = 2 * radius
    else:
        wide = float(rng.uniform(0.05, 0.12) if pick < 0.7 else rng.uniform(0.2, 0.3))
        b.box(0, 0, 0, (length, wide, float(rng.uniform(0.02, 0.048))), m)
    b.note("lower than 5 cm", 0, 0, 0.0, length, wide)
