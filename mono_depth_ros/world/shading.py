# SPDX-License-Identifier: Apache-2.0
# mypy: allow-untyped-defs
"""Colour, exact depth and normal of every pixel, given the solid that `raycast.first_hits` found there."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from mono_depth_ros.world.kernels import inner, kernel
from mono_depth_ros.world.noise import noise2
from mono_depth_ros.world.raycast import exact_hit
from mono_depth_ros.world.scene import BOX, CYLINDER, EMISSION, GLOSS
from mono_depth_ros.world.textures import albedo

# Offsets into Light.packed()
SUN, SUN_COLOR, SKY, GROUND, HORIZON, ZENITH, HAZE, CLOUDS, EXPOSURE, CEILING = 0, 3, 6, 9, 12, 15, 18, 19, 20, 21
SRGB_STEPS = 4096


def srgb_table() -> np.ndarray:
    """(SRGB_STEPS,) uint8: linear [0, 1) in equal steps -> sRGB byte."""
    x = (np.arange(SRGB_STEPS) + 0.5) / SRGB_STEPS
    y = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.clip(np.rint(y * 255), 0, 255).astype(np.uint8)


@inner
def _byte(x, table):
    # A shoulder above 0.7 so that highlights do not clip at once.
    if x > 0.7:
        x = 0.7 + 0.3 * (1.0 - math.exp((0.7 - x) / 0.3))
    return table[min(max(int(x * SRGB_STEPS), 0), SRGB_STEPS - 1)]


@inner
def _sky(light, noise, x, y, z):
    up = max(z, 0.0)
    w = 1.0 - math.exp(-3.5 * up)
    r = light[HORIZON] + (light[ZENITH] - light[HORIZON]) * w
    g = light[HORIZON + 1] + (light[ZENITH + 1] - light[HORIZON + 1]) * w
    b = light[HORIZON + 2] + (light[ZENITH + 2] - light[HORIZON + 2]) * w
    if light[CLOUDS] > 0.0 and z > 0.0:
        s = 1.0 / (z + 0.08)
        n = noise2(noise, x * s, y * s, 1.5, 0.01 * s * s) + 0.25
        cover = min(max((n + light[CLOUDS] * 1.6 - 1.0) * 1.8, 0.0), 1.0) * min(z * 8.0, 1.0)
        white = 0.55 * (light[SUN_COLOR] + 2.0 * light[SKY]) * (0.8 - 0.25 * n)
        r += (white - r) * cover
        g += (white - g) * cover
        b += (white * 1.02 - b) * cover
    glow = max(x * light[SUN] + y * light[SUN + 1] + z * light[SUN + 2], 0.0)
    glow = 0.35 * glow**24 * (1.0 - 0.7 * light[CLOUDS])
    return r + glow * light[SUN_COLOR], g + glow * light[SUN_COLOR + 1], b + glow * light[SUN_COLOR + 2]


@inner
def _lit(shadow, frame, x, y, z):
    """Share of direct light that reaches a point: bilinear over a depth map seen from the light (see shadows.py)."""
    n = shadow.shape[0]
    s = frame[12]
    a = (frame[0] * x + frame[1] * y + frame[2] * z - frame[9]) * s - 0.5
    b = (frame[3] * x + frame[4] * y + frame[5] * z - frame[10]) * s - 0.5
    d = frame[6] * x + frame[7] * y + frame[8] * z
    if not (1.0 <= a < n - 2.0 and 1.0 <= b < n - 2.0):
        return 1.0
    ia, ib = int(a), int(b)
    fa, fb = a - ia, b - ib
    total = 0.0
    for j in range(-1, 3):  # a 3x3 tent-edged box over four bilinear taps
        wb = 1.0 - fb if j == -1 else (fb if j == 2 else 1.0)
        for i in range(-1, 3):
            wa = 1.0 - fa if i == -1 else (fa if i == 2 else 1.0)
            if shadow[ib + j, ia + i] <= d + frame[13]:
                total += wa * wb
    return total / 9.0


@kernel(parallel=True)
def shade(
    rays,
    ids,
    kind,
    half,
    rotation,
    material,
    tint,
    materials,
    frames,
    origin,
    camera,
    light,
    lamps,
    shadow,
    shadow_frame,
    noise,
    srgb,
    pixel,
    want_normals,
    raw_albedo,
):
    """-> rgb (H, W, 3) uint8, depth (H, W) float32 z metres, normals (H, W, 3) float32 in the camera frame.

    rays (H, W, 2); ids (H, W) from `first_hits`; camera (3, 3) world_from_camera; pixel: radians a pixel covers.
    With raw_albedo the colour is the surface's own, unlit (what a lidar's intensity depends on).
    """
    height, width = ids.shape
    rgb = np.empty((height, width, 3), dtype=np.uint8)
    depth = np.empty((height, width), dtype=np.float32)
    normals = np.empty((height if want_normals else 1, width if want_normals else 1, 3), dtype=np.float32)
    for v in prange(height):
        for u in range(width):
            p = ids[v, u]
            rx, ry = float(rays[v, u, 0]), float(rays[v, u, 1])
            wx = camera[0, 0] * rx + camera[0, 1] * ry + camera[0, 2]
            wy = camera[1, 0] * rx + camera[1, 1] * ry + camera[1, 2]
            wz = camera[2, 0] * rx + camera[2, 1] * ry + camera[2, 2]
            norm = 1.0 / math.sqrt(wx * wx + wy * wy + wz * wz)
            if p < 0:
                if p == -1:
                    r, g, b = _sky(light, noise, wx * norm, wy * norm, wz * norm)
                    e = light[EXPOSURE]
                    rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = (
                        _byte(r * e, srgb),
                        _byte(g * e, srgb),
                        _byte(b * e, srgb),
                    )
                    depth[v, u] = math.inf
                else:
                    rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = 0, 0, 0
                    depth[v, u] = math.nan
                if want_normals:
                    normals[v, u, 0] = normals[v, u, 1] = normals[v, u, 2] = math.nan
                continue
            h, f = half[p], frames[p]
            t, lx, ly, lz, axis = exact_hit(kind[p], f, h, rx, ry)
            nx, ny, nz = 0.0, 0.0, 0.0
            if kind[p] == BOX:
                if axis == 0:
                    nx = 1.0 if lx > 0 else -1.0
                    tu, tv, tw, th = ly + h[1], lz + h[2], 2 * h[1], 2 * h[2]
                elif axis == 1:
                    ny = 1.0 if ly > 0 else -1.0
                    tu, tv, tw, th = lx + h[0], lz + h[2], 2 * h[0], 2 * h[2]
                else:
                    nz = 1.0 if lz > 0 else -1.0
                    tu, tv, tw, th = lx + h[0], ly + h[1], 2 * h[0], 2 * h[1]
            elif kind[p] == CYLINDER:
                tw, th = 6.2831853 * h[0], 2 * h[2]
                if axis == 2:
                    nz = 1.0 if lz > 0 else -1.0
                    tu, tv, tw, th = lx + h[0], ly + h[0], 2 * h[0], 2 * h[0]
                else:
                    s = 1.0 / math.sqrt(lx * lx + ly * ly + 1e-30)
                    nx, ny = lx * s, ly * s
                    tu, tv = (math.atan2(ly, lx) + 3.1415927) * h[0], lz + h[2]
            else:
                nx, ny, nz = lx / (h[0] * h[0]), ly / (h[1] * h[1]), lz / (h[2] * h[2])
                s = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
                nx, ny, nz = nx * s, ny * s, nz * s
                tw, th = 6.2831853 * h[0], 2 * h[2]
                tu, tv = (math.atan2(ly / h[1], lx / h[0]) + 3.1415927) * h[0], lz + h[2]
            depth[v, u] = t
            if want_normals:
                for k in range(3):
                    normals[v, u, k] = f[k] * nx + f[3 + k] * ny + f[6 + k] * nz
            gx = rotation[p, 0, 0] * nx + rotation[p, 0, 1] * ny + rotation[p, 0, 2] * nz
            gy = rotation[p, 1, 0] * nx + rotation[p, 1, 1] * ny + rotation[p, 1, 2] * nz
            gz = rotation[p, 2, 0] * nx + rotation[p, 2, 1] * ny + rotation[p, 2, 2] * nz
            x, y, z = origin[0] + t * wx, origin[1] + t * wy, origin[2] + t * wz
            facing = max(-(gx * wx + gy * wy + gz * wz) * norm, 0.02)
            m = materials[material[p]]
            distance = t / norm
            footprint = distance * pixel / facing**0.7
            r, g, b, shine = albedo(m, noise, tu, tv, tw, th, axis, tint[p], footprint)
            if raw_albedo:
                rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = _byte(r, srgb), _byte(g, srgb), _byte(b, srgb)
                continue
            sun = gx * light[SUN] + gy * light[SUN + 1] + gz * light[SUN + 2]
            if sun > 0.0:
                lift = 1.5 / shadow_frame[12]
                sun *= _lit(shadow, shadow_frame, x + gx * lift, y + gy * lift, z + gz * lift)
            else:
                sun = 0.0
            # Hemisphere ambient, darker near the floor and, indoors, under the ceiling: a cheap stand-in for occlusion.
            up = 0.5 + 0.5 * gz
            near_floor = 1.0 - 0.45 * (1.0 - abs(gz)) * math.exp(-max(z, 0.0) / 0.18)
            if light[CEILING] < 1e5:
                near_floor *= 1.0 - 0.25 * (1.0 - abs(gz)) * math.exp(-max(light[CEILING] - z, 0.0) / 0.25)
            er = (light[GROUND] + (light[SKY] - light[GROUND]) * up) * near_floor + sun * light[SUN_COLOR]
            eg = (light[GROUND + 1] + (light[SKY + 1] - light[GROUND + 1]) * up) * near_floor + sun * light[
                SUN_COLOR + 1
            ]
            eb = (light[GROUND + 2] + (light[SKY + 2] - light[GROUND + 2]) * up) * near_floor + sun * light[
                SUN_COLOR + 2
            ]
            for k in range(lamps.shape[0]):
                ax, ay, az = lamps[k, 0] - x, lamps[k, 1] - y, lamps[k, 2] - z
                d2 = ax * ax + ay * ay + az * az + 1e-6
                c = (gx * ax + gy * ay + gz * az) / math.sqrt(d2)
                if c > -0.3:  # a lamp with a shade is large: light wraps around
                    c = (c + 0.3) / 1.3 * near_floor / (1.0 + d2 / (lamps[k, 6] * lamps[k, 6]))
                    er += c * lamps[k, 3]
                    eg += c * lamps[k, 4]
                    eb += c * lamps[k, 5]
            r, g, b = r * (er + m[EMISSION]), g * (eg + m[EMISSION]), b * (eb + m[EMISSION])
            if m[GLOSS] > 0.0:
                # Mirror direction: sky or ceiling above, ground below, by Schlick's Fresnel term.
                k = 2.0 * (gx * wx + gy * wy + gz * wz) * norm
                mx, my, mz = wx * norm - k * gx, wy * norm - k * gy, wz * norm - k * gz
                fresnel = m[GLOSS] * shine * (0.06 + 0.94 * (1.0 - facing) ** 5)
                w = min(max(0.5 + 2.5 * mz, 0.0), 1.0)
                spot = max(mx * light[SUN] + my * light[SUN + 1] + mz * light[SUN + 2], 0.0)
                spot = 2.0 * spot**40 * (1.0 if sun > 0.0 else 0.0)
                fresnel = min(fresnel, 0.9)
                r += fresnel * (
                    light[GROUND] * 0.4 + (light[HORIZON] - light[GROUND] * 0.4) * w + spot * light[SUN_COLOR] - r
                )
                g += fresnel * (
                    light[GROUND + 1] * 0.4
                    + (light[HORIZON + 1] - light[GROUND + 1] * 0.4) * w
                    + spot * light[SUN_COLOR + 1]
                    - g
                )
                b += fresnel * (
                    light[GROUND + 2] * 0.4
                    + (light[HORIZON + 2] - light[GROUND + 2] * 0.4) * w
                    + spot * light[SUN_COLOR + 2]
                    - b
                )
            haze = 1.0 - math.exp(-light[HAZE] * distance)
            e = light[EXPOSURE]
            rgb[v, u, 0] = _byte((r + (light[HORIZON] - r) * haze) * e, srgb)
            rgb[v, u, 1] = _byte((g + (light[HORIZON + 1] - g) * haze) * e, srgb)
            rgb[v, u, 2] = _byte((b + (light[HORIZON + 2] - b) * haze) * e, srgb)
    return rgb, depth, normals
