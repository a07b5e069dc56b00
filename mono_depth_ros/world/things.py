# SPDX-License-Identifier: Apache-2.0
"""Small things at the sizes that people buy them: what stands about on tables, shelves and floors, and hangs on walls.

Every thing stands on z = 0 of the builder's frame, its front towards +y.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.scene import SceneBuilder

Draw = Callable[[SceneBuilder], None]


def _plain(b: SceneBuilder, gloss: float = 0.4) -> int:
    color = pal.fabric(b.rng) if b.rng.random() < 0.6 else pal.grey(b.rng, 0.05, 0.97)
    return b.material(tx.PLAIN, color, noise=float(b.rng.uniform(0.02, 0.12)), noise_scale=0.05, gloss=gloss)


def _printed(b: SceneBuilder) -> int:
    """Of packets: stripes, patches or a picture."""
    rng = b.rng
    pattern = int(rng.choice([tx.STRIPES, tx.PATCHES, tx.PICTURE]))
    first = float(rng.uniform(0.03, 0.12))
    params = (first,) if pattern != tx.STRIPES else (first, first * 0.4)
    return b.material(pattern, pal.strong(rng), pal.fabric(rng), params, 0.08, 0.05, 0.2)


def _metal(b: SceneBuilder) -> int:
    return b.material(tx.PLAIN, pal.grey(b.rng, 0.1, 0.85), noise=0.03, gloss=float(b.rng.uniform(0.5, 2.0)))


def mug(b: SceneBuilder) -> None:
    """A mug with its handle."""
    m = _plain(b, 0.6)
    b.cylinder(0, 0, 0, 0.041, 0.095, m)
    b.box(0.055, 0, 0.02, (0.03, 0.012, 0.06), m)


def bottle(b: SceneBuilder) -> None:
    """A bottle of .2 to 1.5 litres."""
    m, radius = _plain(b, 0.9), float(b.rng.uniform(0.028, 0.045))
    height = radius * float(b.rng.uniform(4.5, 6.0))
    b.cylinder(0, 0, 0, radius, height, m)
    b.ellipsoid(0, 0, height, (radius, radius, radius), m)
    b.cylinder(0, 0, height, 0.013, float(b.rng.uniform(0.06, 0.11)), m)
    if b.rng.random() < 0.6:
        b.cylinder(0, 0, 0.3 * height, radius + 0.001, 0.4 * height, _printed(b))


def can(b: SceneBuilder) -> None:
    """A tin, or a glass with a lid."""
    radius = float(b.rng.choice([0.033, 0.033, 0.043, 0.05]))
    height = float(b.rng.uniform(0.07, 0.17))
    b.cylinder(0, 0, 0, radius, height, _printed(b))
    b.cylinder(0, 0, height, radius * 0.97, 0.008, _metal(b))


def bowl(b: SceneBuilder) -> None:
    """A bowl, now and then with fruit."""
    radius = float(b.rng.uniform(0.07, 0.14))
    b.ellipsoid(0, 0, 0.03, (radius, radius, 0.05), _plain(b))
    if b.rng.random() < 0.5:
        fruit = b.material(tx.PLAIN, pal.strong(b.rng), noise=0.1, noise_scale=0.03, gloss=0.3)
        for _ in range(int(b.rng.integers(1, 5))):
            x, y = (float(v) for v in b.rng.uniform(-0.5, 0.5, 2) * radius)
            b.ellipsoid(x, y, 0.09, (0.038, 0.038, 0.036), fruit)


def plates(b: SceneBuilder) -> None:
    """A pile of plates."""
    m, radius = _plain(b, 0.7), float(b.rng.uniform(0.09, 0.14))
    for k in range(int(b.rng.integers(1, 7))):
        b.cylinder(0, 0, 0.013 * k, radius, 0.009, m)


def pan(b: SceneBuilder) -> None:
    """A pan or a pot."""
    m, radius = _metal(b), float(b.rng.uniform(0.08, 0.14))
    height = float(b.rng.choice([0.05, 0.1, 0.15]))
    b.cylinder(0, 0, 0, radius, height, m)
    if height > 0.06:
        b.cylinder(0, 0, height, radius * 1.02, 0.012, m)
        b.ellipsoid(0, 0, height + 0.025, (0.02, 0.02, 0.02), m)
        for s in (-1, 1):
            b.box(s * (radius + 0.02), 0, height - 0.03, (0.05, 0.07, 0.015), m)
    else:
        b.rod((radius, 0, height), (radius + 0.19, 0, height + 0.03), 0.012, m)


def kettle(b: SceneBuilder) -> None:
    """An electric kettle."""
    m, dark = _metal(b), _plain(b)
    b.cylinder(0, 0, 0, 0.085, 0.02, dark)
    b.cylinder(0, 0, 0.02, 0.075, 0.17, m)
    b.ellipsoid(0, 0, 0.19, (0.073, 0.073, 0.03), dark)
    b.box(0.1, 0, 0.06, (0.025, 0.02, 0.13), dark)
    b.rod((-0.07, 0, 0.15), (-0.11, 0, 0.19), 0.015, m)


def appliance(b: SceneBuilder) -> None:
    """A toaster, a microwave oven, a coffee machine, a small box with a dark front."""
    size = [(0.29, 0.17, 0.19), (0.49, 0.36, 0.28), (0.22, 0.34, 0.37), (0.3, 0.3, 0.12)][int(b.rng.integers(4))]
    body, dark = _plain(b, 0.6), b.material(tx.PLAIN, (0.04, 0.04, 0.05), gloss=0.9)
    b.box(0, 0, 0.012, (size[0], size[1], size[2] - 0.012), body)
    b.box(-0.1 * size[0], size[1] / 2, 0.2 * size[2], (0.7 * size[0], 0.012, 0.55 * size[2]), dark)
    b.cylinder(0.4 * size[0], size[1] / 2, 0.4 * size[2], 0.015, 0.03, _metal(b))


def packet(b: SceneBuilder) -> None:
    """A carton of milk, cereals, tea or tools, on edge or flat."""
    size = [(0.19, 0.06, 0.29), (0.07, 0.07, 0.22), (0.13, 0.08, 0.09), (0.3, 0.2, 0.1)][int(b.rng.integers(4))]
    b.box(0, 0, 0, size, _printed(b), yaw=float(b.rng.uniform(-0.4, 0.4)))


def books(b: SceneBuilder) -> None:
    """Books in a row or in a pile, folders, magazines."""
    lying, x = b.rng.random() < 0.4, -0.12
    for k in range(int(b.rng.integers(2, 9))):
        m = b.material(tx.PLAIN, pal.fabric(b.rng), noise=0.06, gloss=0.2)
        thick, width, height = (float(v) for v in b.rng.uniform((0.012, 0.14, 0.18), (0.05, 0.21, 0.31)))
        if lying:
            b.box(0, 0, 0.03 * k, (height, width, 0.029), m, yaw=float(b.rng.uniform(-0.3, 0.3)))
        else:
            b.box(x + thick / 2, 0, 0, (thick, width, height), m)
            x += thick + 0.002


def papers(b: SceneBuilder) -> None:
    """Sheets that lie about."""
    for k in range(int(b.rng.integers(1, 5))):
        sheet = b.material(
            tx.PICTURE if b.rng.random() < 0.4 else tx.PLAIN, pal.grey(b.rng, 0.75, 0.98), pal.fabric(b.rng), (0.02,)
        )
        x, y, yaw = (float(v) for v in b.rng.uniform(-1, 1, 3) * (0.08, 0.06, 1.0))
        b.box(x, y, 0.002 * k, (0.21, 0.297, 0.002), sheet, yaw=yaw, solid=False)


def keyboard(b: SceneBuilder) -> None:
    """A keyboard and a mouse."""
    m = _plain(b, 0.2)
    keys = b.material(tx.TILES, pal.grey(b.rng, 0.05, 0.9), pal.grey(b.rng, 0.02, 0.5), (0.019, 0.019, 0.003, 0.05))
    b.box(0, 0, 0, (0.44, 0.14, 0.018), m)
    b.box(0, 0, 0.018, (0.42, 0.12, 0.006), keys)
    b.ellipsoid(0.3, 0, 0.015, (0.03, 0.055, 0.02), m)


def laptop(b: SceneBuilder) -> None:
    """An open laptop; its screen is at the back."""
    m = _metal(b)
    shown = b.material(tx.PICTURE, pal.grey(b.rng, 0.02, 0.3), pal.fabric(b.rng), (0.008,), gloss=0.8, emission=0.4)
    b.box(0, 0, 0, (0.33, 0.23, 0.017), m)
    lean = float(b.rng.uniform(0.1, 0.5))
    b.box(0, -0.115 - 0.11 * math.sin(lean), 0.01, (0.33, 0.008, 0.22), shown, roll=lean)


def display(b: SceneBuilder) -> None:
    """A monitor on its foot."""
    width = float(b.rng.uniform(0.45, 0.7))
    dark, shown = b.material(tx.PLAIN, (0.03, 0.03, 0.035), gloss=0.6), _printed(b)
    b.box(0, -0.06, 0, (0.24, 0.2, 0.015), dark)
    b.box(0, -0.06, 0.01, (0.06, 0.03, 0.2), dark)
    b.box(0, -0.03, 0.12, (width, 0.045, width * 0.6), dark)
    b.box(0, -0.006, 0.135, (width - 0.03, 0.002, width * 0.6 - 0.03), shown)


def desk_lamp(b: SceneBuilder) -> None:
    """A lamp with a bent arm."""
    m = _metal(b)
    b.cylinder(0, 0, 0, 0.085, 0.025, m)
    reach = float(b.rng.uniform(0.1, 0.3))
    b.rod((0, 0, 0.02), (-0.05, 0, 0.36), 0.009, m)
    b.rod((-0.05, 0, 0.36), (reach, 0, 0.47), 0.009, m)
    b.cylinder(reach, 0, 0.41, 0.06, 0.08, m)


def pot_plant(b: SceneBuilder) -> None:
    """Herbs or a cactus."""
    leaf = b.material(tx.LEAVES, (0.1, 0.32, 0.1), (0.3, 0.5, 0.2), (1.2,), 0.2, 0.05)
    radius = float(b.rng.uniform(0.05, 0.1))
    b.cylinder(0, 0, 0, radius, 1.7 * radius, _plain(b))
    for _ in range(int(b.rng.integers(2, 6))):
        x, y = (float(v) for v in b.rng.uniform(-1, 1, 2) * radius)
        r = float(b.rng.uniform(0.4, 1.0)) * radius
        b.ellipsoid(x, y, float(b.rng.uniform(2.0, 3.5)) * radius, (r, 0.8 * r, 0.7 * r), leaf)


def tool(b: SceneBuilder) -> None:
    """Something long that lies about: a screwdriver, a ruler, a brush, a remote control."""
    length = float(b.rng.uniform(0.12, 0.35))
    b.rod((-length / 2, 0, 0.012), (length / 2, 0, 0.012), 0.008, _metal(b))
    b.rod((-length / 2, 0, 0.015), (-0.1 * length, 0, 0.015), 0.015, _plain(b))


def bag(b: SceneBuilder) -> None:
    """A bag, a rucksack, a heap of cloth."""
    m = b.material(tx.PLAIN, pal.fabric(b.rng), noise=0.2, noise_scale=0.06)
    x, y, z = (float(v) for v in b.rng.uniform((0.12, 0.09, 0.12), (0.22, 0.16, 0.26)))
    b.ellipsoid(0, 0, 0.9 * z, (x, y, z), m, yaw=float(b.rng.uniform(0, 3)))
    b.ellipsoid(0, 0.6 * y, 0.5 * z, (0.7 * x, 0.5 * y, 0.45 * z), m)


def bin_(b: SceneBuilder) -> None:
    """A bin or a bucket."""
    radius = float(b.rng.uniform(0.11, 0.19))
    b.cylinder(0, 0, 0, radius, float(b.rng.uniform(0.25, 0.65)), _plain(b))


def crate(b: SceneBuilder) -> None:
    """A box of plastic, cardboard or wood."""
    size = tuple(float(v) for v in b.rng.uniform((0.25, 0.2, 0.15), (0.6, 0.4, 0.35)))
    m = _plain(b, 0.2) if b.rng.random() < 0.5 else b.material(
        tx.CARTON, pal.hsv(b.rng, (0.07, 0.1), (0.3, 0.5), (0.5, 0.75)), pal.wood(b.rng), (0.05,), 0.08, 0.3
    )  # fmt: skip
    b.box(0, 0, 0, (size[0], size[1], size[2]), m, yaw=float(b.rng.uniform(-0.3, 0.3)))


def shoes(b: SceneBuilder) -> None:
    """A pair."""
    m = _plain(b, 0.1)
    for s in (-1, 1):
        b.ellipsoid(0.06 * s, 0, 0.04, (0.045, 0.14, 0.045), m, yaw=float(b.rng.uniform(-0.4, 0.4)))


KITCHEN: tuple[tuple[float, Draw], ...] = (
    *((0.12, one) for one in (mug, mug, bottle, bottle, can, can, packet, tool)),
    *((0.26, one) for one in (bowl, plates, kettle, packet, pot_plant)),
    *((0.4, one) for one in (appliance, appliance, pan, books)),
)
"""What stands on the counters of a kitchen, each with the width that it takes, metres."""

DESK: tuple[tuple[float, Draw], ...] = (
    *((0.12, one) for one in (mug, bottle, can, tool, tool)),
    *((0.3, one) for one in (papers, papers, books, packet, pot_plant, desk_lamp)),
    *((0.6, one) for one in (display, laptop, keyboard, display)),
)
FLOOR: tuple[tuple[float, Draw], ...] = tuple((0.5, one) for one in (bag, bin_, crate, crate, shoes, books, bottle))
