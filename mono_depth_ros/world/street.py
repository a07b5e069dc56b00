# SPDX-License-Identifier: Apache-2.0
"""A street: lanes of 3-3.5 m with 3 m dashes, kerbs 0.12 m, slabs, parked and moving cars, houses, trees, people."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world import outdoors as out
from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.people import person
from mono_depth_ros.world.scene import Scene, SceneBuilder
from mono_depth_ros.world.vehicles import car, van

KERB = 0.12
HALF = 95.0  # half length of the built street


def street(rng: np.random.Generator) -> Scene:
    """A straight street along x with a bend's worth of houses at both ends."""
    b = SceneBuilder(rng)
    lanes = int(rng.choice([2, 2, 2, 4]))
    lane = float(rng.uniform(3.0, 3.5))
    parking = 2.2 if rng.random() < 0.75 else 0.0
    road = lanes * lane / 2 + parking
    pavement = float(rng.uniform(1.8, 4.0))
    _ground(b, lane, lanes, road, pavement)
    front = road + pavement
    for side in (-1, 1):
        _row(b, side, front, garden=float(rng.choice([0.0, 0.0, 2.5, 5.0])))
        _pavement_things(b, side, road, pavement)
        if parking:
            x = -HALF + float(rng.uniform(0, 6))
            density = float(rng.uniform(0.2, 0.9))
            while x < HALF - 4:
                if rng.random() < density and b.claim(x, side * (road - 1.05), 0.0, 5.5, 2.1):
                    with b.at(x, side * (road - 1.05) + float(rng.normal(0, 0.06)), 0.0 if side < 0 else math.pi):
                        car(b) if rng.random() < 0.85 else van(b)
                x += float(rng.uniform(5.4, 6.6))
    for _ in range(int(rng.integers(1, 7))):  # moving, or stopped
        side = int(rng.choice([-1, 1]))
        x = float(rng.uniform(-HALF + 5, HALF - 5))
        y = side * lane * (0.5 + int(rng.integers(0, lanes // 2)))
        if b.claim(x, y, 0.0, 6.5, 2.4):
            with b.at(x, y, 0.0 if side < 0 else math.pi):
                car(b) if rng.random() < 0.8 else van(b)
    out.backdrop(b, 120.0)
    for s in (-1, 1):
        with b.at(s * (HALF + 8), 0, -s * math.pi / 2):
            if rng.random() < 0.6:
                out.house(b, 16.0, 9.0, int(rng.integers(2, 4)))
    b.drivable.append((-HALF + 15, -road, HALF - 15, road))
    return b.build(out.daylight(rng))


def _ground(b: SceneBuilder, lane: float, lanes: int, road: float, pavement: float) -> None:
    rng = b.rng
    grass = b.material(tx.PATCHES, (0.2, 0.32, 0.12), (0.35, 0.4, 0.2), (1.0,), 0.3, float(rng.choice([0.3, 2.0])))
    b.box(0, 0, -1.0, (900, 900, 0.99), grass, solid=False)
    asphalt = b.material(tx.ROAD, pal.grey(rng, 0.3, 0.6), (0.9, 0.9, 0.88), (lane, lanes), 0.12, 1.5)
    b.box(0, 0, -0.5, (2 * HALF + 30, 2 * road + 0.2, 0.5), asphalt, solid=False)
    size = float(rng.choice([0.3, 0.4, 0.5]))
    gray = pal.hsv(rng, (0.03, 0.12), (0.0, 0.2), (0.4, 0.75))
    slabs = b.material(tx.TILES, gray, pal.scaled(gray, 0.6), (size, size, 0.008, 0.2), 0.12, 0.4)
    kerb = b.material(tx.TILES, pal.grey(rng, 0.5, 0.8), pal.grey(rng, 0.2, 0.4), (1.0, 9.0, 0.01, 0.1), 0.12, 0.3)
    for s in (-1, 1):
        b.box(0, s * (road + pavement / 2 + 0.07), -0.4, (2 * HALF + 10, pavement - 0.14, 0.4 + KERB), slabs)
        b.box(0, s * (road + 0.075), -0.4, (2 * HALF + 10, 0.15, 0.4 + KERB + 0.004), kerb)


def _row(b: SceneBuilder, side: int, front: float, garden: float) -> None:
    """Houses along one side, their fronts `garden` metres behind the pavement."""
    rng = b.rng
    terraced = rng.random() < 0.5
    tall = int(rng.integers(1, 4))
    x = -HALF
    while x < HALF:
        width = float(rng.uniform(6.5, 13.0))
        if rng.random() < 0.88:
            with b.at(x + width / 2, side * (front + garden), 0.0 if side > 0 else math.pi):
                out.house(b, width, float(rng.uniform(7, 11)), int(np.clip(tall + rng.integers(-1, 2), 1, 5)))
            if garden:
                with b.at(x + width / 2, side * (front + 0.35)):
                    out.fence(b, width * float(rng.uniform(0.5, 0.98)))
        else:
            for _ in range(3):
                with b.at(x + float(rng.uniform(0, width)), side * (front + float(rng.uniform(2, 9)))):
                    out.tree(b, float(rng.uniform(5, 11)))
        x += width + (0.0 if terraced else float(rng.uniform(1.5, 6.0)))


def _pavement_things(b: SceneBuilder, side: int, road: float, pavement: float) -> None:
    rng = b.rng
    turn = 0.0 if side < 0 else math.pi
    pitch, trees = float(rng.uniform(16, 28)), rng.random() < 0.6
    with b.at(0, 0, 0.0, KERB):
        for x in np.arange(-HALF + float(rng.uniform(0, pitch)), HALF, pitch):
            with b.at(float(x), side * (road + 0.45), turn):
                out.lamp_post(b)
            b.claim(float(x), side * (road + 0.45), 0, 0.4, 0.4)
            if trees and pavement > 2.2 and rng.random() < 0.85:
                with b.at(float(x) + pitch / 2, side * (road + 0.75)):
                    out.tree(b, float(rng.uniform(5, 9)))
                b.claim(float(x) + pitch / 2, side * (road + 0.75), 0, 0.7, 0.7)
        for _ in range(int(rng.integers(6, 28))):
            x, y = float(rng.uniform(-HALF, HALF)), side * (road + float(rng.uniform(0.4, pavement - 0.4)))
            pick = rng.random()
            if pick < 0.55 and b.claim(x, y, 0.0, 0.7, 0.7):
                with b.at(x, y, float(rng.choice([-1.57, 1.57])) + float(rng.normal(0, 0.3))):
                    person(b)
            elif pick < 0.75 and b.claim(x, y, 0.0, 0.8, 0.8):
                with b.at(x, y, turn):
                    out.bin_(b)
            elif pick < 0.9 and b.claim(x, side * (road + 0.4), 0.0, 0.7, 0.7):
                with b.at(x, side * (road + 0.4), turn):
                    out.sign(b)
