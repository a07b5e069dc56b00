# SPDX-License-Identifier: Apache-2.0
"""Samples of a camera that moves before a textured plane, whose depth is known."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import MotionConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import rigid_from_pose
from mono_depth_ros.motion.window import MotionWindow

CAMERA = Camera(320, 240, 260.0, 260.0, 160.0, 120.0)
BENT = Camera(320, 240, 260.0, 260.0, 160.0, 120.0, "plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0))
NORMAL, DISTANCE = np.array([0.3, 0.1, 0.95]), 2.0  # the plane n . p = d in the world
TEXTURE = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (1200, 1600), dtype=np.uint8), (0, 0), 3)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)
PERIOD_NS = 100_000_000


def pose(x: float, turn: float = 0.0) -> np.ndarray:
    return rigid_from_pose([x, 0.2 * x, 0.0], [0.0, np.sin(turn / 2), 0.0, np.cos(turn / 2)])


def picture(world_from_camera: np.ndarray, camera: Camera = CAMERA) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) uint8 picture of the plane, and its depth in metres."""
    grid = rays(camera).numpy().astype(np.float64)
    way = np.concatenate((grid, np.ones((*grid.shape[:2], 1))), axis=-1) @ world_from_camera[:3, :3].T
    depth = (DISTANCE - NORMAL @ world_from_camera[:3, 3]) / (way @ NORMAL)
    points = way * depth[..., None] + world_from_camera[:3, 3]
    place = (points[..., :2] * 250 + (800, 600)).astype(np.float32)
    return cv2.remap(TEXTURE, place[..., 0], place[..., 1], cv2.INTER_LINEAR), depth


def update(window: MotionWindow, index: int, true, told=None, camera: Camera = CAMERA) -> Samples | SamplesError:
    """What the picture from the true pose gives, ten a second."""
    try:
        return window.update(picture(true, camera)[0], camera, true if told is None else told, index * PERIOD_NS)
    except SamplesError as error:
        return error


def drive(poses, camera: Camera = CAMERA) -> tuple[Samples | SamplesError, np.ndarray]:
    """What the last of the poses gives, and the true depth there."""
    window = MotionWindow(MotionConfig())
    found = [update(window, index, true, camera=camera) for index, true in enumerate(poses)]
    return found[-1], picture(poses[-1], camera)[1]


@pytest.mark.parametrize("camera", [CAMERA, BENT])
def test_corners_of_a_moving_camera_have_their_depth_and_deviation(camera) -> None:
    samples, depth = drive([pose(0.03 * i, 0.01 * i) for i in range(10)], camera)
    true = depth[samples.rows, samples.columns]
    error = np.abs(samples.depth - true)
    assert len(samples) > 50 and np.median(error / true) < 0.02
    assert np.mean(error < 2 * samples.sigma) > 0.8
    assert len(set(samples.group.tolist())) == len(samples)


@pytest.mark.parametrize("poses", [[pose(0.0)] * 5, [pose(0.0, 0.02 * i) for i in range(8)]])
def test_a_camera_that_stands_or_only_turns_gives_nothing(poses) -> None:
    found, _ = drive(poses)
    assert isinstance(found, SamplesError) and found.reason in ("motion_still", "motion_few")


def test_points_live_on_while_the_camera_stands() -> None:
    samples, depth = drive([pose(0.03 * min(i, 8)) for i in range(40)])
    assert len(samples) > 50
    assert np.median(np.abs(samples.depth / depth[samples.rows, samples.columns] - 1)) < 0.02


def test_poses_that_jump_are_told_and_the_window_begins_anew() -> None:
    window = MotionWindow(MotionConfig())
    jump = pose(0.7, 0.3)
    for i in range(11):
        found = update(window, i, pose(0.03 * i))
    assert isinstance(found, Samples)
    found = update(window, 11, pose(0.33), jump @ pose(0.33))
    assert isinstance(found, SamplesError) and found.reason == "motion_poses"
    found = update(window, 12, pose(0.36), jump @ pose(0.36))
    assert isinstance(found, SamplesError) and found.reason == "motion_still"


def test_what_moves_by_itself_is_left_out() -> None:
    """A patch of texture that goes up the image between the images."""
    window = MotionWindow(MotionConfig())
    found: Samples | None = None
    for i in range(10):
        gray, _ = picture(pose(0.03 * i))
        gray[60:140, 200:280] = TEXTURE[300 + 3 * i : 380 + 3 * i, 400:480]
        try:
            found = window.update(gray, CAMERA, pose(0.03 * i), i * PERIOD_NS)
        except SamplesError:
            found = None
    assert found is not None and len(found) > 30
    inside = (found.rows > 65) & (found.rows < 135) & (found.columns > 205) & (found.columns < 275)
    assert np.count_nonzero(inside) <= 2


@pytest.mark.parametrize(
    ("index", "camera"), [(50, CAMERA), (8, Camera(320, 240, 250.0, 250.0, 160.0, 120.0)), (3, CAMERA)]
)
def test_a_gap_of_time_another_camera_and_a_clock_that_goes_back_begin_anew(index, camera) -> None:
    window = MotionWindow(MotionConfig())
    for i in range(8):
        update(window, i, pose(0.03 * i))
    found = update(window, index, pose(0.24), camera=camera)
    assert isinstance(found, SamplesError) and found.reason == "motion_still"


@pytest.mark.parametrize(("step", "goes_on"), [(0.03, True), (0.8, False)])
def test_after_a_gap_corners_live_on_where_they_are_found_again(step, goes_on) -> None:
    window = MotionWindow(MotionConfig())
    for i in range(8):
        update(window, i, pose(0.03 * i))
    found = update(window, 15, pose(0.21 + step))  # 0.8 s later
    if not goes_on:
        assert isinstance(found, SamplesError) and found.reason == "motion_still"
        return
    assert isinstance(found, Samples)
    true = picture(pose(0.21 + step))[1][found.rows, found.columns]
    assert len(found) > 50 and np.median(np.abs(found.depth / true - 1)) < 0.02


def test_another_process_goes_on_without_any_difference() -> None:
    window, other = MotionWindow(MotionConfig()), MotionWindow(MotionConfig())
    for i in range(6):
        update(window, i, pose(0.03 * i), camera=BENT)
    other.restore(json.loads(json.dumps(window.state())))
    for i in range(6, 9):
        a, b = (update(one, i, pose(0.03 * i), camera=BENT) for one in (window, other))
        assert isinstance(a, Samples) and isinstance(b, Samples)
        for name in ("rows", "columns", "depth", "sigma", "group"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name


def test_a_lens_cap_gives_a_sentence() -> None:
    window = MotionWindow(MotionConfig())
    for i in range(4):
        with pytest.raises(SamplesError, match="corner"):
            window.update(np.zeros((240, 320), np.uint8), CAMERA, pose(0.05 * i), i * PERIOD_NS)


def outcomes(true_and_told, gray=None) -> list[Samples | SamplesError]:
    window, found = MotionWindow(MotionConfig()), []
    for i, (true, told) in enumerate(true_and_told):
        image = picture(true)[0] if gray is None else gray(i, true)
        try:
            found.append(window.update(image, CAMERA, told, i * PERIOD_NS))
        except SamplesError as error:
            found.append(error)
    return found


def swaying(i: float) -> np.ndarray:
    """To the side and back, turning."""
    return pose(0.4 * np.sin(0.25 * i), 0.25 * np.sin(0.4 * i))


BODY_FROM_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("told", [lambda i: swaying(i) @ np.linalg.inv(BODY_FROM_CAMERA), lambda i: swaying(i - 6)])
def test_poses_of_another_frame_or_clock_are_told(told) -> None:
    found = outcomes((swaying(i), told(i)) for i in range(24))
    assert sum(isinstance(one, SamplesError) and one.reason == "motion_poses" for one in found) >= 2
    assert sum(isinstance(one, Samples) for one in found) <= 4


def test_most_of_the_image_moves_by_itself() -> None:
    """A truck fills it: nothing of what it says is taken."""

    def with_truck(i: int, true: np.ndarray) -> np.ndarray:
        image, _ = picture(true)
        image[30:220, 30:300] = TEXTURE[300 + 3 * i : 490 + 3 * i, 400:670]
        return image

    for one in outcomes(((pose(0.03 * i), pose(0.03 * i)) for i in range(12)), with_truck)[3:]:
        if isinstance(one, Samples):
            inside = (one.rows > 35) & (one.rows < 215) & (one.columns > 35) & (one.columns < 295)
            assert np.count_nonzero(inside) <= 6
        else:
            assert one.reason in ("motion_poses", "motion_few", "motion_still")


def test_a_rolling_shutter_is_noise_that_the_deviation_knows() -> None:
    """The last row is taken a third of a period after the first."""

    def rolled(i: int, _: np.ndarray) -> np.ndarray:
        rows = [picture(swaying(i + third / 3))[0][80 * third : 80 * third + 80] for third in range(3)]
        return np.concatenate(rows)

    found = outcomes([(swaying(i), swaying(i)) for i in range(12)], rolled)
    for i, one in enumerate(found):
        if isinstance(one, Samples):
            true = picture(swaying(i))[1][one.rows, one.columns]
            assert np.median(np.abs(one.depth - true) / one.sigma) < 2


def test_a_lens_cap_in_between_is_told_and_begins_anew() -> None:
    def capped(i: int, true: np.ndarray) -> np.ndarray:
        return np.zeros((240, 320), np.uint8) if 8 <= i < 12 else picture(true)[0]

    found = outcomes(((pose(0.03 * i), pose(0.03 * i)) for i in range(22)), capped)
    assert isinstance(found[7], Samples) and isinstance(found[21], Samples)
    assert all(isinstance(one, SamplesError) for one in found[8:13])
