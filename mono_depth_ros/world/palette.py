# SPDX-License-Identifier: Apache-2.0
"""Colours and surfaces that furniture, buildings and vehicles are drawn from; sRGB in [0, 1]."""

from __future__ import annotations

import colorsys

import numpy as np

from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.scene import SceneBuilder

Color = tuple[float, float, float]


def hsv(rng: np.random.Generator, hue: tuple, saturation: tuple, value: tuple) -> Color:
    """A colour drawn from ranges of hue, saturation and value."""
    return colorsys.hsv_to_rgb(rng.uniform(*hue) % 1.0, rng.uniform(*saturation), rng.uniform(*value))


def scaled(color: Color, factor: float, plus: float = 0.0) -> Color:
    """A darker or lighter version of a colour."""
    r, g, b = (min(factor * c + plus, 1.0) for c in color)
    return r, g, b


def wood(rng: np.random.Generator) -> Color:
    """From pale birch to dark walnut."""
    return hsv(rng, (0.05, 0.11), (0.3, 0.65), (0.25, 0.8))


def wall(rng: np.random.Generator) -> Color:
    """Mostly light paint, now and then a strong colour."""
    if rng.random() < 0.7:
        return hsv(rng, (0.0, 1.0), (0.0, 0.15), (0.65, 0.95))
    return hsv(rng, (0.0, 1.0), (0.2, 0.55), (0.4, 0.85))


def fabric(rng: np.random.Generator) -> Color:
    """Upholstery, clothes, curtains."""
    return hsv(rng, (0.0, 1.0), (0.05, 0.7), (0.1, 0.85))


def paint(rng: np.random.Generator) -> Color:
    """Car paint: half of it white, grey, black."""
    if rng.random() < 0.55:
        return hsv(rng, (0.0, 1.0), (0.0, 0.06), (0.04, 0.95))
    return hsv(rng, (0.0, 1.0), (0.4, 0.95), (0.15, 0.8))


def strong(rng: np.random.Generator) -> Color:
    """Machines, containers, signs."""
    return hsv(rng, (0.0, 1.0), (0.5, 0.95), (0.3, 0.9))


def grey(rng: np.random.Generator, low: float = 0.2, high: float = 0.8) -> Color:
    """Concrete, metal."""
    return hsv(rng, (0.0, 1.0), (0.0, 0.08), (low, high))


def skin(rng: np.random.Generator) -> Color:
    """Faces and hands."""
    return hsv(rng, (0.04, 0.08), (0.3, 0.6), (0.3, 0.95))


def wood_material(b: SceneBuilder, color: Color | None = None, gloss: float = 0.2) -> int:
    """Furniture wood with fine, long grain."""
    return b.material(tx.PLAIN, color or wood(b.rng), noise=0.18, noise_scale=0.12, gloss=gloss)


def floor_material(b: SceneBuilder) -> int:
    """Planks 12-20 cm wide, tiles of 30 or 60 cm, a chequer, carpet, linoleum."""
    rng, pick = b.rng, b.rng.random()
    if pick < 0.4:
        color = wood(rng)
        dark = scaled(color, 0.4)
        plank = (float(rng.choice([0.12, 0.15, 0.2])), float(rng.choice([1.2, 1.8])), 0.004)
        return b.material(tx.PLANKS, color, dark, (*plank, rng.uniform(0.15, 0.5)), 0.08, 0.3, rng.uniform(0.1, 0.6))
    if pick < 0.75:
        size = float(rng.choice([0.3, 0.3, 0.6]))
        color = hsv(rng, (0.0, 0.15), (0.0, 0.35), (0.3, 0.9))
        grout = grey(rng, 0.25, 0.75)
        return b.material(
            tx.TILES, color, grout, (size, size, 0.008, rng.uniform(0.05, 0.25)), 0.08, 0.25, rng.uniform(0.1, 0.8)
        )
    if pick < 0.83:
        return b.material(tx.CHECKER, grey(rng, 0.75, 0.95), fabric(rng), (0.3,), 0.06, 0.3, 0.5)
    color = fabric(rng)
    other = scaled(color, rng.uniform(0.6, 0.9))
    return b.material(tx.PATCHES, color, other, (rng.uniform(0.3, 1.0),), 0.25, rng.choice([0.02, 0.1, 0.4]))


def wall_material(b: SceneBuilder) -> int:
    """Paint, striped wallpaper (10 cm), brick, wall tiles (15 or 20 cm), boards."""
    rng, pick = b.rng, b.rng.random()
    color = wall(rng)
    if pick < 0.62:
        return b.material(tx.PLAIN, color, noise=rng.uniform(0.03, 0.12), noise_scale=rng.uniform(0.1, 1.2))
    if pick < 0.75:
        other = scaled(color, rng.uniform(0.75, 0.93))
        return b.material(tx.STRIPES, color, other, (0.2, 0.1), 0.04, 0.3)
    if pick < 0.87:
        return brick_material(b)
    if pick < 0.94:
        size = float(rng.choice([0.15, 0.2]))
        return b.material(tx.TILES, color, grey(rng, 0.4, 0.8), (size, size, 0.004, 0.12), 0.04, 0.3, 0.5)
    return b.material(tx.TILES, wood(rng), (0.15, 0.1, 0.07), (0.12, 3.0, 0.005, 0.25), 0.1, 0.1, 0.2)


def brick_material(b: SceneBuilder) -> int:
    """Bricks of 21 x 6.5 cm with 1 cm joints, red to yellow, or painted."""
    rng = b.rng
    if rng.random() < 0.75:
        color = hsv(rng, (0.0, 0.1), (0.35, 0.7), (0.35, 0.7))
    else:
        color = wall(rng)
    return b.material(tx.BRICKS, color, grey(rng, 0.4, 0.75), (0.22, 0.075, 0.01, rng.uniform(0.2, 0.6)), 0.15, 0.1)
