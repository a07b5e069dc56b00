# SPDX-License-Identifier: Apache-2.0
"""The printed error and the uncertainty against the truth of the synthetic world, for samples as sensors have them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.expected_error import Curve, expected_error
from mono_depth_ros.alignment.left_out import LeftOut
from mono_depth_ros.alignment.reference import as_samples
from mono_depth_ros.alignment.result import Alignment
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.alignment.uncertainty import uncertainty, uniform
from mono_depth_ros.config import DepthConfig
from mono_depth_ros.errors import FitError
from mono_depth_ros.frame import Frame
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.world.world import World

CAMERA = Camera.from_fov((320, 240), 70.0)
VIEWS = (("room", 1), ("room", 5), ("corridor", 2), ("room", 8))


@lru_cache
def views() -> list[tuple[np.ndarray, np.ndarray]]:
    """Truth, and a prediction that is blurred and off by a smooth field of up to a quarter."""
    found = []
    for kind, seed in VIEWS:
        world, rng = World.generate(kind, seed), np.random.default_rng(seed)
        truth = world.render(CAMERA, world.random_pose(rng), normals=False).depth
        field = cv2.resize(rng.uniform(-0.25, 0.25, (5, 6)), truth.shape[::-1], interpolation=cv2.INTER_CUBIC)
        blurred = cv2.GaussianBlur(np.where(np.isfinite(truth), truth, 30), (0, 0), 3.0)
        found.append((truth, (0.7 * blurred * np.exp(field)).astype(np.float32)))
    return found


def points(truth: np.ndarray, count: int, seed: int = 0) -> Samples:
    known = samples_from_depth(truth)
    return known.select(np.sort(np.random.default_rng(seed).choice(len(known), count, replace=False)))


def lidar(truth: np.ndarray, beams: int = 8) -> Samples:
    """Level beams over the middle half of the image."""
    azimuth, elevation = np.meshgrid(np.radians(np.arange(-34, 34, 0.3)), np.radians(np.linspace(-14, 14, beams)))
    x, y = np.tan(azimuth), np.tan(elevation) / np.cos(azimuth)
    columns, rows = np.rint(CAMERA.fx * x + CAMERA.cx).astype(int), np.rint(CAMERA.fy * y + CAMERA.cy).astype(int)
    z = truth[rows, columns]
    cloud = np.stack((x * z, y * z, z), axis=-1)[np.isfinite(z)].astype(np.float32)
    return as_samples(cloud, truth.shape, CAMERA, cam_from_lidar=np.eye(4))


def left_third(truth: np.ndarray) -> Samples:
    known = points(truth, 4000)
    return known.select(known.columns < 107)


PATTERNS = {
    "points": lambda truth: points(truth, 300),
    "dense": lambda truth: points(truth, 4000),
    "beams": lidar,
    "left third": left_third,
}


@lru_cache
def judged(name: str) -> list[tuple[Alignment, np.ndarray, np.ndarray, np.ndarray]]:
    """Of each view: the alignment, and at pixels with truth that were not given |error|, truth and sigma."""
    found = []
    for truth, prediction in views():
        given = PATTERNS[name](truth)
        alignment = align(prediction, given)
        result = alignment.apply(prediction)
        asked = np.isfinite(truth)
        asked[given.rows, given.columns] = False
        away = np.abs(result.values.numpy() - truth)[asked]
        found.append((alignment, away, truth[asked], result.uncertainty.numpy()[asked]))
    return found


@pytest.mark.parametrize(("name", "most"), [("points", 1.4), ("dense", 1.4), ("beams", 1.4), ("left third", 4.0)])
def test_the_printed_error_is_the_true_one(name: str, most: float) -> None:
    """Of the means over the views. Beyond a part of the image the prediction may do anything."""
    printed = np.mean([alignment.after.abs_rel for alignment, *_ in judged(name)])
    true = np.mean([(away / truth).mean() for _, away, truth, _ in judged(name)])
    assert (0.65 if most < 2 else 0.5) < printed / true < most, (printed, true)


@pytest.mark.parametrize("name", ["points", "dense", "beams"])
def test_two_thirds_are_within_one_standard_deviation_and_nearly_all_within_two(name: str) -> None:
    away, sigma = (np.concatenate([one[k] for one in judged(name)]) for k in (1, 3))
    assert 0.6 < np.mean(away <= sigma) < 0.8 and 0.8 < np.mean(away <= 2 * sigma) < 0.99


def test_samples_reach_a_part_of_the_image() -> None:
    for (alignment, *_), (everywhere, *_) in zip(judged("left third"), judged("points"), strict=True):
        assert alignment.reach.share < 0.5 < 0.9 < everywhere.reach.share
        assert alignment.reach.abs_rel_beyond > 2 * alignment.reach.abs_rel_within
        assert alignment.reach.abs_rel_within < alignment.after.abs_rel < alignment.reach.abs_rel_beyond


def test_it_grows_away_from_samples_and_at_jumps() -> None:
    truth = views()[1][1] / views()[1][1].mean() * 2.0
    truth[:, 200:] *= 2.0
    blurred = cv2.GaussianBlur(truth, (0, 0), 4.0)
    given = points(truth, 600)
    given = given.select(given.columns > 60)
    found = align(blurred, given).apply(blurred)
    relative = (found.uncertainty / found.values).numpy()
    assert np.median(relative[:, 195:206]) > 1.3 * np.median(relative[:, 100:180])
    assert np.median(relative[:, :20]) > 2 * np.median(relative[:, 100:180])


def test_one_beam_one_group_says_what_it_does_not_know() -> None:
    """All samples on one line: nothing lies between samples, and the rest of the image is beyond their reach."""
    printed, true = [], []
    for truth, prediction in views():
        alignment = align(prediction, lidar(truth, 1))
        assert alignment.reach.share < 0.1 and alignment.reach.abs_rel_beyond > 3 * alignment.reach.abs_rel_within
        printed.append(alignment.after.abs_rel)
        true.append(np.abs(alignment.apply(prediction).values.numpy() / truth - 1)[np.isfinite(truth)].mean())
    assert 0.6 < np.mean(printed) / np.mean(true) < 1.4, (printed, true)


def test_one_beam_is_extrapolated_as_the_beam_itself_says() -> None:
    """A prediction off by a factor alone must not lose its shape above and below the only beam."""
    for truth, _ in views()[:2]:
        alignment = align(np.where(np.isfinite(truth), 0.7 * truth, 30).astype(np.float32), lidar(truth, 1))
        assert alignment.after.abs_rel < 0.02 and abs(float(alignment.correction.abs().max())) < 0.1


def test_right_samples_are_among_the_outliers() -> None:
    clean = replace(
        left_out(points(views()[0][0], 100)), error=np.repeat(np.float32([0.01, 0.02, 0.15, 0.3, 0.01]), 20)
    )
    assert (clean.cut, replace(clean, outliers=0.1).cut) == (0.0, 0.1)
    assert replace(clean, outliers=0.9).cut == pytest.approx(0.2), "as many as there are just below"


def test_out_of_reach_counts_what_lies_beside_and_below_but_no_sky() -> None:
    truth = np.full((120, 160), 4.0, np.float32)
    near = truth * np.linspace(0.8, 1.2, 160, dtype=np.float32)
    known = points(truth, 3000)
    printed = {}
    for name, chosen in (
        ("all", known.rows >= 0),
        ("no sky", known.rows >= 60),
        ("no ground", known.rows < 60),
        ("no right half", known.columns < 80),
    ):
        samples = known.select(chosen)
        reach = expected_error(samples, np.full(len(samples), 0.2, np.float32), left_out(samples))
        printed[name] = reach.summary(near[::2, ::2], samples)[0]
    assert printed["all"] == pytest.approx(printed["no sky"], rel=0.1)
    assert min(printed["no ground"], printed["no right half"]) > 2 * printed["all"]


def left_out(samples: Samples) -> LeftOut:
    """Errors of 1 % that none of the samples has beyond them."""
    count = len(samples)
    return LeftOut(
        np.arange(count), np.full(count, 0.01, np.float32), np.full(count, 2.0, np.float32), np.full(count, True)
    )


@pytest.mark.parametrize("wrong", ["moved in time", "seen past edges"])
def test_what_is_inconsistent_shows(wrong: str) -> None:
    printed = []
    for truth, prediction in views():
        given = points(truth, 500)
        if wrong == "moved in time":  # the camera has turned by 40 px since
            depth = np.roll(truth, 40, axis=1)[given.rows, given.columns]
        else:  # every second sample is of what lies behind an edge, where there is one
            behind = cv2.dilate(np.where(np.isfinite(truth), truth, 0), np.ones((25, 25)))
            depth = np.where(np.arange(500) % 2, behind[given.rows, given.columns], given.depth)
        known = np.isfinite(depth)
        bad = Samples(given.rows[known], given.columns[known], depth[known], given.size)
        printed.append((align(prediction, bad).after.abs_rel, align(prediction, given).after.abs_rel))
    bad, good = np.mean(printed, axis=0)
    assert bad > 1.5 * good


def test_a_sensor_that_errs_adds_its_own() -> None:
    truth, prediction = views()[0]
    exact = points(truth, 300)
    rough = Samples(exact.rows, exact.columns, exact.depth, exact.size, sigma=0.2 * exact.depth)
    one, other = (align(prediction, samples) for samples in (exact, rough))
    assert other.after.abs_rel == pytest.approx(np.hypot(one.after.abs_rel, 0.8 * 0.2), rel=0.05)
    relative = other.apply(prediction).uncertainty / other.apply(prediction).values
    assert float(relative.min()) >= 0.199


def test_a_refused_fit_prints_nothing() -> None:
    truth, prediction = views()[0]
    with pytest.raises(FitError):
        align(prediction, points(truth, 10))


def test_points_that_are_too_uncertain_leave_the_cloud() -> None:
    depth = torch.full((4, 6), 2.0)
    sigma = torch.full((4, 6), 0.1)
    sigma[:, :2] = 1.0
    sigma[0, 5] = torch.nan
    prediction = DepthPrediction(depth, DepthKind.METRIC, uncertainty=sigma)
    rgb, camera = torch.zeros(4, 6, 3, dtype=torch.uint8), Camera(6, 4, 5.0, 5.0, 2.5, 1.5)
    for most, count in ((0.0, 24), (0.2, 15), (0.6, 23), (0.01, 0)):
        frame = Frame(rgb, camera, prediction, DepthConfig(max_relative_error=most))
        assert len(frame.cloud()[0]) == count == int(torch.isfinite(frame.packed_cloud()[..., 2]).sum())
    assert uniform(0.03).aged(0.04).of(depth)[0, 0] == pytest.approx(0.1)


def test_a_curve_is_ascending_and_goes_on() -> None:
    curve = Curve.of(np.array([4.0, 8.0, 16.0]), np.array([0.02, 0.01, 0.06]), np.array([1.0, 1.0, 2.0]))
    found = curve(np.float32([1, 4, 6, 8, 16, 64, 1e4]))
    assert np.all(np.diff(found) >= 0) and found[1] == found[3] == pytest.approx(0.015, rel=1e-5)
    assert found[5] == pytest.approx(0.12, rel=0.01), "with the root of the distance"
    assert found[6] == pytest.approx(0.06 * 8**0.5, rel=0.01), "but not for ever"


def test_what_no_sample_measures_does_not_count() -> None:
    """The sky: a third of the image, where there is nothing to be compared."""
    truth, prediction = views()[2]
    prediction = prediction.copy()
    prediction[:80] = np.inf
    known = points(truth, 600)
    given = known.select(known.rows >= 90)
    fitted = np.log(given.depth / prediction[given.rows, given.columns])
    expected = expected_error(given, fitted - np.median(fitted), None)
    whole, reach = expected.summary(prediction[::2, ::2], given)
    seen = expected.relative[45:].mean()
    assert whole == pytest.approx(seen, rel=0.05) and 0.5 < reach.share < 0.75


def told(samples: Samples, error: float, steps: float, farther: float = 0.0) -> LeftOut:
    """Every sample was left out; the samples around those lie `farther` apart, as a logarithm, than around pixels."""
    count, (height, width) = len(samples), samples.size
    one = np.ones(count, dtype=np.float32)
    return LeftOut(
        np.arange(count),
        np.float32(error) * np.random.default_rng(2).normal(size=count).astype(np.float32),
        10 * one,
        one > 0,
        disagreement=np.float32(farther) * one + np.linspace(-1, 1, count, dtype=np.float32),
        of_image=np.zeros(((height + 1) // 2, (width + 1) // 2), dtype=np.float32),
        step=2,
        steps=steps,
    )


def test_a_result_that_is_smooth_at_samples_and_jumps_between_them_is_not_taken_for_worse() -> None:
    """The jumps at the samples say nothing of those of the image, nor how large errors are beside them."""
    rows, columns = (of.ravel() for of in np.mgrid[20:220:16, 20:300:16])
    samples = Samples(rows, columns, np.full(rows.size, 2.0, dtype=np.float32), (240, 320))
    smooth, stepped = torch.full((120, 160), 2.0), torch.full((120, 160), 2.0)
    stepped[:, ::2] *= 1.1
    for row, column in zip(rows // 2, columns // 2, strict=True):
        stepped[row - 1 : row + 2, column - 1 : column + 2] = 2.0
    left = told(samples, 0.05, 0.2)
    expected = expected_error(samples, np.zeros(rows.size, np.float32), left)
    one, other = (uncertainty(depth, samples, expected, left).relative.median() for depth in (smooth, stepped))
    assert 0.5 < other / one < 2.0


def test_how_much_better_pixels_are_than_samples_of_lines_depends_on_what_the_prediction_knows() -> None:
    """With all edges of things it errs alike in narrow and in wide gaps; without, the less the narrower."""
    samples = points(views()[0][0], 300)
    found = []
    for steps in (0.05, 2.0):  # of which an error of .05 is all, and next to nothing
        left = told(samples, 0.05, steps, farther=1.0)
        expected = expected_error(samples, np.zeros(300, np.float32), left)
        depth = torch.full((120, 160), 2.0)
        found.append(float(uncertainty(depth, samples, expected, left).relative.median()))
    assert found[0] < 0.75 * found[1]
