# SPDX-License-Identifier: Apache-2.0
"""A corridor: 1.7-2.8 m wide, 10-28 m long, doors on both sides, things along the walls, people."""

from __future__ import annotations

import numpy as np

from mono_depth_ros.world import furniture as fu
from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.interior import WALL, ceiling_lamp, indoor_light, shell, wall_frames, window
from mono_depth_ros.world.people import person
from mono_depth_ros.world.scene import Scene, SceneBuilder


def corridor(rng: np.random.Generator) -> Scene:
    """A corridor along x, with a cross passage or rooms behind the doors that stand open."""
    b = SceneBuilder(rng)
    length, width, height = float(rng.uniform(10, 28)), float(rng.uniform(1.7, 2.8)), float(rng.uniform(2.4, 3.0))
    wall = pal.wall_material(b)
    doors: list[list[float]] = [[], [], [], []]
    for k in (0, 2):
        x = -length / 2 + float(rng.uniform(0.9, 2.5))
        while x < length / 2 - 0.8:
            doors[k].append(x)
            x += float(rng.choice([1.6, 2.4, 3.0, 4.0])) + float(rng.uniform(0, 0.3))
    for k in (1, 3):
        if rng.random() < 0.6:
            doors[k].append(0.0)
    shell(b, (length, width), height, doors, [wall] * 4)
    far = float(rng.uniform(2.5, 4.5))
    for x, y, yaw, run in wall_frames((length + 2 * far, width + 2 * far)):
        with b.at(x, y, yaw):
            b.box(0, -WALL, 0, (run + 0.5, WALL, height), wall)
    if rng.random() < 0.6:  # a rail at elbow height
        band = b.material(tx.PLAIN, pal.wall(rng), noise=0.04)
        for s in (-1, 1):
            for left, right in _between(doors[0] if s < 0 else doors[2], length, flip=s > 0):
                b.box((left + right) / 2, s * (width / 2 - 0.012), 0.88, (right - left, 0.024, 0.12), band)
    frames = wall_frames((length, width))
    for k in (0, 2):
        x, y, yaw, run = frames[k]
        with b.at(x, y, yaw):
            for at in doors[k]:
                b.claim(at, 0.3, 0.0, 1.1, 0.6)
            for _ in range(int(rng.integers(2, 9))):
                at = float(rng.uniform(-run / 2 + 0.6, run / 2 - 0.6))
                _thing(b, at)
            hung: list[tuple[float, float]] = []
            for _ in range(int(rng.integers(0, 8))):
                w, h = (float(v) for v in rng.uniform(0.3, 0.8, 2))
                at = float(rng.uniform(-run / 2 + 0.6, run / 2 - 0.6))
                if all(abs(at - d) > 0.6 + w / 2 for d in doors[k]) and all(abs(at - p) > (w + q) / 2 for p, q in hung):
                    hung.append((at, w))
                    m = b.material(tx.PICTURE, pal.grey(rng), pal.fabric(rng), (0.02,), gloss=0.3)
                    b.box(at, 0.012, 1.3, (w, 0.02, h), m)
    for k in (1, 3):
        if not doors[k]:
            x, y, yaw, _ = frames[k]
            with b.at(x, y, yaw), b.at(0, -WALL / 2):
                window(b, min(1.2, width - 0.8), 1.3, 0.9)
    for _ in range(int(rng.integers(0, 4))):
        x, y = float(rng.uniform(-length / 2 + 1, length / 2 - 1)), float(rng.uniform(-0.3, 0.3)) * width
        if b.claim(x, y, 0.0, 0.6, 0.6):
            with b.at(x, y, float(rng.choice([-1.57, 1.57])) + float(rng.normal(0, 0.2))):
                person(b)
    step = float(rng.uniform(2.4, 4.5))
    for x in np.arange(-length / 2 + step / 2, length / 2, step):
        ceiling_lamp(b, float(x), 0.0, height)
    b.drivable.append((-length / 2, -width / 2, length / 2, width / 2))
    return b.build(indoor_light(b, height))


def _between(openings: list[float], length: float, flip: bool) -> list[tuple[float, float]]:
    """Stretches of wall between door openings, in the corridor's x."""
    xs = sorted(-x for x in openings) if flip else sorted(openings)
    edges = [-length / 2]
    for x in xs:
        edges += [x - 0.54, x + 0.54]
    edges.append(length / 2)
    return [(a, c) for a, c in zip(edges[::2], edges[1::2], strict=True) if c - a > 0.1]


def _thing(b: SceneBuilder, at: float) -> None:
    """Something that stands along a corridor's wall."""
    rng = b.rng
    pick = rng.random()
    if pick < 0.25 and b.claim(at, 0.25, 0.0, 1.0, 0.45):
        with b.at(at, 0.25):
            fu.cabinet(b, 0.95, 0.42, float(rng.uniform(0.8, 2.0)))
    elif pick < 0.4 and b.claim(at, 0.25, 0.0, 0.5, 0.5):
        with b.at(at, 0.28):
            fu.plant(b, float(rng.uniform(0.8, 1.6)))
    elif pick < 0.6 and b.claim(at, 0.27, 0.0, 0.5, 0.5):
        with b.at(at, 0.27):
            fu.chair(b)
    elif pick < 0.7 and b.claim(at, 0.2, 0.0, 0.4, 0.4):
        bin_ = b.material(tx.PLAIN, pal.fabric(rng), gloss=0.3)
        b.cylinder(at, 0.2, 0, 0.15, 0.6, bin_)
    elif pick < 0.85 and b.claim(at, 0.3, 0.0, 0.6, 0.5):
        with b.at(at, 0.3):
            fu.carton(b, (0.45, 0.4, float(rng.uniform(0.3, 0.5))))
    elif b.claim(at, 0.08, 0.0, 0.25, 0.2):
        red = b.material(tx.PLAIN, (0.75, 0.06, 0.05), gloss=0.6)
        b.cylinder(at, 0.1, 0.3, 0.08, 0.5, red)
        b.rod((at, 0.1, 0.8), (at, 0.1, 0.88), 0.03, red)
