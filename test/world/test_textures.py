# SPDX-License-Identifier: Apache-2.0
"""Textures have the sizes they claim, and fade to their mean instead of aliasing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_worlds import builder, renderer

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.world import noise
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.pose import camera_pose

CAMERA = Camera.from_fov((400, 400), 60.0)
GRID = rays(CAMERA).numpy()


def _floor(pattern: int, params: tuple[float, ...], height: float, **options: float) -> np.ndarray:
    """(400, 400) brightness of a floor seen from straight above."""
    b = builder()
    m = b.material(pattern, (0.9, 0.9, 0.9), (0.1, 0.1, 0.1), params, noise=0.0, **options)
    b.box(0, 0, -1, (4000, 4000, 1), m)
    down = camera_pose(0.0, 0.0, height, math.pi / 2, -math.pi / 2)
    rgb, _, _ = renderer(b).cast(GRID, down, 1 / CAMERA.fx, raw_albedo=True)
    return rgb.mean(axis=-1)


def _period(profile: np.ndarray, metres_per_pixel: float) -> float:
    """Distance between dark lines in metres."""
    dark = profile < 0.5 * (profile.max() + profile.min())
    starts = np.flatnonzero(dark[1:] & ~dark[:-1])
    return float(np.diff(starts).mean()) * metres_per_pixel


@pytest.mark.parametrize("size", [0.3, 0.6])
def test_tiles_are_as_large_as_said(size):
    image = _floor(tx.TILES, (size, size, 0.02, 0.0), 3.0)
    scale = 3.0 / CAMERA.fx
    assert _period(np.median(image, axis=0), scale) == pytest.approx(size, rel=0.02)
    assert _period(np.median(image, axis=1), scale) == pytest.approx(size, rel=0.02)


def test_planks_bricks_and_stripes_are_as_large_as_said():
    scale = 2.0 / CAMERA.fx
    assert _period(np.median(_floor(tx.PLANKS, (0.15, 1.8, 0.01, 0.0), 2.0), axis=1), scale) == pytest.approx(
        0.15, rel=0.02
    )
    assert _period(np.median(_floor(tx.BRICKS, (0.22, 0.075, 0.01, 0.0), 2.0), axis=1), scale) == pytest.approx(
        0.075, rel=0.03
    )
    assert _period(_floor(tx.STRIPES, (0.2, 0.1), 2.0)[200], scale) == pytest.approx(0.2, rel=0.03)


def test_far_tiles_become_their_mean():
    image = _floor(tx.TILES, (0.3, 0.3, 0.03, 0.0), 1000.0)
    assert np.ptp(image) < 5
    # 19 % of the area is grout; linear 0.787 and 0.010.
    linear = 0.81 * 0.7874 + 0.19 * 0.0100
    assert image.mean() == pytest.approx(255 * (1.055 * linear ** (1 / 2.4) - 0.055), abs=4)


def test_noise_has_no_detail_smaller_than_the_footprint():
    fine = [noise.noise2(noise.TABLE, x * 0.01, 0.0, 0.5, 0.001) for x in range(200)]
    wide = [noise.noise2(noise.TABLE, x * 0.01, 0.0, 0.5, 0.3) for x in range(200)]
    assert np.abs(np.diff(wide)).max() < 0.5 * np.abs(np.diff(fine)).max()
    assert noise.noise2(noise.TABLE, 1.0, 2.0, 0.01, 5.0) == 0.0
    assert np.abs(noise.TABLE.mean(axis=(1, 2))).max() < 0.02 and np.abs(noise.TABLE[0]).max() <= 1.3


@pytest.mark.parametrize("footprint", [0.01, 0.07, 0.4, 3.0])
def test_pulse_is_the_mean_over_the_footprint(footprint):
    fine = (np.arange(20001) / 20000 - 0.5) * footprint
    for x in (0.0, 0.13, 0.31, -2.37):
        expected = (((x + fine) % 0.25) < 0.1).mean()
        assert noise.pulse(x, 0.25, 0.1, footprint) == pytest.approx(expected, abs=2e-3)
        inside = ((x + fine >= -0.1) & (x + fine <= 0.2)).mean()
        assert noise.span(x, -0.1, 0.2, footprint) == pytest.approx(inside, abs=2e-3)


def test_hash_is_uniform_and_differs_by_salt():
    values = np.array([noise.hash2(i, j, 5) for i in range(-30, 30) for j in range(-30, 30)])
    assert values.min() >= 0 and values.max() < 1
    assert np.abs(np.histogram(values, 10, (0, 1))[0] - 360).max() < 80
    assert noise.hash2(3, 4, 5) != noise.hash2(3, 4, 6)
