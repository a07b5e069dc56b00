# SPDX-License-Identifier: Apache-2.0
"""Cars 4.2-4.8 x 1.75 x 1.45 m, vans 5.3 x 2.0 x 2.4 m, fork trucks; all drive towards +x and stand on z = 0."""

from __future__ import annotations

from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.scene import SceneBuilder


def _wheels(b: SceneBuilder, xs: tuple[float, ...], half_track: float, radius: float = 0.32) -> None:
    tyre = b.material(tx.PLAIN, (0.1, 0.1, 0.1), noise=0.1)
    rim = b.material(tx.PLAIN, pal.grey(b.rng, 0.4, 0.8), gloss=0.8)
    for x in xs:
        for s in (-1, 1):
            b.rod((x, s * (half_track - 0.2), radius), (x, s * half_track, radius), radius, tyre)
            b.rod((x, s * (half_track - 0.1), radius), (x, s * (half_track + 0.01), radius), radius * 0.6, rim)


def car(b: SceneBuilder) -> tuple[float, float]:
    """A saloon, hatchback or estate. Returns its length and width."""
    rng = b.rng
    length, width, height = float(rng.uniform(4.2, 4.8)), float(rng.uniform(1.72, 1.82)), float(rng.uniform(1.42, 1.55))
    body = b.material(tx.PLAIN, pal.paint(rng), noise=0.03, gloss=1.5)
    glass = b.material(tx.PLAIN, (0.05, 0.06, 0.07), noise=0.02, gloss=1.6)
    dark = b.material(tx.PLAIN, (0.07, 0.07, 0.07), noise=0.05)
    red = b.material(tx.PLAIN, (0.65, 0.03, 0.03), noise=0.0, gloss=1.0, emission=0.15)
    white = b.material(tx.PLAIN, (0.9, 0.9, 0.85), noise=0.0, gloss=1.5)
    belt = 0.92
    b.box(0, 0, 0.2, (length - 0.1, width - 0.06, 0.35), dark)
    b.box(0, 0, 0.32, (length, width, belt - 0.42), body)
    b.box(-length * 0.08, 0, 0.5, (length * 0.78, width - 0.02, belt - 0.5), body)
    # bonnet slopes down to the front
    b.box(length * 0.36, 0, 0.62, (length * 0.27, width - 0.06, 0.2), body, pitch=0.08)
    kind = rng.random()
    back = -length * 0.5 + (0.12 if kind < 0.6 else 0.75)
    front = length * 0.2
    top0, top1 = back + (0.25 if kind < 0.6 else 0.5), front - 0.65
    b.box((top0 + top1) / 2, 0, height - 0.06, (top1 - top0, width - 0.42, 0.06), body)
    b.box((top0 + top1) / 2, 0, belt, (top1 - top0 - 0.02, width - 0.34, height - belt - 0.06), glass)
    _slab(b, front, top1, belt, height, width - 0.36, glass)
    _slab(b, back, top0, belt, height, width - 0.36, glass if kind < 0.9 else body)
    for s in (-1, 1):
        for x in (top1, (top0 + top1) / 2, top0):
            b.box(x, s * (width / 2 - 0.175), belt, (0.08, 0.03, height - belt - 0.03), body)
        b.box(length / 2 - 0.02, s * (width / 2 - 0.22), 0.6, (0.06, 0.32, 0.12), white)
        b.box(-length / 2 + 0.02, s * (width / 2 - 0.18), 0.68, (0.06, 0.26, 0.14), red)
        b.box(front - 0.35, s * (width / 2 + 0.06), belt - 0.02, (0.12, 0.16, 0.12), body)
    for s in (-1, 1):
        b.box(s * (length / 2 + 0.005), 0, 0.45, (0.02, 0.52, 0.11), white)
    b.box(length / 2, 0, 0.34, (0.03, width * 0.6, 0.12), dark)
    _wheels(b, (length * 0.31, -length * 0.29), width / 2 + 0.015)
    return length, width


def _slab(b: SceneBuilder, x_low: float, x_high: float, z_low: float, z_high: float, width: float, m: int) -> None:
    """A thin tilted pane from (x_low, z_low) to (x_high, z_high)."""
    import math

    run, rise = x_high - x_low, z_high - 0.03 - z_low
    length = math.hypot(run, rise)
    pitch = -math.atan2(rise, run)
    b.box((x_low + x_high) / 2, 0, (z_low + z_high - 0.03) / 2 - 0.02, (length, width, 0.04), m, pitch=pitch)


def van(b: SceneBuilder) -> tuple[float, float]:
    """A delivery van. Returns its length and width."""
    rng = b.rng
    length, width, height = 5.4, 2.0, float(rng.uniform(2.2, 2.6))
    body = b.material(tx.PLAIN, pal.paint(rng), noise=0.03, gloss=0.8)
    glass = b.material(tx.PLAIN, (0.05, 0.06, 0.07), noise=0.02, gloss=1.6)
    dark = b.material(tx.PLAIN, (0.07, 0.07, 0.07), noise=0.05)
    white = b.material(tx.PLAIN, (0.9, 0.9, 0.85), noise=0.0, gloss=1.5)
    red = b.material(tx.PLAIN, (0.6, 0.03, 0.03), noise=0.0, emission=0.1)
    b.box(0, 0, 0.22, (length - 0.1, width - 0.05, 0.3), dark)
    b.box(-0.55, 0, 0.4, (length - 1.1, width, height - 0.4), body)
    b.box(2.2, 0, 0.4, (1.0, width - 0.04, 0.75), body)
    _slab(b, 2.6, 1.95, 1.12, height - 0.25, width - 0.12, glass)
    b.box(1.5, 0, 1.2, (0.9, width + 0.015, 0.55), glass)
    for s in (-1, 1):
        b.box(2.69, s * 0.75, 0.75, (0.05, 0.3, 0.2), white)
        b.box(-2.69, s * 0.9, 0.9, (0.06, 0.15, 0.4), red)
    b.box(-2.655, 0, 1.35, (0.02, width - 0.5, 0.55), glass)
    _wheels(b, (1.75, -1.6), width / 2 + 0.015, 0.34)
    return length, width


def fork_truck(b: SceneBuilder) -> None:
    """A counterbalance fork truck, 2.3 m long without its forks, 1.15 m wide, 2.15 m high."""
    rng = b.rng
    body = b.material(tx.PLAIN, pal.strong(rng), noise=0.06, gloss=0.5)
    dark = b.material(tx.PLAIN, (0.1, 0.1, 0.11), noise=0.08)
    steel = b.material(tx.PLAIN, pal.grey(rng, 0.15, 0.4), noise=0.1)
    b.box(-0.2, 0, 0.15, (1.7, 1.1, 0.6), body)
    b.box(-0.85, 0, 0.2, (0.6, 1.12, 0.85), body)
    b.box(-0.35, 0, 0.75, (0.5, 0.5, 0.15), dark)
    b.box(-0.58, 0, 0.85, (0.12, 0.48, 0.45), dark, pitch=-0.1)
    for sx, sy in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        b.rod((-0.2 + sx * 0.6, sy * 0.45, 0.7), (-0.2 + sx * 0.45, sy * 0.42, 2.1), 0.03, dark)
    b.box(-0.2, 0, 2.08, (1.1, 0.95, 0.07), dark)
    for s in (-1, 1):
        b.box(0.78, s * 0.32, 0.05, (0.12, 0.1, 2.1), steel)
        b.box(1.45, s * 0.28, 0.05, (1.15, 0.11, 0.045), steel)
    for z in (0.3, 1.0, 1.9):
        b.box(0.78, 0, z, (0.08, 0.64, 0.1), steel)
    b.box(0.88, 0, 0.12, (0.06, 0.95, 0.4), steel)
    _wheels(b, (0.45, -0.8), 0.58, 0.27)
