# SPDX-License-Identifier: Apache-2.0
"""Light: the sun's shadow falls where it must, the sky, exposure, haze; sRGB."""

from __future__ import annotations

import math

import numpy as np
from small_worlds import builder, plain, renderer

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.pose import camera_pose
from mono_depth_ros.world.shading import SRGB_STEPS, srgb_table

CAMERA = Camera.from_fov((200, 200), 60.0)
GRID = rays(CAMERA).numpy()
DOWN = camera_pose(0.0, 0.0, 20.0, math.pi / 2, -math.pi / 2)  # image right is +x, image up is +y


def _pixel(x: float, y: float, z: float = 0.0) -> tuple[int, int]:
    """(row, column) of a world point in the view from above."""
    return round(CAMERA.cy - CAMERA.fy * y / (20.0 - z)), round(CAMERA.cx + CAMERA.fx * x / (20.0 - z))


def test_shadow_falls_away_from_the_sun():
    b = builder()
    m = plain(b)
    b.box(0, 0, -1, (200, 200, 1), m)
    b.box(0, 0, 0, (1, 1, 3), m)
    elevation = math.radians(45)
    rgb, _, _ = renderer(b, sun=np.array([math.cos(elevation), 0.0, math.sin(elevation)])).cast(GRID, DOWN, 0.005)
    # A box 3 m high under a sun at 45 degrees in +x shades x from -0.5 to -3.5.
    lit, shaded = rgb[_pixel(3, 0)].mean(), rgb[_pixel(-2, 0)].mean()
    assert shaded < 0.75 * lit
    assert rgb[_pixel(-3.2, 0)].mean() < 0.75 * lit and rgb[_pixel(-4.0, 0)].mean() > 0.95 * lit
    assert rgb[_pixel(-2, 0.4)].mean() < 0.75 * lit and rgb[_pixel(-2, 0.9)].mean() > 0.95 * lit


def test_flat_ground_does_not_shade_itself():
    b = builder()
    b.box(0, 0, -1, (200, 200, 1), plain(b))
    low_sun = np.array([math.cos(0.15), 0.0, math.sin(0.15)])
    rgb, _, _ = renderer(b, sun=low_sun).cast(GRID, DOWN, 0.005)
    assert np.ptp(rgb.astype(int)) <= 1


def test_brightness_is_albedo_times_light():
    b = builder()
    b.box(0, 0, -1, (200, 200, 1), plain(b, 0.5))
    rgb, _, _ = renderer(b).cast(GRID, DOWN, 0.005)
    # sRGB 0.5 is linear 0.214; irradiance is sky 0.2 + sun 0.5; the product back to sRGB.
    linear = 0.21404 * 0.7
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert abs(int(rgb[100, 100, 0]) - expected) <= 1
    brighter, _, _ = renderer(b, exposure=2.0).cast(GRID, DOWN, 0.005)
    assert brighter[100, 100, 0] > rgb[100, 100, 0]


def test_haze_pulls_far_things_towards_the_horizon():
    b = builder()
    b.box(300, 0, -100, (1, 900, 300), plain(b, 0.1))
    look = camera_pose(0.0, 0.0, 1.0, 0.0)
    clear, _, _ = renderer(b).cast(GRID, look, 0.005)
    hazy, _, _ = renderer(b, haze=1 / 100).cast(GRID, look, 0.005)
    assert hazy[100, 100].mean() > clear[100, 100].mean() + 50


def test_sky_goes_from_horizon_to_zenith_and_clouds_change_it():
    b = builder()
    b.box(0, 0, -1, (2, 2, 1), plain(b))
    up = camera_pose(0.0, 0.0, 1.0, 0.0, math.radians(30))
    clear, depth, _ = renderer(b).cast(GRID, up, 0.005)
    assert np.isinf(depth[:100]).all()
    column = clear[:140, 20].mean(axis=1)
    assert column[0] < column[-1], "the zenith is darker"
    cloudy, _, _ = renderer(b, clouds=0.9).cast(GRID, up, 0.005)
    assert np.abs(cloudy.astype(int) - clear).max() > 20


def test_raw_albedo_does_not_see_the_light():
    b = builder()
    b.box(0, 0, -1, (200, 200, 1), b.material(tx.PLAIN, (0.8, 0.4, 0.2), noise=0.0))
    rgb, _, _ = renderer(b, sun_color=np.zeros(3)).cast(GRID, DOWN, 0.005, raw_albedo=True)
    assert np.abs(rgb[50, 50].astype(float) - [204, 102, 51]).max() <= 1.5


def test_srgb_table_is_the_standard_curve():
    table = srgb_table()
    assert table[0] == 2 or table[0] == 0  # half a step above black
    assert table[-1] == 255 and (np.diff(table.astype(int)) >= 0).all()
    assert abs(int(table[int(0.21404 * SRGB_STEPS)]) - 127.5) < 1
