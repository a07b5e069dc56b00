# SPDX-License-Identifier: Apache-2.0
# mypy: allow-untyped-defs
"""Colour, exact depth and normal of every pixel, given the solid that `raycast.first_hits` found there."""

from __future__ import annotations

import math

import numpy as np

from mono_depth_ros.world.kernels import inner, kernel, prange
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


@inner
def _surface(kind, h, lx, ly, lz, axis):
    """Local normal (3), place on the face u, v from its lower corner, and the face's size, at a local hit point."""
    if kind == BOX:
        if axis == 0:
            return _sign(lx), 0.0, 0.0, ly + h[1], lz + h[2], 2 * h[1], 2 * h[2]
        if axis == 1:
            return 0.0, _sign(ly), 0.0, lx + h[0], lz + h[2], 2 * h[0], 2 * h[2]
        return 0.0, 0.0, _sign(lz), lx + h[0], ly + h[1], 2 * h[0], 2 * h[1]
    if kind == CYLINDER:
        if axis == 2:
            return 0.0, 0.0, _sign(lz), lx + h[0], ly + h[0], 2 * h[0], 2 * h[0]
        s = 1.0 / math.sqrt(lx * lx + ly * ly + 1e-30)
        around = (math.atan2(ly, lx) + math.pi) * h[0]
        return lx * s, ly * s, 0.0, around, lz + h[2], 2 * math.pi * h[0], 2 * h[2]
    nx, ny, nz = lx / (h[0] * h[0]), ly / (h[1] * h[1]), lz / (h[2] * h[2])
    s = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    around = (math.atan2(ly / h[1], lx / h[0]) + math.pi) * h[0]
    return nx * s, ny * s, nz * s, around, lz + h[2], 2 * math.pi * h[0], 2 * h[2]


@inner
def _sign(x):
    return 1.0 if x > 0 else -1.0


@inner
def _irradiance(light, lamps, shadow, shadow_frame, x, y, z, gx, gy, gz):
    """Light (3) that falls on a point with a world normal, and the share of it that is sun."""
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
    r = (light[GROUND] + (light[SKY] - light[GROUND]) * up) * near_floor + sun * light[SUN_COLOR]
    g = (light[GROUND + 1] + (light[SKY + 1] - light[GROUND + 1]) * up) * near_floor + sun * light[SUN_COLOR + 1]
    b = (light[GROUND + 2] + (light[SKY + 2] - light[GROUND + 2]) * up) * near_floor + sun * light[SUN_COLOR + 2]
    for k in range(lamps.shape[0]):
        ax, ay, az = lamps[k, 0] - x, lamps[k, 1] - y, lamps[k, 2] - z
        d2 = ax * ax + ay * ay + az * az + 1e-6
        c = (gx * ax + gy * ay + gz * az) / math.sqrt(d2)
        if c > -0.3:  # a lamp with a shade is large: its light wraps around
            c = (c + 0.3) / 1.3 * near_floor / (1.0 + d2 / (lamps[k, 6] * lamps[k, 6]))
            r += c * lamps[k, 3]
            g += c * lamps[k, 4]
            b += c * lamps[k, 5]
    return r, g, b, sun


@inner
def _mirrored(light, wx, wy, wz, gx, gy, gz, lit):
    """What a polished surface mirrors (3): sky or ceiling above, ground below, and the sun's spot. w: unit view ray."""
    k = 2.0 * (gx * wx + gy * wy + gz * wz)
    mx, my, mz = wx - k * gx, wy - k * gy, wz - k * gz
    up = min(max(0.5 + 2.5 * mz, 0.0), 1.0)
    spot = max(mx * light[SUN] + my * light[SUN + 1] + mz * light[SUN + 2], 0.0)
    spot = 2.0 * spot**40 if lit else 0.0
    r, g, b = 0.4 * light[GROUND], 0.4 * light[GROUND + 1], 0.4 * light[GROUND + 2]
    return (
        r + (light[HORIZON] - r) * up + spot * light[SUN_COLOR],
        g + (light[HORIZON + 1] - g) * up + spot * light[SUN_COLOR + 1],
        b + (light[HORIZON + 2] - b) * up + spot * light[SUN_COLOR + 2],
    )


@inner
def _shade_one(
    rx, ry, kind, f, h, q, m, tint, origin, camera, light, lamps, shadow, shadow_frame, noise, pixel, raw_albedo
):
    """One ray that hits one solid: z-depth, normal in the camera frame (3), linear colour (3).

    f: the solid's ray frame; h: its half sizes; q: its rotation (3, 3); m: its material row.
    """
    t, lx, ly, lz, axis = exact_hit(kind, f, h, rx, ry)
    nx, ny, nz, u, v, width, height = _surface(kind, h, lx, ly, lz, axis)
    cx, cy, cz = f[0] * nx + f[3] * ny + f[6] * nz, f[1] * nx + f[4] * ny + f[7] * nz, f[2] * nx + f[5] * ny + f[8] * nz
    stretch = math.sqrt(1.0 + rx * rx + ry * ry)
    facing = max(-(cx * rx + cy * ry + cz) / stretch, 0.02)
    distance = t * stretch
    r, g, b, shine = albedo(m, noise, u, v, width, height, axis, tint, distance * pixel / facing**0.7)
    if raw_albedo:
        return t, cx, cy, cz, r, g, b
    gx = q[0, 0] * nx + q[0, 1] * ny + q[0, 2] * nz
    gy = q[1, 0] * nx + q[1, 1] * ny + q[1, 2] * nz
    gz = q[2, 0] * nx + q[2, 1] * ny + q[2, 2] * nz
    wx, wy, wz = _to_world(camera, rx, ry)
    x, y, z = origin[0] + t * wx, origin[1] + t * wy, origin[2] + t * wz
    er, eg, eb, sun = _irradiance(light, lamps, shadow, shadow_frame, x, y, z, gx, gy, gz)
    r, g, b = r * (er + m[EMISSION]), g * (eg + m[EMISSION]), b * (eb + m[EMISSION])
    if m[GLOSS] > 0.0:
        s = 1.0 / stretch
        mr, mg, mb = _mirrored(light, wx * s, wy * s, wz * s, gx, gy, gz, sun > 0.0)
        k = min(m[GLOSS] * shine * (0.06 + 0.94 * (1.0 - facing) ** 5), 0.9)  # Schlick 1994, eq. 15
        r, g, b = r + (mr - r) * k, g + (mg - g) * k, b + (mb - b) * k
    haze = 1.0 - math.exp(-light[HAZE] * distance)
    r, g, b = (
        r + (light[HORIZON] - r) * haze,
        g + (light[HORIZON + 1] - g) * haze,
        b + (light[HORIZON + 2] - b) * haze,
    )
    return t, cx, cy, cz, r * light[EXPOSURE], g * light[EXPOSURE], b * light[EXPOSURE]


@inner
def _to_world(camera, rx, ry):
    return (
        camera[0, 0] * rx + camera[0, 1] * ry + camera[0, 2],
        camera[1, 0] * rx + camera[1, 1] * ry + camera[1, 2],
        camera[2, 0] * rx + camera[2, 1] * ry + camera[2, 2],
    )


@kernel(parallel=True)
def shade(
    rays, ids, kind, half, rotation, material, tint, materials, frames, origin, camera, light, lamps, shadow,
    shadow_frame, noise, srgb, pixel, want_normals, raw_albedo,
):  # fmt: skip
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
            nx = ny = nz = math.nan
            if p >= 0:
                t, nx, ny, nz, r, g, b = _shade_one(
                    rx, ry, kind[p], frames[p], half[p], rotation[p], materials[material[p]], tint[p], origin, camera,
                    light, lamps, shadow, shadow_frame, noise, pixel, raw_albedo,
                )  # fmt: skip
            elif p == -1:
                wx, wy, wz = _to_world(camera, rx, ry)
                s = 1.0 / math.sqrt(wx * wx + wy * wy + wz * wz)
                r, g, b = _sky(light, noise, wx * s, wy * s, wz * s)
                t, e = math.inf, light[EXPOSURE]
                r, g, b = r * e, g * e, b * e
            else:
                t, r, g, b = math.nan, -1.0, -1.0, -1.0
            depth[v, u] = t
            rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = _byte(r, srgb), _byte(g, srgb), _byte(b, srgb)
            if want_normals:
                normals[v, u, 0], normals[v, u, 1], normals[v, u, 2] = nx, ny, nz
    return rgb, depth, normals
