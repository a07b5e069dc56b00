# SPDX-License-Identifier: Apache-2.0
"""Procedural surfaces in metres: what a solid's material looks like at a point of one of its faces.

Every pattern is filtered over the pixel's footprint, so far tiles turn into their mean instead of aliasing.
"""

from __future__ import annotations

import math

from mono_depth_ros.world.kernels import inner
from mono_depth_ros.world.noise import fade, hash2, noise2, pulse, span
from mono_depth_ros.world.scene import COLOR, COLOR2, NOISE, NOISE_SCALE, PARAMS, SALT

# params in metres:                        a              b               c             d
PLAIN = 0  #
TILES = 1  #                               tile u         tile v          grout         tint spread (share)
PLANKS = 2  #                              width          length          gap           tint spread
BRICKS = 3  #                              length         height          mortar        tint spread
STRIPES = 4  # along v                     period         width
PATCHES = 5  # two colours by noise        contrast
FACADE = 6  # windows                      bay            storey          window w      window h
ROAD = 7  # asphalt; local u along         lane width     lanes
BOOKS = 8  #                               shelf height   mean width
PICTURE = 9  #                             frame width
CABINET = 10  # doors with handles         cell w         cell h          gap
CARTON = 11  # cardboard with tape         tape width
HAZARD = 12  # diagonal stripes            period
RIBS = 13  # shaded corrugation            period         lettering > 0
DOOR = 14  # panels, handle                handle height
PANE = 15  # glass with a frame            pane w         pane h          frame
CHECKER = 16  #                            cell
LEAVES = 17  # strong two-scale noise      contrast
SIGN = 18  # ring and bar                  radius


@inner
def _mix(a, b, w):
    return a + (b - a) * w


@inner
def _cells(m, u, v, fp, row_shift, spread_size):
    """Grid with gaps: (gap coverage, per-cell brightness)."""
    a, b, gap = m[PARAMS], m[PARAMS + 1], m[PARAMS + 2]
    row = math.floor(v / b)
    uu = u + row_shift * a * (row % 2) if row_shift >= 0.0 else u + hash2(row, 7, int(m[SALT])) * a
    gu = pulse(uu + gap / 2, a, gap, fp)
    gv = pulse(v + gap / 2, b, gap, fp)
    cell = hash2(math.floor(uu / a), row, int(m[SALT])) - 0.5
    return 1.0 - (1.0 - gu) * (1.0 - gv), 1.0 + cell * m[PARAMS + 3] * fade(fp, spread_size)


@inner
def albedo(m, table, u, v, width, height, axis, tint, fp):
    """Linear RGB of material row m at u, v metres from the lower corner of a face; and a factor of its gloss."""
    pattern = int(m[0])
    salt = int(m[SALT])
    a, b, c = m[PARAMS], m[PARAMS + 1], m[PARAMS + 2]
    r1, g1, b1 = m[COLOR], m[COLOR + 1], m[COLOR + 2]
    r2, g2, b2 = m[COLOR2], m[COLOR2 + 1], m[COLOR2 + 2]
    w, bright, shine = 0.0, 1.0, 1.0
    off = tint * 37.0
    nu, nv = u + off, v + off * 1.7
    if pattern == TILES:
        w, bright = _cells(m, u, v, fp, 0.0, min(a, b))
        shine = 1.0 - w
    elif pattern == PLANKS:
        # v runs across the planks
        plank = math.floor(v / a)
        uu = u + hash2(plank, 3, salt) * b
        gu = pulse(uu + c / 2, b, c, fp)
        gv = pulse(v + c / 2, a, c, fp)
        w = 1.0 - (1.0 - gu) * (1.0 - gv)
        cell = hash2(plank, math.floor(uu / b), salt)
        bright = 1.0 + (cell - 0.5) * m[PARAMS + 3] * fade(fp, a)
        bright *= 1.0 + 0.22 * noise2(table, uu * 0.12 + cell * 9.0, nv, 0.05, fp)
        shine = 1.0 - w
    elif pattern == BRICKS:
        w, bright = _cells(m, u, v, fp, 0.5, b)
    elif pattern == STRIPES:
        w = pulse(u + off, a, b, fp)
    elif pattern == PATCHES:
        w = min(max(0.5 + a * noise2(table, nu, nv, m[NOISE_SCALE], fp), 0.0), 1.0)
    elif pattern == LEAVES:
        n = noise2(table, nu, nv, 0.5 * m[NOISE_SCALE], fp) + 0.7 * noise2(table, nv, nu, 2.6 * m[NOISE_SCALE], fp)
        w = min(max(0.5 + a * n, 0.0), 1.0)
    elif pattern == FACADE:
        bay, storey, ww, wh = a, b, c, m[PARAMS + 3]
        bays = max(math.floor((width - 0.6) / bay), 1.0)
        du = u - (width - bays * bay) / 2
        if axis != 2 and 0.0 <= du <= bays * bay:
            k, row = math.floor(du / bay), math.floor(v / storey)
            x, y = du - k * bay - (bay - ww) / 2, v - row * storey - 0.9
            if row * storey + 0.9 + wh < height:
                glass = span(x, 0.0, ww, fp) * span(y, 0.0, wh, fp)
                frame = glass - span(x, 0.07, ww - 0.07, fp) * span(y, 0.07, wh - 0.07, fp)
                frame += span(x, ww / 2 - 0.03, ww / 2 + 0.03, fp) * span(y, 0.0, wh, fp)
                sill = span(x, -0.08, ww + 0.08, fp) * span(y, -0.1, 0.0, fp)
                frame = min(frame + sill, 1.0)
                h = hash2(k, row, salt + int(tint * 999))
                dark = 0.02 + 0.1 * h * h + 0.1 * fade(fp, 0.5) * max(y / wh, 0.0)
                n = 1.0 + m[NOISE] * noise2(table, nu, nv, m[NOISE_SCALE], fp)
                base = max(glass - frame, 0.0)
                white = 0.75
                if h > 0.75:  # curtains
                    dark = 0.35 * (0.8 + 0.2 * math.sin(x * 60.0) * fade(fp, 0.05))
                wall = max(1.0 - base - frame, 0.0)
                return (
                    wall * r1 * n + base * dark + frame * white,
                    wall * g1 * n + base * dark * 1.08 + frame * white,
                    wall * b1 * n + base * dark * 1.2 + frame * white * 0.97,
                    base * 6.0,
                )
        # plinth
        w = span(v, -1.0, 0.45, fp) if axis != 2 else 0.0
    elif pattern == ROAD:
        lane, lanes = a, b
        y = v - height / 2  # across, 0 on the centre line
        dash = pulse(u, 9.0, 3.0, fp)
        line = 0.0
        k = -math.floor(lanes / 2)
        while k <= lanes / 2:
            at = k * lane
            edge = abs(k) + 0.5 > lanes / 2
            shift = -0.25 if k > 0 else 0.25
            if edge:
                line += span(y, at + shift - 0.06, at + shift + 0.06, fp)
            else:
                line += span(y, at - 0.06, at + 0.06, fp) * dash
            k += 1
        w = min(line, 1.0) * 0.85
        bright = 1.0 + 0.25 * noise2(table, nu * 0.15, nv, 1.0, fp) + 0.25 * noise2(table, nu, nv, 0.06, fp)
        crack = abs(noise2(table, nu, nv, 4.0, fp))
        bright *= 1.0 - 0.3 * max(1.0 - crack * 25.0, 0.0) * fade(fp, 0.15)
    elif pattern == BOOKS:
        row = math.floor(v / a)
        y = v - row * a
        slot = math.floor(u / b)
        h = hash2(slot, row, salt)
        x = u - slot * b
        top = a * (0.55 + 0.35 * hash2(slot, row, salt + 5))
        seen = fade(fp, 2.0 * b)
        inside = span(y, 0.02, top, fp) * (1.0 - span(x, 0.0, 0.003, fp)) if h < 0.93 else 0.0
        hue = hash2(slot, row, salt + 11) * 6.2832
        lum = 0.08 + 0.4 * hash2(slot, row, salt + 17)
        cr = lum * (1.0 + 0.7 * math.cos(hue))
        cg = lum * (1.0 + 0.6 * math.cos(hue - 2.1))
        cb = lum * (1.0 + 0.7 * math.cos(hue + 2.1))
        label = span(y, top * 0.6, top * 0.75, fp) * 0.6
        cr, cg, cb = _mix(cr, 0.8, label), _mix(cg, 0.75, label), _mix(cb, 0.6, label)
        cr, cg, cb = _mix(0.2, cr, seen), _mix(0.19, cg, seen), _mix(0.17, cb, seen)
        return _mix(r1 * 0.15, cr, inside), _mix(g1 * 0.15, cg, inside), _mix(b1 * 0.15, cb, inside), 0.3
    elif pattern == PICTURE:
        if axis == 2:
            return r1, g1, b1, 0.0
        inner = span(u, a, width - a, fp) * span(v, a, height - a, fp)
        p = noise2(table, nu * 1.3, nv * 1.3, 0.4, fp)
        q = noise2(table, nv + 3.0, nu - 5.0, 0.55, fp)
        s = noise2(table, nu - 9.0, nv + 2.0, 0.25, fp)
        pr = min(max(r2 + 0.22 * p + 0.1 * s, 0.01), 0.9)
        pg = min(max(g2 + 0.22 * q + 0.1 * p, 0.01), 0.9)
        pb = min(max(b2 + 0.22 * s + 0.1 * p, 0.01), 0.9)
        return _mix(r1, pr, inner), _mix(g1, pg, inner), _mix(b1, pb, inner), 0.5 + inner
    elif pattern == CABINET:
        if axis != 2:
            nx = max(math.floor(width / a + 0.5), 1.0)
            ny = max(math.floor(height / b + 0.5), 1.0)
            cw, ch = width / nx, height / ny
            k, row = math.floor(u / cw), math.floor(v / ch)
            x, y = u - k * cw, v - row * ch
            w = 1.0 - span(x, c, cw - c, fp) * span(y, c, ch - c, fp)
            if cw > ch:  # a drawer: handle in the middle
                grip = span(x, cw / 2 - 0.06, cw / 2 + 0.06, fp) * span(y, ch * 0.7, ch * 0.7 + 0.018, fp)
            else:
                side = cw - 0.06 if k % 2 == 0 else 0.04
                grip = span(x, side, side + 0.018, fp) * span(y, ch * 0.5 - 0.07, ch * 0.5 + 0.07, fp)
            if grip > 0.0:
                return (
                    _mix(r1, 0.45, grip),
                    _mix(g1, 0.45, grip),
                    _mix(b1, 0.47, grip),
                    2.0,
                )
        bright = 1.0 + 0.2 * noise2(table, nu * 0.15, nv, 0.08, fp)
    elif pattern == CARTON:
        x = u - width / 2
        w = span(x, -a / 2, a / 2, fp) * 0.7
        bright = 1.0 + (tint - 0.5) * 0.5
        label = span(u, 0.05, 0.16, fp) * span(v, height * 0.5, height * 0.5 + 0.07, fp)
        if axis != 2 and tint > 0.4:
            bright *= 1.0 + 1.6 * label
    elif pattern == HAZARD:
        w = pulse((u + v) * 0.7071, a, a / 2, fp * 0.7)
    elif pattern == RIBS:
        if axis != 2:
            wave = math.sin(6.28318 * u / a)
            bright = 1.0 + 0.28 * wave * fade(fp, a * 0.7)
        # a maker's panel on large containers
        if b > 0.0 and axis != 2:
            x, y = u - width * 0.3, v - height * 0.62
            letter = math.floor(x / 0.3)
            panel = span(x, 0.0, 0.3 * math.floor(3 + tint * 6), fp) * span(y, 0.0, 0.38, fp)
            ink = pulse(x, 0.3, 0.08, fp) + span(y, 0.0, 0.07, fp) * (hash2(letter, 1, salt) > 0.4)
            ink += span(y, 0.31, 0.38, fp) * (hash2(letter, 2, salt) > 0.4)
            w = panel * min(ink, 1.0)
    elif pattern == DOOR:
        if axis != 2:
            x = abs(u - width / 2)
            for k in range(2):
                low, high = (0.15, height * 0.45) if k == 0 else (height * 0.52, height - 0.15)
                outer = span(x, -1.0, width / 2 - 0.13, fp) * span(v, low, high, fp)
                inner = span(x, -1.0, width / 2 - 0.16, fp) * span(v, low + 0.03, high - 0.03, fp)
                w = min(w + (outer - inner) * b, 1.0)
        bright = 1.0 + 0.12 * noise2(table, nv * 0.15, nu, 0.08, fp)
    elif pattern == PANE:
        if axis != 2:
            nx = max(math.floor(width / a + 0.5), 1.0)
            ny = max(math.floor(height / b + 0.5), 1.0)
            cw, ch = width / nx, height / ny
            x, y = u - math.floor(u / cw) * cw, v - math.floor(v / ch) * ch
            glass = span(x, c, cw - c, fp) * span(y, c, ch - c, fp)
            # what is outside: sky above, a tree line below
            line = 0.45 * height + 0.3 * noise2(table, nu, 0.0, 1.0, fp)
            up = span(v, line, 99.0, max(fp, 0.05))
            n = 1.0 + 0.3 * noise2(table, nu, nv, 0.3, fp)
            return (
                _mix(r1, _mix(0.12 * n, r2, up), glass),
                _mix(g1, _mix(0.2 * n, g2, up), glass),
                _mix(b1, _mix(0.08 * n, b2, up), glass),
                1.0 + 10.0 * glass,
            )
    elif pattern == CHECKER:
        e = fade(fp, a)
        odd = (math.floor(u / a) + math.floor(v / a)) % 2
        w = 0.5 + (odd - 0.5) * e
    elif pattern == SIGN:
        x, y = u - width / 2, v - height / 2
        d = math.sqrt(x * x + y * y)
        ring = span(d, a * 0.78, a * 1.5, fp)
        bar = span(abs(x), -1.0, a * 0.55, fp) * span(abs(y), -1.0, a * 0.14, fp)
        w = min(ring + bar, 1.0)
    n = 1.0
    if m[NOISE] > 0.0:
        n = 1.0 + m[NOISE] * noise2(table, nu, nv, m[NOISE_SCALE], fp)
        n += 0.6 * m[NOISE] * noise2(table, nv * 0.13 - nu * 0.05, nu * 0.13 + nv * 0.05, m[NOISE_SCALE], fp * 0.14)
    bright *= n
    return (
        min(max(_mix(r1, r2, w) * bright, 0.0), 1.0),
        min(max(_mix(g1, g2, w) * bright, 0.0), 1.0),
        min(max(_mix(b1, b2, w) * bright, 0.0), 1.0),
        shine,
    )
