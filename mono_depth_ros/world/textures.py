# SPDX-License-Identifier: Apache-2.0
# mypy: allow-untyped-defs
"""Procedural surfaces in metres: what a solid's material looks like at a point of one of its faces.

Every pattern is filtered over the pixel's footprint, so far tiles turn into their mean instead of aliasing.
"""

from __future__ import annotations

import math

from mono_depth_ros.world import patterns
from mono_depth_ros.world.kernels import inner
from mono_depth_ros.world.noise import fade, hash2, noise2, pulse, span
from mono_depth_ros.world.scene import COLOR, COLOR2, NOISE, NOISE_SCALE, PARAMS, PATTERN, SALT

# params, in metres:                       1st            2nd            3rd           4th
PLAIN = 0
TILES = 1  #                               tile u         tile v         grout         spread of brightness (share)
PLANKS = 2  #                              width          length         gap           spread
BRICKS = 3  #                              length         height         mortar        spread
STRIPES = 4  # along v                     period         width
PATCHES = 5  # two colours by noise        contrast
FACADE = 6  # windows                      bay            storey         window width  window height
ROAD = 7  # u along the lanes              lane width     lanes
BOOKS = 8  #                               shelf height   mean width
PICTURE = 9  #                             frame width
CABINET = 10  # doors with handles         door width     door height    gap
CARTON = 11  # cardboard                   tape width
HAZARD = 12  # diagonal stripes            period
RIBS = 13  # shaded corrugation            period         lettering if > 0
DOOR = 14  #                               (unused)       panels if > 0
PANE = 15  # a window from inside          pane width     pane height    frame
CHECKER = 16  #                            cell
LEAVES = 17  # noise of two scales         contrast
SIGN = 18  # ring and bar                  radius


@inner
def _cells(m, u, v, fp, shift):
    """(share of gap, brightness of the cell): tiles or bricks, every second row shifted by a share of a cell."""
    a, b, gap = m[PARAMS], m[PARAMS + 1], m[PARAMS + 2]
    row = math.floor(v / b)
    u += shift * a * (row % 2)
    lines = 1.0 - (1.0 - pulse(u + gap / 2, a, gap, fp)) * (1.0 - pulse(v + gap / 2, b, gap, fp))
    chance = hash2(math.floor(u / a), row, int(m[SALT])) - 0.5
    return lines, 1.0 + chance * m[PARAMS + 3] * fade(fp, min(a, b))


@inner
def _planks(m, table, u, v, nv, fp):
    """(share of gap, brightness): v runs across the planks, each row starts somewhere else."""
    wide, long, gap, salt = m[PARAMS], m[PARAMS + 1], m[PARAMS + 2], int(m[SALT])
    row = math.floor(v / wide)
    u += hash2(row, 3, salt) * long
    lines = 1.0 - (1.0 - pulse(u + gap / 2, long, gap, fp)) * (1.0 - pulse(v + gap / 2, wide, gap, fp))
    chance = hash2(row, math.floor(u / long), salt)
    grain = 1.0 + 0.22 * noise2(table, u * 0.12 + chance * 9.0, nv, 0.05, fp)
    return lines, (1.0 + (chance - 0.5) * m[PARAMS + 3] * fade(fp, wide)) * grain


@inner
def albedo(m, table, u, v, width, height, axis, tint, fp):
    """Linear RGB of material row m at u, v metres from the lower corner of a face; and a factor of its gloss."""
    pattern = int(m[PATTERN])
    a = m[PARAMS]
    side = axis != 2  # not a top or bottom
    w, bright, shine = 0.0, 1.0, 1.0  # share of the second colour, brightness, gloss
    nu, nv = u + 37.0 * tint, v + 63.0 * tint  # so that equal solids do not share their stains
    if pattern == FACADE and side:
        return patterns.facade(m, table, u, v, width, height, tint, fp)
    if pattern == BOOKS:
        return patterns.books(m, u, v, fp)
    if pattern == PICTURE and side:
        return patterns.picture(m, table, u, v, width, height, tint, fp)
    if pattern == PANE and side:
        return patterns.pane(m, table, u, v, width, height, tint, fp)
    if pattern == TILES:
        w, bright = _cells(m, u, v, fp, 0.0)
        shine = 1.0 - w
    elif pattern == PLANKS:
        w, bright = _planks(m, table, u, v, nv, fp)
        shine = 1.0 - w
    elif pattern == BRICKS:
        w, bright = _cells(m, u, v, fp, 0.5)
    elif pattern == STRIPES:
        w = pulse(nu, a, m[PARAMS + 1], fp)
    elif pattern == PATCHES:
        w = min(max(0.5 + a * noise2(table, nu, nv, m[NOISE_SCALE], fp), 0.0), 1.0)
    elif pattern == LEAVES:
        scale = m[NOISE_SCALE]
        n = noise2(table, nu, nv, 0.5 * scale, fp) + 0.7 * noise2(table, nv, nu, 2.6 * scale, fp)
        w = min(max(0.5 + a * n, 0.0), 1.0)
    elif pattern == ROAD:
        w = 0.85 * patterns.road_marks(m, u, v - height / 2, fp)
        bright = patterns.asphalt(table, nu, nv, fp)
    elif pattern == CABINET:
        bright = 1.0 + 0.2 * noise2(table, nu * 0.15, nv, 0.08, fp)
        if side:
            w, grip = patterns.cabinet(m, u, v, width, height, fp)
            if grip > 0.0:
                r, g, b = m[COLOR], m[COLOR + 1], m[COLOR + 2]
                return patterns.mix(r, 0.45, grip), patterns.mix(g, 0.45, grip), patterns.mix(b, 0.47, grip), 2.0
    elif pattern == CARTON:
        w = span(u - width / 2, -a / 2, a / 2, fp) * 0.7
        bright = 1.0 + (tint - 0.5) * 0.5
        if side and tint > 0.4:  # a label
            bright *= 1.0 + 1.6 * span(u, 0.05, 0.16, fp) * span(v, height * 0.5, height * 0.5 + 0.07, fp)
    elif pattern == HAZARD:
        w = pulse((u + v) * 0.7071, a, a / 2, fp * 0.7)
    elif pattern == RIBS and side:
        bright = 1.0 + 0.28 * math.sin(6.28318 * u / a) * fade(fp, a * 0.7)
        if m[PARAMS + 1] > 0.0:
            w = patterns.lettering(m, u, v, width, height, tint, fp)
    elif pattern == DOOR:
        bright = 1.0 + 0.12 * noise2(table, nv * 0.15, nu, 0.08, fp)
        if side and m[PARAMS + 1] > 0.0:
            w = patterns.door_panels(width, height, u, v, fp)
    elif pattern == CHECKER:
        odd = (math.floor(u / a) + math.floor(v / a)) % 2
        w = 0.5 + (odd - 0.5) * fade(fp, a)
    elif pattern == SIGN:
        w = patterns.sign(m, u - width / 2, v - height / 2, fp)
    if m[NOISE] > 0.0:  # stains, and a slower drift over metres
        scale = m[NOISE_SCALE]
        drift = noise2(table, nv * 0.13 - nu * 0.05, nu * 0.13 + nv * 0.05, scale, fp * 0.14)
        bright *= 1.0 + m[NOISE] * (noise2(table, nu, nv, scale, fp) + 0.6 * drift)
    return (
        min(max(patterns.mix(m[COLOR], m[COLOR2], w) * bright, 0.0), 1.0),
        min(max(patterns.mix(m[COLOR + 1], m[COLOR2 + 1], w) * bright, 0.0), 1.0),
        min(max(patterns.mix(m[COLOR + 2], m[COLOR2 + 2], w) * bright, 0.0), 1.0),
        shine,
    )
