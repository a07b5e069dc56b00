# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.samples import samples_from_depth
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.training.adapt.example import make_example
from mono_depth_ros.training.adapt.view import mirrored, random_view, rotation, view

CAMERA = Camera(160, 120, 140.0, 140.0, 82.0, 57.0)
STRAIGHT = np.eye(3)
NORMAL, OFFSET = np.array([0.1, -0.3, 1.0]), 2.0  # of a plane n . p = d


def plane(camera: Camera, turn: np.ndarray = STRAIGHT) -> np.ndarray:
    """(H, W) depth of the plane in a camera that is turned."""
    grid = rays(camera).numpy().astype(np.float64)
    directions = np.concatenate((grid, np.ones((*grid.shape[:2], 1))), axis=2)
    return (OFFSET / (directions @ (turn @ NORMAL))).astype(np.float32)


def example(camera: Camera = CAMERA, points: int = 0):
    rgb = np.random.default_rng(0).integers(0, 255, (camera.height, camera.width, 3), dtype=np.uint8)
    samples = samples_from_depth(plane(camera))
    if points:
        samples = samples.select(np.random.default_rng(1).choice(len(samples), points, replace=False))
    return make_example("a", "s", 0, 0.0, rgb, camera, samples)


@pytest.mark.parametrize("angles", [(0, 0, 0), (0, 0, 20), (8, -5, -12)])
@pytest.mark.parametrize("points", [0, 300])
def test_a_turned_cropped_camera_sees_the_plane_where_its_rays_meet_it(angles, points) -> None:
    turn = rotation(*angles)
    camera = CAMERA.cropped(20, 10, 120, 90).resized(96, 72)
    shown = view(example(points=points), camera, turn)
    found, true = (shown.sparse if points else shown.dense), plane(camera, turn)
    known = np.isfinite(found)
    assert known.sum() > (50 if points else 4000)
    assert np.abs(found / true - 1)[known].max() < 0.02  # nearest pixel
    assert np.isnan(shown.dense).all() == bool(points)
    # the rays are those of the view's own pixels
    assert shown.ray_x[10] == pytest.approx((10 - camera.cx) / camera.fx)


def test_a_depth_that_did_not_follow_the_turn_would_be_seen() -> None:
    turn = rotation(10, 0, 0)
    wrong = plane(CAMERA, np.eye(3)) / plane(CAMERA, turn)
    assert np.abs(wrong - 1).max() > 0.05


def test_mirroring_exchanges_left_and_right_of_image_depth_and_rays() -> None:
    shown = view(example(), CAMERA, np.eye(3))
    other = mirrored(shown)
    assert np.array_equal(other.rgb, shown.rgb[:, ::-1])
    assert np.array_equal(other.ray_x, -shown.ray_x[::-1])
    assert np.array_equal(other.dense, shown.dense[:, ::-1])
    assert other.ray_x[-1] == -shown.ray_x[0]


def test_a_distorted_lens_is_undone_in_image_and_depth() -> None:
    lens = replace(CAMERA, model="plumb_bob", distortion=(-0.3, 0.1, 0.0, 0.0))
    shown = view(example(lens), CAMERA, np.eye(3))
    known = np.isfinite(shown.dense)
    assert known.mean() > 0.8
    assert np.abs(shown.dense / plane(CAMERA) - 1)[known].max() < 0.02


def test_views_are_other_ones_and_the_same_for_the_same_seed() -> None:
    one, two, other = (random_view(example(), (96, 64), 6.0, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one.rgb.shape == (64, 96, 3)
    assert np.array_equal(one.rgb, two.rgb)
    assert not np.array_equal(one.rgb, other.rgb)


def test_a_large_image_is_averaged_down_with_its_camera() -> None:
    camera = Camera(1280, 960, 1000.0, 1000.0, 640.0, 480.0)
    rgb = np.zeros((960, 1280, 3), np.uint8)
    samples = samples_from_depth(np.where(np.indices((960, 1280))[0] == 480, 2.0, np.nan))
    found = make_example("a", "s", 0, 0.0, rgb, camera, samples)
    assert found.rgb.shape == (480, 640, 3)
    assert found.camera.fx == pytest.approx(500.0)
    assert np.nanmax(found.depth_map()) == 2.0
    assert torch.isfinite(torch.from_numpy(found.points)).all()


def test_samples_of_large_deviation_weigh_less() -> None:
    samples = samples_from_depth(np.where(np.arange(40) % 20 == 0, 2.0, np.full((4, 40), np.nan)))
    samples = replace(samples, sigma=np.where(samples.columns == 0, 0.001, 0.4).astype(np.float32))
    found = make_example("a", "s", 0, 0.0, np.zeros((4, 40, 3), np.uint8), Camera.from_fov((40, 4), 60), samples)
    weights = sorted(set(found.weight.round(3).tolist()))
    assert weights[0] < 0.1 and weights[-1] == 1.0
