# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.gravity import up_from_pitch_roll
from mono_depth_ros.alignment.ground import find_ground, ground_samples
from mono_depth_ros.datasets.samples import kitti_depth
from mono_depth_ros.errors import CameraError, DataError, FitError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world.world import KINDS, World

CAMERA = Camera.from_fov((320, 240), 70.0)
FISHEYE = Camera(320, 240, 130.0, 130.0, 160.0, 120.0, "equidistant", (0.01, 0.0, 0.0, 0.0))
HEIGHT = 0.8  # m
UP = up_from_pitch_roll(12.0, 3.0)
FRONT, SIDE = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])


def scene(*planes: tuple[np.ndarray, float], camera: Camera = CAMERA) -> np.ndarray:
    """Depth (H, W) of the nearest of planes n . p = offset, +inf where there is none."""
    grid = rays(camera).numpy().astype(np.float64)
    ray = np.concatenate([grid, np.ones((*grid.shape[:2], 1))], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        depths = [np.where(ray @ normal * offset > 0, offset / (ray @ normal), np.inf) for normal, offset in planes]
    return np.where(np.isfinite(grid[..., 0]), np.min(depths, axis=0), np.nan).astype(np.float32)


FLOOR, CEILING = (UP, -HEIGHT), (UP, 2.0)
WALL, LEFT = (FRONT - (FRONT @ UP) * UP, 4.0), (SIDE - (SIDE @ UP) * UP, -2.0)
ROOM = scene(FLOOR, CEILING, WALL, LEFT)


def metric(depth: np.ndarray, factor: float = 1.0) -> DepthPrediction:
    """A metric prediction that has to be multiplied by `factor`."""
    return DepthPrediction(torch.from_numpy((depth / factor).astype(np.float32)), DepthKind.METRIC)


def relative(depth: np.ndarray, scale: float = 2.0, shift: float = 0.3) -> DepthPrediction:
    """A prediction x with 1/depth = shift + scale * x."""
    values = (1.0 / depth - shift) / scale
    return DepthPrediction(torch.from_numpy(values.astype(np.float32)), DepthKind.INVERSE_AFFINE)


def affine(depth: np.ndarray, scale: float = 2.0, shift: float = -0.3) -> DepthPrediction:
    """A prediction p with depth = shift + scale * p."""
    return DepthPrediction(torch.from_numpy(((depth - shift) / scale).astype(np.float32)), DepthKind.AFFINE)


def factor_of(prediction: DepthPrediction, camera: Camera, height: float, up: np.ndarray | None = None) -> float:
    samples = ground_samples(prediction, camera, height, up)
    return float(np.median(samples.depth / prediction.values.numpy()[samples.rows, samples.columns]))


def affine_of(prediction: DepthPrediction, height: float, up: np.ndarray) -> tuple[float, float]:
    samples = ground_samples(prediction, CAMERA, height, up)
    seen = prediction.values.numpy()[samples.rows, samples.columns]
    scale, shift = np.polyfit(seen.astype(np.float64), 1.0 / samples.depth, 1)
    return float(scale), float(shift)


@pytest.mark.parametrize("factor", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("up", [None, UP])
def test_the_height_of_the_camera_gives_the_factor(factor: float, up: np.ndarray | None):
    assert factor_of(metric(ROOM, factor), CAMERA, HEIGHT, up) == pytest.approx(factor, rel=0.005)


def test_the_pitch_comes_from_the_floor_itself():
    ground = find_ground(metric(ROOM), CAMERA, HEIGHT)
    assert float(ground.up @ UP) > np.cos(np.radians(0.3))
    true = ROOM[ground.samples.rows, ground.samples.columns]
    assert np.median(np.abs(ground.samples.depth / true - 1)) < 0.01


def test_an_up_that_is_a_degree_off_is_put_right_by_the_floor():
    ground = find_ground(metric(ROOM), CAMERA, HEIGHT, up_from_pitch_roll(13.0, 3.0))
    assert float(ground.up @ UP) > np.cos(np.radians(0.3))


def test_a_fisheye_sees_the_floor_too():
    depth = scene(FLOOR, CEILING, WALL, LEFT, camera=FISHEYE)
    assert factor_of(metric(depth, 2.0), FISHEYE, HEIGHT) == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("up", [None, UP])
def test_the_floor_is_below_a_larger_table(up: np.ndarray | None):
    table = scene((UP, -0.45), WALL)
    rows, columns = np.mgrid[0:240, 0:320]
    depth = np.where((rows > 110) & (columns > 60), np.minimum(table, ROOM), ROOM)
    on_table = depth < ROOM * 0.9
    assert on_table.mean() > 2 * (np.isclose(depth, scene(FLOOR), rtol=1e-3)).mean()
    assert factor_of(metric(depth, 1.7), CAMERA, HEIGHT, up) == pytest.approx(1.7, rel=0.01)
    scale, shift = affine_of(relative(depth), HEIGHT, UP)
    assert (scale, shift) == (pytest.approx(2.0, rel=0.02), pytest.approx(0.3, abs=0.02))


def test_a_relative_prediction_gets_scale_and_shift_by_a_known_pitch():
    scale, shift = affine_of(relative(ROOM, 0.4, -0.2), HEIGHT, UP)
    assert scale == pytest.approx(0.4, rel=0.01)
    assert shift == pytest.approx(-0.2, abs=0.005)


@pytest.mark.parametrize(("scale", "shift"), [(0.4, -2.0), (5.0, 1.5)])
def test_depth_with_a_shift_gets_scale_and_shift_by_a_known_pitch(scale: float, shift: float):
    prediction = affine(ROOM, scale, shift)
    samples = ground_samples(prediction, CAMERA, HEIGHT, UP)
    seen = prediction.values.numpy()[samples.rows, samples.columns]
    assert np.polyfit(seen.astype(np.float64), samples.depth, 1) == pytest.approx((scale, shift), rel=0.02)
    with pytest.raises(FitError, match="cannot be told from the pitch"):
        ground_samples(prediction, CAMERA, HEIGHT)


def test_depth_up_to_one_scale_shows_the_pitch_itself():
    prediction = DepthPrediction(metric(ROOM, 7.0).values, DepthKind.SCALE)
    assert factor_of(prediction, CAMERA, HEIGHT) == pytest.approx(7.0, rel=0.005)


def test_a_relative_prediction_without_the_pitch_is_refused():
    with pytest.raises(FitError, match="cannot be told from the pitch") as refused:
        ground_samples(relative(ROOM), CAMERA, HEIGHT)
    assert refused.value.reason == "pitch_unknown"


NO_FLOOR = {
    "wall": scene(WALL),
    "corner": scene(WALL, LEFT),
    "ceiling": scene(CEILING, WALL),
    "unknown": np.full((240, 320), np.nan, np.float32),
    "sky": np.full((240, 320), np.inf, np.float32),
    "noise": np.random.default_rng(0).uniform(1.0, 5.0, (240, 320)).astype(np.float32),
    "a ball before a wall": np.where(np.hypot(*(np.mgrid[0:240, 0:320] - 140.0)) < 60, 1.0, scene(WALL)),
}


@pytest.mark.parametrize("name", NO_FLOOR)
@pytest.mark.parametrize("up", [None, UP])
def test_without_a_floor_it_is_refused_with_the_reason(name: str, up: np.ndarray | None):
    with pytest.raises(FitError, match=r"expected|no plane|floor") as refused:
        ground_samples(metric(NO_FLOOR[name]), CAMERA, HEIGHT, up)
    assert refused.value.reason == "no_floor"
    for shifted in (relative, affine):
        with pytest.raises(FitError) as refused:
            ground_samples(shifted(NO_FLOOR[name]), CAMERA, HEIGHT, UP)
        assert refused.value.reason == "no_floor"


def test_a_floor_far_from_the_level_that_is_known_is_none():
    with pytest.raises(FitError) as refused:
        ground_samples(metric(scene(FLOOR)), CAMERA, HEIGHT, up_from_pitch_roll(45.0))
    assert refused.value.reason == "no_floor"


def test_what_is_unknown_or_infinite_is_left_out():
    rng = np.random.default_rng(1)
    depth = ROOM.copy()
    depth[rng.random(depth.shape) < 0.6] = np.nan
    depth[rng.random(depth.shape) < 0.3] = np.inf
    depth[rng.random(depth.shape) < 0.1] = 0.0
    samples = ground_samples(metric(depth, 2.0), CAMERA, HEIGHT)
    assert np.isfinite(depth[samples.rows, samples.columns]).all()
    assert (samples.depth > 0).all() and np.isfinite(samples.depth).all()
    assert factor_of(metric(depth, 2.0), CAMERA, HEIGHT) == pytest.approx(2.0, rel=0.01)


def test_the_same_seed_gives_the_same_samples():
    one, two, other = (ground_samples(metric(ROOM), CAMERA, HEIGHT, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one.pixels, two.pixels) and np.array_equal(one.depth, two.depth)
    assert not np.array_equal(one.pixels, other.pixels)


def test_bad_input():
    for height in (0.0, -1.0, np.nan):
        with pytest.raises(DataError, match="expected more than 0"):
            ground_samples(metric(ROOM), CAMERA, height)
    with pytest.raises(DataError, match="not all 0"):
        ground_samples(metric(ROOM), CAMERA, HEIGHT, (0, 0, 0))
    with pytest.raises(CameraError, match="expected the same size"):
        ground_samples(metric(ROOM), CAMERA.resized(160, 120), HEIGHT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_worlds(kind: str):
    """A view of each world: the factor by the floor, the pitch unknown, and scale and shift, the pitch known."""
    world = World.generate(kind, 7)
    pose = world.random_pose(np.random.default_rng(7))
    depth = world.render(CAMERA, pose).depth
    assert factor_of(metric(depth, 0.6), CAMERA, pose[2, 3]) == pytest.approx(0.6, rel=0.03)
    scale, _ = affine_of(relative(depth), pose[2, 3], pose[2, :3])
    assert scale == pytest.approx(2.0, rel=0.03)
    samples = ground_samples(affine(depth), CAMERA, pose[2, 3], pose[2, :3])
    assert np.median(np.abs(samples.depth / depth[samples.rows, samples.columns] - 1)) < 0.03


def test_kitti(real_data):
    for frame in kitti_depth(real_data / "kitti_depth"):
        assert factor_of(metric(frame.truth, 1.4), frame.camera, 1.65) == pytest.approx(1.4, rel=0.05)
