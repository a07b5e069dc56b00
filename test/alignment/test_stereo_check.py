# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

from mono_depth_ros.alignment.stereo_check import check_pair
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.world.world import World


@pytest.fixture(scope="module", params=["room", "street"])
def pair(request) -> tuple[np.ndarray, np.ndarray]:
    """A synthetic scene seen 12 cm apart."""
    world, camera, apart = World.generate(request.param, 0), Camera.from_fov((640, 480), 70.0), np.eye(4)
    apart[0, 3] = 0.12
    pose = world.random_pose(np.random.default_rng(0))
    return tuple(world.render(camera, where, normals=False).rgb for where in (pose, pose @ apart))


def test_a_pair_passes_in_any_size(pair):
    check_pair(*pair)
    check_pair(*(cv2.resize(image, None, fx=2.5, fy=2.5) for image in pair))


def test_swapped_images_are_named_as_such(pair):
    with pytest.raises(SamplesError, match="left and right are swapped") as caught:
        check_pair(pair[1], pair[0])
    assert caught.value.reason == "stereo_swapped"


def test_principal_points_that_differ_are_no_swap(pair):
    """cx of the right camera is 60 px more: everything lies farther right in its image."""
    moved = np.roll(pair[1], 60, axis=1)
    check_pair(pair[0], moved, -60.0)
    with pytest.raises(SamplesError, match="or cx of the cameras differs"):
        check_pair(pair[0], moved)


def test_swapped_images_are_named_as_such_where_principal_points_differ():
    """Of a disparity of 15 to 60 px, 25 are taken away by cx: swapped, what is near lies behind infinity."""
    noise = np.random.default_rng(0).integers(0, 256, (160, 200, 3), dtype=np.uint8)
    texture = cv2.resize(noise, (800, 640), interpolation=cv2.INTER_CUBIC)
    left, right = texture[:, 80:720].copy(), texture[:, 95 - 25 : 735 - 25].copy()
    right[320:] = texture[320:, 140 - 25 : 780 - 25]
    check_pair(left, right, -25.0)
    with pytest.raises(SamplesError, match="left and right are swapped"):
        check_pair(right, left, -25.0)


@pytest.mark.parametrize("turn_deg, up_px", [(2.0, 0), (0.0, 6)])
def test_a_pair_that_is_not_rectified_is_refused(pair, turn_deg, up_px):
    turn = cv2.getRotationMatrix2D((320, 240), turn_deg, 1.0)
    turn[1, 2] += up_px
    with pytest.raises(SamplesError, match=r"the rows of the pair do not correspond: .* corners are off by") as caught:
        check_pair(pair[0], cv2.warpAffine(pair[1], turn, (640, 480)))
    assert caught.value.reason == "stereo_rectified"


def test_nothing_is_said_of_images_without_corners():
    flat = np.full((48, 64, 3), 90, np.uint8)
    check_pair(flat, flat)
