# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.alignment.stereo import baseline_of, stereo_depth
from mono_depth_ros.config import StereoConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.world.world import World

CAMERA = Camera(320, 96, 200.0, 200.0, 160.0, 48.0)
FULL = StereoConfig(stereo_disparities=64, stereo_downscale=1)


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    """Grey noise with blobs of three pixels, wider than the image, so that it can be cut out at two places."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 500), dtype=np.uint8).astype(np.float32)
    smooth = sum(np.roll(noise, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) / 9
    return np.clip((smooth - 128) * 2.5 + 128, 0, 255).astype(np.uint8)


def pair(texture: np.ndarray, disparity: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(texture[:, 70:390]), np.ascontiguousarray(texture[:, 70 + disparity : 390 + disparity])


@pytest.mark.parametrize("disparity", [4, 10, 40])
def test_a_wall_is_where_its_disparity_says(texture, disparity):
    """Z = f b / d = 200 * 0.1 / d."""
    found = stereo_depth(*pair(texture, disparity), CAMERA, 0.1, FULL)
    assert found.camera == CAMERA and found.depth.shape == (96, 320) and found.depth.dtype == np.float32
    known = np.isfinite(found.depth)
    assert known[:, disparity:].mean() > 0.95
    np.testing.assert_allclose(np.median(found.depth[known]), 20.0 / disparity, rtol=1e-3)
    assert (np.abs(found.depth[known] * disparity / 20.0 - 1) < 0.2 / disparity).mean() > 0.98  # a fifth of a pixel


def test_columns_that_the_right_camera_does_not_see_are_unknown(texture):
    """u_right = u_left - 40: the first 40 columns have no match, and the rest of the left margin has one."""
    found = stereo_depth(*pair(texture, 40), CAMERA, 0.1, FULL).depth
    assert np.isfinite(found[:, :38]).mean() < 0.05
    assert np.isfinite(found[:, 44:64]).mean() > 0.9


def test_what_left_and_right_disagree_on_is_unknown(texture):
    """A near patch hides part of the wall from the right camera: those columns have no depth."""
    left, right = pair(texture, 8)
    patch = np.random.default_rng(1).integers(0, 256, (50, 60), dtype=np.uint8)
    left[20:70, 150:210] = patch
    right[20:70, 110:170] = patch  # disparity 40: of the wall, the left camera alone sees columns 118 to 150
    found = stereo_depth(left, right, CAMERA, 0.1, FULL).depth
    assert np.nanmedian(found[25:65, 155:205]) == pytest.approx(0.5, rel=0.02)
    assert np.nanmedian(found[25:65, 60:110]) == pytest.approx(2.5, rel=0.02)
    hidden = found[25:65, 124:144]
    assert np.isfinite(hidden).mean() < 0.2


def test_colours_are_as_good_as_grey(texture):
    left, right = pair(texture, 10)
    rgb = [np.repeat(image[..., None], 3, axis=2) for image in (left, right)]
    np.testing.assert_array_equal(
        stereo_depth(*rgb, CAMERA, 0.1, FULL).depth, stereo_depth(left, right, CAMERA, 0.1, FULL).depth
    )


@pytest.mark.parametrize("downscale", [2, 4])
def test_at_a_part_of_the_size_the_camera_says_so_and_metres_stay(texture, downscale):
    found = stereo_depth(*pair(texture, 40), CAMERA, 0.1, StereoConfig(64, downscale))
    assert found.camera == CAMERA.resized(320 // downscale, 96 // downscale)
    assert found.depth.shape == (96 // downscale, 320 // downscale)
    assert np.nanmedian(found.depth) == pytest.approx(0.5, rel=0.02)


def test_principal_points_that_differ_shift_the_disparity(texture):
    """cx of the left is 4 px more than that of the right: of 14 px seen, 10 are disparity."""
    found = stereo_depth(*pair(texture, 14), CAMERA, 0.1, FULL, shift_px=4.0)
    assert np.nanmedian(found.depth) == pytest.approx(2.0, rel=5e-3)


def test_images_without_texture_give_nothing():
    flat = np.full((96, 320), 128, dtype=np.uint8)
    assert np.isnan(stereo_depth(flat, flat, CAMERA, 0.1, FULL).depth).all()


@pytest.mark.parametrize(("kind", "seed", "config"), [("room", 0, StereoConfig()), ("street", 0, FULL)])
def test_in_a_world_the_depth_is_right_within_three_percent(kind, seed, config):
    world, camera, baseline = World.generate(kind, 0), Camera.from_fov((640, 480), 70.0), 0.12
    left_from_right = np.eye(4)
    left_from_right[0, 3] = baseline
    pose = world.random_pose(np.random.default_rng(seed))
    left = world.render(camera, pose, normals=False).rgb
    right = world.render(camera, pose @ left_from_right, normals=False).rgb
    found = stereo_depth(left, right, camera, baseline, config)
    truth = world.render(found.camera, pose, normals=False).depth
    known = np.isfinite(found.depth) & np.isfinite(truth)
    error = np.abs(found.depth[known] / truth[known] - 1)
    assert known.mean() > 0.5
    assert np.median(error) < 0.03
    assert abs(np.median(found.depth[known] / truth[known]) - 1) < 0.01  # no bias: the scale is right
    assert (error > 0.25).mean() < 0.03  # and few gross errors


def test_what_a_world_hides_from_the_right_camera_stays_mostly_unknown():
    """Without the check of left against right, twice as many of these pixels have a depth (15 %)."""
    world, camera, baseline = World.generate("room", 0), Camera.from_fov((640, 480), 70.0), 0.3
    left_from_right = np.eye(4)
    left_from_right[0, 3] = baseline
    pose = world.random_pose(np.random.default_rng(1))
    left = world.render(camera, pose, normals=False)
    right = world.render(camera, pose @ left_from_right, normals=False)
    disparity, of_right = (camera.fx * baseline / frame.depth for frame in (left, right))
    at = np.rint(np.arange(640) - disparity).astype(int)
    hidden = (at >= 0) & (np.take_along_axis(of_right, np.maximum(at, 0), axis=1) > disparity + 3)
    assert hidden.sum() > 10_000
    found = stereo_depth(left.rgb, right.rgb, camera, baseline, StereoConfig(stereo_downscale=1)).depth
    assert np.isfinite(found[hidden]).mean() < 0.1
    assert np.isfinite(found[~hidden]).mean() > 0.8


def test_the_baseline_is_in_p_of_the_right_camera():
    assert baseline_of((500.0, 0, 320, -60.0, 0, 500, 240, 0, 0, 0, 1, 0)) == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("P", "words"),
    [
        ((500.0, 0, 320, 0.0, 0, 500, 240, 0, 0, 0, 1, 0), r"P\[3\] of the right camera is 0: a baseline of 0 m"),
        ((500.0, 0, 320, 60.0, 0, 500, 240, 0, 0, 0, 1, 0), r"a baseline of -0.12 m, .* swapped"),
        ((0.0,) * 12, "not calibrated"),
        ((), "not calibrated, expected 12 numbers"),
        ((500.0, 0, 320, float("nan"), 0, 500, 240, 0, 0, 0, 1, 0), "not calibrated"),
    ],
)
def test_a_p_without_a_baseline_is_refused(P, words):
    with pytest.raises(SamplesError, match=words) as error:
        baseline_of(P)
    assert error.value.reason == "stereo_baseline"


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"baseline_m": 0.0}, "stereo_baseline", "the baseline is 0, expected metres, more than 0"),
        ({"baseline_m": float("nan")}, "stereo_baseline", "the baseline is nan"),
        ({"right": np.zeros((96, 300), np.uint8)}, "stereo_size", "left image is 320x96, the right one 300x96"),
        ({"camera": CAMERA.resized(160, 48)}, "stereo_size", "the camera 160x48, expected the same size"),
        (
            {"camera": Camera(320, 96, 200, 200, 160, 48, "plumb_bob", (0.1, 0, 0, 0))},
            "stereo_rectified",
            "the left camera has plumb_bob distortion, expected rectified images",
        ),
    ],
)
def test_a_pair_that_does_not_go_together_is_refused(changes, reason, words):
    flat = np.zeros((96, 320), np.uint8)
    arguments = {"left": flat, "right": flat, "camera": CAMERA, "baseline_m": 0.1} | changes
    with pytest.raises(SamplesError, match=words) as error:
        stereo_depth(**arguments)
    assert error.value.reason == reason
