# SPDX-License-Identifier: Apache-2.0
"""Results over time: a wall and a box before it, of known distances, with noise, seen from known places."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import rigid_from_pose
from mono_depth_ros.motion.fusion import Fusion
from mono_depth_ros.prediction import DepthKind, DepthPrediction

CAMERA = Camera(160, 120, 130.0, 130.0, 80.0, 60.0)
LENS = Camera(160, 120, 130.0, 130.0, 80.0, 60.0, "plumb_bob", (-0.1, 0.01, 0.0, 0.0, 0.0))
WALL_M, NOISE = 4.0, 0.03
RNG_SEED = 3


def wall(way_m: float = 0.0) -> np.ndarray:
    """(H, W) depth of a wall that the camera comes nearer to."""
    return np.full((CAMERA.height, CAMERA.width), WALL_M - way_m, np.float32)


def ahead(way_m: float) -> np.ndarray:
    return rigid_from_pose([0, 0, way_m], [0, 0, 0, 1])


def noisy(depth: np.ndarray, rng: np.random.Generator, noise: float = NOISE) -> np.ndarray:
    return (depth * np.exp(noise * rng.normal(size=depth.shape))).astype(np.float32)


def metric(depth: np.ndarray, relative: float | None = 0.1) -> DepthPrediction:
    values = torch.from_numpy(depth)
    return DepthPrediction(values, DepthKind.METRIC, uncertainty=None if relative is None else relative * values)


class Drive:
    """Images a tenth of a second apart."""

    def __init__(self, camera: Camera = CAMERA) -> None:
        self.fusion, self.camera, self.stamp_ns = Fusion(), camera, 10**9
        self.rng = np.random.default_rng(RNG_SEED)

    def image(self, truth: np.ndarray, pose: np.ndarray | None, gap_s: float = 0.1, **more) -> tuple[np.ndarray, ...]:
        """(new, combined) depth."""
        self.stamp_ns += round(gap_s * 1e9)
        new = noisy(truth, self.rng)
        found = self.fusion.update(metric(new), self.camera, pose, self.stamp_ns, **more)
        return new, found.values.numpy()


def off(depth: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(np.log(depth / truth)).mean())


@pytest.mark.parametrize("camera", [CAMERA, LENS])
def test_noise_halves_where_nothing_moves_but_the_camera(camera):
    drive = Drive(camera)
    for k in range(8):
        new, found = drive.image(wall(0.05 * k), ahead(0.05 * k))
    assert off(found, wall(0.35)) < 0.55 * off(new, wall(0.35)) and drive.fusion.share > 0.9


def test_the_standard_deviation_is_never_that_of_independent_errors():
    fusion = Fusion()
    for k in range(6):
        found = fusion.update(metric(noisy(wall(), np.random.default_rng(k))), CAMERA, np.eye(4), 10**8 * k)
    relative = (found.uncertainty / found.values).numpy()
    assert relative == pytest.approx(0.1, rel=1e-3), "as of one image, however many there were"
    exact = fusion.update(metric(wall(), 0.02), CAMERA, np.eye(4), 6 * 10**8)
    assert 0.02 < float((exact.uncertainty / exact.values).median()) < 0.1


def test_what_appears_and_what_vanishes_is_there_at_once():
    drive = Drive()
    box = wall()
    box[40:80, 60:100] = 2.0
    for _ in range(4):
        drive.image(wall(), np.eye(4))
    new, found = drive.image(box, np.eye(4))
    np.testing.assert_array_equal(found[40:80, 60:100], new[40:80, 60:100])
    for _ in range(4):
        drive.image(box, np.eye(4))
    new, found = drive.image(wall(), np.eye(4))
    np.testing.assert_array_equal(found[40:80, 60:100], new[40:80, 60:100])
    assert off(found[:30], wall()[:30]) < 0.6 * off(new[:30], wall()[:30]), "the wall around goes on"


def test_what_was_hidden_is_not_taken_from_what_hid_it():
    """The camera goes to the right: the box goes to the left in the image, and the wall behind comes out."""
    drive = Drive()
    for k in range(5):
        truth, shift = wall(), round(130 * 0.1 * k / 2.0)
        truth[:, 70 - shift : 110 - shift] = 2.0
        new, found = drive.image(truth, rigid_from_pose([0.1 * k, 0, 0], [0, 0, 0, 1]))
    out = slice(110 - shift, 110 - shift + 2)  # the wall goes by half as many pixels as the box
    np.testing.assert_array_equal(found[:, out], new[:, out])


def test_a_thing_that_comes_nearer_lags_by_less_than_what_the_image_is_off_by():
    drive = Drive()
    for k in range(10):
        truth = wall()
        truth[40:80, 60:100] = 3.0 * math.exp(-0.06 * k)
        _, found = drive.image(truth, np.eye(4))
    lag = np.median(np.log(found[45:75, 65:95] / truth[45:75, 65:95]))
    assert abs(lag) < NOISE


def test_poses_that_jump_combine_nothing():
    drive = Drive()
    for k in range(4):
        drive.image(wall(0.02 * k), ahead(0.02 * k))
    new, found = drive.image(wall(0.08), ahead(1.0))
    np.testing.assert_array_equal(found, new)
    drive.image(wall(0.10), ahead(1.02))
    assert drive.fusion.share > 0.9, "it goes on in the new place"


@pytest.mark.parametrize(
    "second",
    [
        {"pose": None},
        {"pose": np.eye(4), "gap_s": 1.5},
        {"pose": np.eye(4), "gap_s": -0.5},
        {"pose": np.eye(4), "world": "map"},
    ],
)
def test_what_has_nothing_in_common_stands_alone(second):
    drive = Drive()
    drive.image(wall(), np.eye(4))
    new, found = drive.image(wall(), **second)
    np.testing.assert_array_equal(found, new)
    assert drive.fusion.share == 0.0


def test_unknown_depth_stays_unknown_and_the_sky_stays_the_sky():
    drive, truth = Drive(), wall()
    truth[:20], truth[20:40] = np.nan, np.inf
    drive.image(wall(), np.eye(4))
    _, found = drive.image(truth, np.eye(4))
    assert np.isnan(found[:20]).all() and np.isposinf(found[20:40]).all() and np.isfinite(found[40:]).all()
    new, found = drive.image(wall(), np.eye(4))
    np.testing.assert_array_equal(found[:40], new[:40])


def test_an_uncertainty_that_is_not_known_stays_so():
    fusion = Fusion()
    for k in range(2):
        found = fusion.update(metric(noisy(wall(), np.random.default_rng(k)), None), CAMERA, np.eye(4), 10**8 * k)
    assert found.uncertainty is None and fusion.share > 0.9


def test_it_is_put_down_and_taken_up_again():
    drive = Drive(LENS)
    drive.image(wall(), np.eye(4))
    drive.image(wall(), np.eye(4))
    other = Fusion()
    other.restore(json.loads(json.dumps(drive.fusion.state())))
    given = metric(noisy(wall(), drive.rng))
    one, two = (item.update(given, LENS, np.eye(4), drive.stamp_ns + 10**8) for item in (drive.fusion, other))
    assert torch.equal(one.values, two.values) and torch.equal(one.uncertainty, two.uncertainty)
    other.restore(None)
    assert other.state() is None


def test_results_that_agree_exactly_are_combined_too():
    fusion = Fusion()
    for k in range(3):
        fusion.update(metric(wall()), CAMERA, np.eye(4), 10**8 * k)
    assert fusion.share > 0.99
