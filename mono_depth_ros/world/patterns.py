# SPDX-License-Identifier: Apache-2.0
# mypy: allow-untyped-defs
"""Surfaces that need a page of their own: facades, books, pictures, cabinets, panes, road marks.

Each takes a material row `m`, the noise table, the place u, v in metres from the lower corner of a face of width x
height metres, the solid's tint in [0, 1) and the footprint `fp` of the pixel in metres; a colour is linear RGB with a
factor of the material's gloss.
"""

from __future__ import annotations

import math

from mono_depth_ros.world.kernels import inner
from mono_depth_ros.world.noise import fade, hash2, noise2, pulse, span
from mono_depth_ros.world.scene import COLOR, COLOR2, NOISE, NOISE_SCALE, PARAMS, SALT


@inner
def mix(a, b, w):
    """a where w is 0, b where it is 1."""
    return a + (b - a) * w


@inner
def facade(m, table, u, v, width, height, tint, fp):
    """Windows with frame, cross-bar and sill in every bay and storey that has room; some have curtains."""
    bay, storey, ww, wh = m[PARAMS], m[PARAMS + 1], m[PARAMS + 2], m[PARAMS + 3]
    nu, nv = u + 37.0 * tint, v + 63.0 * tint
    n = 1.0 + m[NOISE] * noise2(table, nu, nv, m[NOISE_SCALE], fp)
    plinth = span(v, -1.0, 0.45, fp)
    r = mix(m[COLOR], m[COLOR2], plinth) * n
    g = mix(m[COLOR + 1], m[COLOR2 + 1], plinth) * n
    b = mix(m[COLOR + 2], m[COLOR2 + 2], plinth) * n
    bays = max(math.floor((width - 0.6) / bay), 1.0)
    along = u - (width - bays * bay) / 2
    column, row = math.floor(along / bay), math.floor(v / storey)
    if column < 0 or column >= bays or row * storey + 0.9 + wh >= height:
        return r, g, b, 0.0
    x, y = along - column * bay - (bay - ww) / 2, v - row * storey - 0.9
    opening = span(x, 0.0, ww, fp) * span(y, 0.0, wh, fp)
    frame = opening - span(x, 0.07, ww - 0.07, fp) * span(y, 0.07, wh - 0.07, fp)
    frame += span(x, ww / 2 - 0.03, ww / 2 + 0.03, fp) * span(y, 0.0, wh, fp)
    frame = min(frame + span(x, -0.08, ww + 0.08, fp) * span(y, -0.1, 0.0, fp), 1.0)
    glass = max(opening - frame, 0.0)
    wall = max(1.0 - glass - frame, 0.0)
    chance = hash2(column, row, int(m[SALT]) + int(tint * 999))
    inside = 0.02 + 0.1 * chance * chance + 0.1 * fade(fp, 0.5) * max(y / wh, 0.0)
    if chance > 0.75:
        inside = 0.35 * (0.8 + 0.2 * math.sin(x * 60.0) * fade(fp, 0.05))
    return (
        wall * r + glass * inside + frame * 0.75,
        wall * g + glass * inside * 1.08 + frame * 0.75,
        wall * b + glass * inside * 1.2 + frame * 0.73,
        glass * 6.0,
    )


@inner
def road_marks(m, u, across, fp):
    """Share of paint: dashes of 3 m every 9 m between lanes, a line 12 cm wide at both edges."""
    lane, half = m[PARAMS], m[PARAMS + 1] / 2
    dash = pulse(u, 9.0, 3.0, fp)
    paint = 0.0
    k = -math.floor(half)
    while k <= half:
        at = k * lane
        if abs(k) + 0.5 > half:
            at += -0.25 if k > 0 else 0.25
            paint += span(across, at - 0.06, at + 0.06, fp)
        else:
            paint += span(across, at - 0.06, at + 0.06, fp) * dash
        k += 1
    return min(paint, 1.0)


@inner
def asphalt(table, nu, nv, fp):
    """Brightness: grain, wear along the lanes, thin cracks."""
    bright = 1.0 + 0.25 * noise2(table, nu * 0.15, nv, 1.0, fp) + 0.25 * noise2(table, nu, nv, 0.06, fp)
    crack = abs(noise2(table, nu, nv, 4.0, fp))
    return bright * (1.0 - 0.3 * max(1.0 - crack * 25.0, 0.0) * fade(fp, 0.15))


@inner
def books(m, u, v, fp):
    """Spines of random height and colour, a label on each; behind them the dark of the shelf."""
    shelf, wide, salt = m[PARAMS], m[PARAMS + 1], int(m[SALT])
    row, slot = math.floor(v / shelf), math.floor(u / wide)
    y, x = v - row * shelf, u - slot * wide
    top = shelf * (0.55 + 0.35 * hash2(slot, row, salt + 5))
    there = hash2(slot, row, salt) < 0.93
    spine = span(y, 0.02, top, fp) * (1.0 - span(x, 0.0, 0.003, fp)) if there else 0.0
    hue, light = hash2(slot, row, salt + 11) * 6.2832, 0.08 + 0.4 * hash2(slot, row, salt + 17)
    label = span(y, top * 0.6, top * 0.75, fp) * 0.6
    seen = fade(fp, 2.0 * wide)
    r = mix(0.2, mix(light * (1.0 + 0.7 * math.cos(hue)), 0.8, label), seen)
    g = mix(0.19, mix(light * (1.0 + 0.6 * math.cos(hue - 2.1)), 0.75, label), seen)
    b = mix(0.17, mix(light * (1.0 + 0.7 * math.cos(hue + 2.1)), 0.6, label), seen)
    return (
        mix(m[COLOR] * 0.15, r, spine),
        mix(m[COLOR + 1] * 0.15, g, spine),
        mix(m[COLOR + 2] * 0.15, b, spine),
        0.3,
    )


@inner
def picture(m, table, u, v, width, height, tint, fp):
    """A soft abstract painting in a frame."""
    edge = m[PARAMS]
    inside = span(u, edge, width - edge, fp) * span(v, edge, height - edge, fp)
    nu, nv = u + 37.0 * tint, v + 63.0 * tint
    p = noise2(table, nu * 1.3, nv * 1.3, 0.4, fp)
    q = noise2(table, nv + 3.0, nu - 5.0, 0.55, fp)
    s = noise2(table, nu - 9.0, nv + 2.0, 0.25, fp)
    r = min(max(m[COLOR2] + 0.22 * p + 0.1 * s, 0.01), 0.9)
    g = min(max(m[COLOR2 + 1] + 0.22 * q + 0.1 * p, 0.01), 0.9)
    b = min(max(m[COLOR2 + 2] + 0.22 * s + 0.1 * p, 0.01), 0.9)
    return mix(m[COLOR], r, inside), mix(m[COLOR + 1], g, inside), mix(m[COLOR + 2], b, inside), 0.5 + inside


@inner
def cabinet(m, u, v, width, height, fp):
    """(gap, grip): shares of the dark gap between doors or drawers, and of their handles."""
    gap = m[PARAMS + 2]
    w = width / max(math.floor(width / m[PARAMS] + 0.5), 1.0)
    h = height / max(math.floor(height / m[PARAMS + 1] + 0.5), 1.0)
    column, row = math.floor(u / w), math.floor(v / h)
    x, y = u - column * w, v - row * h
    dark = 1.0 - span(x, gap, w - gap, fp) * span(y, gap, h - gap, fp)
    if w > h:  # a drawer: handle in the middle
        return dark, span(x, w / 2 - 0.06, w / 2 + 0.06, fp) * span(y, h * 0.7, h * 0.7 + 0.018, fp)
    side = w - 0.06 if column % 2 == 0 else 0.04
    return dark, span(x, side, side + 0.018, fp) * span(y, h * 0.5 - 0.07, h * 0.5 + 0.07, fp)


@inner
def lettering(m, u, v, width, height, tint, fp):
    """Share of paint of a made-up word in letters 38 cm high."""
    salt = int(m[SALT])
    x, y = u - width * 0.3, v - height * 0.62
    letter = math.floor(x / 0.3)
    word = span(x, 0.0, 0.3 * math.floor(3 + tint * 6), fp) * span(y, 0.0, 0.38, fp)
    ink = pulse(x, 0.3, 0.08, fp)
    if hash2(letter, 1, salt) > 0.4:
        ink += span(y, 0.0, 0.07, fp)
    if hash2(letter, 2, salt) > 0.4:
        ink += span(y, 0.31, 0.38, fp)
    return word * min(ink, 1.0)


@inner
def door_panels(width, height, u, v, fp):
    """Share of the groove around two panels."""
    x = abs(u - width / 2)
    groove = 0.0
    for k in range(2):
        low, high = (0.15, height * 0.45) if k == 0 else (height * 0.52, height - 0.15)
        outer = span(x, -1.0, width / 2 - 0.13, fp) * span(v, low, high, fp)
        groove += outer - span(x, -1.0, width / 2 - 0.16, fp) * span(v, low + 0.03, high - 0.03, fp)
    return min(groove, 1.0)


@inner
def pane(m, table, u, v, width, height, tint, fp):
    """A window from inside: frame, and behind the glass a sky over a line of trees."""
    edge = m[PARAMS + 2]
    w = width / max(math.floor(width / m[PARAMS] + 0.5), 1.0)
    h = height / max(math.floor(height / m[PARAMS + 1] + 0.5), 1.0)
    x, y = u - math.floor(u / w) * w, v - math.floor(v / h) * h
    glass = span(x, edge, w - edge, fp) * span(y, edge, h - edge, fp)
    nu, nv = u + 37.0 * tint, v + 63.0 * tint
    sky = span(v, 0.45 * height + 0.3 * noise2(table, nu, 0.0, 1.0, fp), 99.0, max(fp, 0.05))
    n = 1.0 + 0.3 * noise2(table, nu, nv, 0.3, fp)
    return (
        mix(m[COLOR], mix(0.12 * n, m[COLOR2], sky), glass),
        mix(m[COLOR + 1], mix(0.2 * n, m[COLOR2 + 1], sky), glass),
        mix(m[COLOR + 2], mix(0.08 * n, m[COLOR2 + 2], sky), glass),
        1.0 + 10.0 * glass,
    )


@inner
def sign(m, x, y, fp):
    """Share of the second colour: a ring and a bar, x, y from the middle."""
    radius = m[PARAMS]
    ring = span(math.sqrt(x * x + y * y), radius * 0.78, radius * 1.5, fp)
    return min(ring + span(abs(x), -1.0, radius * 0.55, fp) * span(abs(y), -1.0, radius * 0.14, fp), 1.0)
