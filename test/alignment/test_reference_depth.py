# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.alignment.reference_depth import samples_from_reference_depth
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.world.pose import camera_pose
from mono_depth_ros.world.world import World

CAMERA = Camera(80, 60, 60.0, 60.0, 40.0, 30.0)
SAME = np.eye(4)


def shifted(x: float = 0.0, z: float = 0.0) -> np.ndarray:
    out = np.eye(4)
    out[:3, 3] = x, 0.0, z
    return out


@pytest.mark.parametrize("cam_from_reference", [SAME, None])
def test_depth_of_the_image_itself_is_taken_pixel_by_pixel(cam_from_reference):
    depth = np.full((60, 80), np.nan, dtype=np.float32)
    depth[3, 4], depth[10, 20], depth[59, 79], depth[0, 0], depth[0, 1] = 2.5, np.inf, 7.0, 0.1, 200.0
    found = samples_from_reference_depth(depth, CAMERA, CAMERA, cam_from_reference)
    assert list(zip(found.rows, found.columns, found.depth.tolist(), strict=True)) == [(3, 4, 2.5), (59, 79, 7.0)]
    assert found.size == (60, 80)


def test_a_depth_image_of_half_the_size_leaves_gaps_and_has_the_right_pixels():
    half = CAMERA.resized(40, 30)
    depth = np.full((30, 40), np.nan, dtype=np.float32)
    depth[10, 20], depth[29, 0] = 4.0, 6.0
    found = samples_from_reference_depth(depth, half, CAMERA, SAME)
    # Half-pixel rule: pixel (10, 20) of the half has its centre at (20.5, 40.5), where four pixels of the image meet.
    assert set(found.depth.tolist()) == {4.0, 6.0} and len(found) == 2
    four, six = found.depth.argsort()
    assert found.rows[four] in (20, 21) and found.columns[four] in (40, 41)
    assert found.rows[six] in (58, 59) and found.columns[six] in (0, 1)


def test_a_camera_beside_the_image_sees_points_shifted_by_the_disparity():
    """The depth camera is 0.1 m to the right: at 2 m, f b / z = 3 px to the right in the image."""
    depth = np.full((60, 80), np.nan, dtype=np.float32)
    depth[30, 40] = 2.0
    found = samples_from_reference_depth(depth, CAMERA, CAMERA, shifted(x=0.1))
    assert (found.rows.tolist(), found.columns.tolist(), found.depth.tolist()) == ([30], [43], [2.0])


def test_a_camera_behind_the_image_measures_more_than_the_image():
    depth = np.full((60, 80), np.nan, dtype=np.float32)
    depth[30, 40] = 2.0
    found = samples_from_reference_depth(depth, CAMERA, CAMERA, shifted(z=-0.5))
    np.testing.assert_allclose(found.depth, [1.5])


def test_a_tilted_plane_is_met_exactly_through_two_different_lenses():
    lens = Camera(90, 70, 55.0, 56.0, 44.0, 36.0, "plumb_bob", (-0.2, 0.05, 0.001, -0.001, 0.0))
    wide = Camera(120, 100, 50.0, 50.0, 60.0, 50.0, "equidistant", (0.02, -0.01, 0.002, 0.0))
    cam_from_reference = inverse(camera_pose(0, 0, 0, 0.0)) @ camera_pose(0.02, 0.15, 0.05, 0.05, 0.04, 0.1)
    normal, distance = np.array([0.2, -0.1, 1.0]), 3.0  # normal . p = distance, in the frame of the image

    def plane(camera: Camera, frame: np.ndarray) -> np.ndarray:
        """Depth of the plane in a camera from whose frame `frame` leads to that of the image."""
        directions = np.concatenate((rays(camera).numpy(), np.ones((camera.height, camera.width, 1))), axis=-1)
        return ((distance - normal @ frame[:3, 3]) / (directions @ frame[:3, :3].T @ normal)).astype(np.float32)

    found = samples_from_reference_depth(plane(wide, cam_from_reference), wide, lens, cam_from_reference)
    assert len(found) > 2500
    # A sample may be half a pixel off its pixel's centre, in each direction: the plane's depth changes by 1 % a pixel.
    exact = plane(lens, SAME)[found.rows, found.columns]
    assert np.abs(found.depth / exact - 1).max() < 0.01
    assert abs(np.median(found.depth / exact) - 1) < 1e-3


def test_in_a_world_the_depth_of_another_camera_agrees_with_the_image():
    world = World.generate("room", 1)
    camera = Camera.from_fov((160, 120), 70.0)
    other = Camera.from_fov((200, 150), 80.0)
    pose = world.random_pose(np.random.default_rng(3))
    cam_from_reference = shifted(x=0.15)
    reference = world.render(other, pose @ cam_from_reference, normals=False).depth
    truth = world.render(camera, pose, normals=False).depth
    found = samples_from_reference_depth(reference, other, camera, cam_from_reference)
    error = np.abs(found.depth / truth[found.rows, found.columns] - 1)
    assert len(found) > 8000 and (error < 0.03).mean() > 0.93 and np.median(error) < 0.005


def test_limits_are_those_of_the_configuration():
    depth = np.full((60, 80), 5.0, dtype=np.float32)
    depth[0] = 9.0
    found = samples_from_reference_depth(depth, CAMERA, CAMERA, SAME, ReferenceConfig(reference_max=8.0))
    assert len(found) == 59 * 80


@pytest.mark.parametrize(
    ("depth", "pose", "reason", "words"),
    [
        (np.ones((30, 40)), SAME, "reference_size", "is 40x30, expected 80x60, the size of its own camera"),
        (np.ones((30, 40)), None, "reference_size", "expected 80x60, the size of the image, to which it is registered"),
        (np.full((60, 80), np.nan), SAME, "reference_empty", "0 known pixels"),
        (np.full((60, 80), 1500.0), SAME, "reference_limits", "4800 known pixels .* 0.3 to 100 m: are they in metres"),
        (np.full((60, 80), np.nan), shifted(0.1), "reference_empty", "no points"),
        (np.ones((60, 80)), shifted(z=-3.0), "reference_behind", "cam_from_reference"),
    ],
)
def test_depth_that_gives_no_sample_is_refused(depth, pose, reason, words):
    with pytest.raises(SamplesError, match=words) as error:
        samples_from_reference_depth(depth.astype(np.float32), CAMERA, CAMERA, pose)
    assert error.value.reason == reason
