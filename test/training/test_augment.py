# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.training.augment import augment, change_colour, random_window, ray_axes


def test_depth_and_rays_stay_on_the_planted_plane() -> None:
    # 1 / z = 0.4 + 0.1 x + 0.2 y in ray coordinates is a plane; crops, resizes and mirrors must keep it, mirrored in x
    camera = Camera.from_fov((256, 192), 80.0)
    x, y = ray_axes(camera)
    depth = 1.0 / (0.4 + 0.1 * x[None, :] + 0.2 * y[:, None])
    rgb = np.zeros((192, 256, 3), np.uint8)
    signs = set()
    for seed in range(20):
        _, out, ray_x, ray_y = augment(rgb, depth, camera, (192, 128), np.random.default_rng(seed))
        assert out.shape == (128, 192)
        assert ray_x.shape == (192,)
        assert (np.diff(ray_x) > 0).all()
        errors = {
            sign: np.abs(1 / out - (0.4 + sign * 0.1 * ray_x[None, :] + 0.2 * ray_y[:, None])).max() for sign in (1, -1)
        }
        sign = min(errors, key=lambda key: errors[key])
        signs.add(sign)
        assert errors[sign] < 0.002  # nearest resize: half a source pixel
    assert signs == {1, -1}


def test_window_is_inside_and_has_the_aspect() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        x, y, w, h = random_window(256, 192, (288, 160), rng)
        assert x >= 0
        assert y >= 0
        assert x + w <= 256
        assert y + h <= 192
        assert w / h == pytest.approx(1.8, rel=0.08)


def test_colour_changes_are_seeded_and_keep_the_type() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    first, again, other = (change_colour(rgb, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.dtype == np.uint8
    assert first.shape == rgb.shape
    assert (first == again).all()
    assert (first != other).any()
