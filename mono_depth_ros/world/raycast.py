# SPDX-License-Identifier: Apache-2.0
# mypy: allow-untyped-defs
"""First hits of a grid of rays that share one origin, by tiles.

Rays are (x/z, y/z, 1) in the optical frame, so the ray parameter t IS the z-depth. Every solid's oriented box is
projected once; a 16x16 tile of pixels tests only the solids that overlap it, nearest first, and stops when the
next one starts behind everything already hit. The search runs in float32 over whole tiles, which the compiler turns
into vector instructions; `exact_hit` then recomputes the winner in float64.
"""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world.kernels import inner, kernel, prange
from mono_depth_ros.world.scene import BOX, CYLINDER

TILE = 16
NEAR = 1e-3


@kernel()
def to_camera(center, rotation, half, origin, camera):
    """Solids as seen from a camera.

    camera: (3, 3) world_from_camera rotation. Returns local ray frames (N, 12) = [local_from_camera 3x3, local
    origin 3], and (N, 5) bounds = [x/z low, x/z high, y/z low, y/z high, nearest z]; nearest z is +inf behind.
    """
    n = center.shape[0]
    frames = np.empty((n, 12))
    bounds = np.empty((n, 5))
    px = np.empty(8)
    py = np.empty(8)
    pz = np.empty(8)
    for p in range(n):
        for i in range(3):
            o = 0.0
            for j in range(3):
                s = 0.0
                for k in range(3):
                    s += rotation[p, k, i] * camera[k, j]
                frames[p, 3 * i + j] = s
                o += rotation[p, j, i] * (origin[j] - center[p, j])
            frames[p, 9 + i] = o
        low_x, high_x, low_y, high_y = math.inf, -math.inf, math.inf, -math.inf
        near, far = math.inf, -math.inf
        for c in range(8):
            lx = (half[p, 0] if c & 1 else -half[p, 0]) - frames[p, 9]
            ly = (half[p, 1] if c & 2 else -half[p, 1]) - frames[p, 10]
            lz = (half[p, 2] if c & 4 else -half[p, 2]) - frames[p, 11]
            px[c] = frames[p, 0] * lx + frames[p, 3] * ly + frames[p, 6] * lz
            py[c] = frames[p, 1] * lx + frames[p, 4] * ly + frames[p, 7] * lz
            pz[c] = frames[p, 2] * lx + frames[p, 5] * ly + frames[p, 8] * lz
            near = min(near, pz[c])
            far = max(far, pz[c])
            if pz[c] >= NEAR:
                x, y = px[c] / pz[c], py[c] / pz[c]
                low_x, high_x = min(low_x, x), max(high_x, x)
                low_y, high_y = min(low_y, y), max(high_y, y)
        if far < NEAR:
            near = math.inf
        elif near < NEAR:
            # Edges that cross the near plane bound the projection of the part in front.
            for c in range(8):
                for k in range(3):
                    d = c | (1 << k)
                    if d == c or (pz[c] >= NEAR) == (pz[d] >= NEAR):
                        continue
                    w = (NEAR - pz[c]) / (pz[d] - pz[c])
                    x = (px[c] + w * (px[d] - px[c])) / NEAR
                    y = (py[c] + w * (py[d] - py[c])) / NEAR
                    low_x, high_x = min(low_x, x), max(high_x, x)
                    low_y, high_y = min(low_y, y), max(high_y, y)
            near = NEAR
        slack = 1e-6
        bounds[p, 0], bounds[p, 1] = low_x - slack * (1 + abs(low_x)), high_x + slack * (1 + abs(high_x))
        bounds[p, 2], bounds[p, 3] = low_y - slack * (1 + abs(low_y)), high_y + slack * (1 + abs(high_y))
        bounds[p, 4] = near * (1 - 1e-6)
    return frames, bounds


@inner
def _safe(d):
    """A direction component that can be divided by."""
    tiny = np.float32(1e-12)
    return tiny if abs(d) < tiny else d


@inner
def _row(f):
    """A solid's frame as scalars, which the compiler keeps in registers over the tile."""
    return f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10], f[11]


@inner
def _boxes(x, y, t, ids, n, f, hx, hy, hz, p):
    f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11 = _row(f)
    near = np.float32(NEAR)
    for i in range(n):
        ix = np.float32(1.0) / _safe(f0 * x[i] + f1 * y[i] + f2)
        iy = np.float32(1.0) / _safe(f3 * x[i] + f4 * y[i] + f5)
        iz = np.float32(1.0) / _safe(f6 * x[i] + f7 * y[i] + f8)
        mx, my, mz = -f9 * ix, -f10 * iy, -f11 * iz
        rx, ry, rz = abs(hx * ix), abs(hy * iy), abs(hz * iz)
        enter = max(max(mx - rx, my - ry), mz - rz)
        leave = min(min(mx + rx, my + ry), mz + rz)
        hit = (enter <= leave) & (enter > near) & (enter < t[i])
        t[i] = enter if hit else t[i]
        ids[i] = p if hit else ids[i]


@inner
def _cylinders(x, y, t, ids, n, f, r, hz, p):
    f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11 = _row(f)
    near, zero = np.float32(NEAR), np.float32(0.0)
    for i in range(n):
        dx = f0 * x[i] + f1 * y[i] + f2
        dy = f3 * x[i] + f4 * y[i] + f5
        iz = np.float32(1.0) / _safe(f6 * x[i] + f7 * y[i] + f8)
        a = dx * dx + dy * dy + np.float32(1e-20)
        b = f9 * dx + f10 * dy
        cross = f9 * dy - f10 * dx  # distance from the axis; b^2 - a c would cancel for far, thin poles
        disc = r * r * a - cross * cross
        root = math.sqrt(max(disc, zero))
        mz, rz = -f11 * iz, abs(hz * iz)
        enter = max((-b - root) / a, mz - rz)
        leave = min((-b + root) / a, mz + rz)
        hit = (disc > zero) & (enter <= leave) & (enter > near) & (enter < t[i])
        t[i] = enter if hit else t[i]
        ids[i] = p if hit else ids[i]


@inner
def _ellipsoids(x, y, t, ids, n, f, hx, hy, hz, p):
    f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11 = _row(f)
    near, zero, one = np.float32(NEAR), np.float32(0.0), np.float32(1.0)
    ix, iy, iz = one / hx, one / hy, one / hz
    ox, oy, oz = f9 * ix, f10 * iy, f11 * iz
    for i in range(n):
        dx = (f0 * x[i] + f1 * y[i] + f2) * ix
        dy = (f3 * x[i] + f4 * y[i] + f5) * iy
        dz = (f6 * x[i] + f7 * y[i] + f8) * iz
        a = dx * dx + dy * dy + dz * dz
        b = ox * dx + oy * dy + oz * dz
        cx, cy, cz = oy * dz - oz * dy, oz * dx - ox * dz, ox * dy - oy * dx
        disc = a - (cx * cx + cy * cy + cz * cz)
        enter = (-b - math.sqrt(max(disc, zero))) / a
        hit = (disc > zero) & (enter > near) & (enter < t[i])
        t[i] = enter if hit else t[i]
        ids[i] = p if hit else ids[i]


@kernel(parallel=True)
def first_hits(rays, kind, half, frames, bounds):
    """rays (H, W, 2) float32 -> ids (H, W) int32 of the first solid hit, -1 for none, -2 where a ray is NaN."""
    height, width = rays.shape[0], rays.shape[1]
    order = np.argsort(bounds[:, 4])
    frames32, half32 = frames.astype(np.float32), half.astype(np.float32)
    ids = np.empty((height, width), dtype=np.int32)
    tile_rows = (height + TILE - 1) // TILE
    for row in prange(tile_rows):
        top, bottom = row * TILE, min(height, row * TILE + TILE)
        in_row = np.empty(order.size, dtype=np.int64)
        x = np.empty(TILE * TILE, dtype=np.float32)
        y = np.empty(TILE * TILE, dtype=np.float32)
        t = np.empty(TILE * TILE, dtype=np.float32)
        best = np.empty(TILE * TILE, dtype=np.int32)
        low, high = math.inf, -math.inf
        for v in range(top, bottom):
            for u in range(width):
                low, high = min(low, rays[v, u, 1]), max(high, rays[v, u, 1])
        count = 0
        for q in range(order.size):
            p = order[q]
            if bounds[p, 4] == math.inf:
                break
            if bounds[p, 2] <= high and bounds[p, 3] >= low:
                in_row[count] = p
                count += 1
        for left in range(0, width, TILE):
            right = min(width, left + TILE)
            n = 0
            x0, x1, y0, y1 = math.inf, -math.inf, math.inf, -math.inf
            for v in range(top, bottom):
                for u in range(left, right):
                    rx, ry = rays[v, u, 0], rays[v, u, 1]
                    x[n], y[n], t[n] = rx, ry, np.float32(np.inf)
                    best[n] = -1
                    if rx != rx or ry != ry:
                        t[n] = np.float32(-1.0)
                        best[n] = -2
                    else:
                        x0, x1, y0, y1 = min(x0, rx), max(x1, rx), min(y0, ry), max(y1, ry)
                    n += 1
            for q in range(count):
                p = in_row[q]
                if bounds[p, 0] > x1 or bounds[p, 1] < x0 or bounds[p, 2] > y1 or bounds[p, 3] < y0:
                    continue
                farthest = t[0]
                for i in range(1, n):
                    farthest = max(farthest, t[i])
                if bounds[p, 4] > farthest:
                    break
                f, h = frames32[p], half32[p]
                if kind[p] == BOX:
                    _boxes(x, y, t, best, n, f, h[0], h[1], h[2], np.int32(p))
                elif kind[p] == CYLINDER:
                    _cylinders(x, y, t, best, n, f, h[0], h[2], np.int32(p))
                else:
                    _ellipsoids(x, y, t, best, n, f, h[0], h[1], h[2], np.int32(p))
            n = 0
            for v in range(top, bottom):
                for u in range(left, right):
                    ids[v, u] = best[n]
                    n += 1
    return ids


@inner
def exact_hit(kind, f, h, rx, ry):
    """One ray against one solid it is known to hit, float64.

    Returns t, the local hit point (3) and the local axis entered: 0, 1, 2 for a face or a cap, 3 for a round side.
    """
    dx = f[0] * rx + f[1] * ry + f[2]
    dy = f[3] * rx + f[4] * ry + f[5]
    dz = f[6] * rx + f[7] * ry + f[8]
    ox, oy, oz = f[9], f[10], f[11]
    axis = 3
    if kind == BOX:
        t = -math.inf
        if abs(dx) > 1e-12:
            t, axis = -ox / dx - abs(h[0] / dx), 0
        if abs(dy) > 1e-12:
            ty = -oy / dy - abs(h[1] / dy)
            if ty > t:
                t, axis = ty, 1
        if abs(dz) > 1e-12:
            tz = -oz / dz - abs(h[2] / dz)
            if tz > t:
                t, axis = tz, 2
    elif kind == CYLINDER:
        a = dx * dx + dy * dy + 1e-30
        cross = ox * dy - oy * dx
        t = (-(ox * dx + oy * dy) - math.sqrt(max(h[0] * h[0] * a - cross * cross, 0.0))) / a
        if abs(dz) > 1e-12:
            tz = -oz / dz - abs(h[2] / dz)
            if tz > t:
                t, axis = tz, 2
    else:
        ex, ey, ez = dx / h[0], dy / h[1], dz / h[2]
        px, py, pz = ox / h[0], oy / h[1], oz / h[2]
        a = ex * ex + ey * ey + ez * ez
        cx, cy, cz = py * ez - pz * ey, pz * ex - px * ez, px * ey - py * ex
        disc = max(a - (cx * cx + cy * cy + cz * cz), 0.0)
        t = (-(px * ex + py * ey + pz * ez) - math.sqrt(disc)) / a
    return t, ox + t * dx, oy + t * dy, oz + t * dz, axis
