# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

from mono_depth_ros.alignment.occlusion import line_window, occluded
from mono_depth_ros.alignment.projected_points import project_points
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import transform_points
from mono_depth_ros.world.lidar import SpinningLidar, roof_mount
from mono_depth_ros.world.world import World


def hidden(image: np.ndarray, window: int = 9, ratio: float = 0.1) -> list[tuple[int, int]]:
    rows, columns = np.nonzero(np.isfinite(image))
    found = occluded(image.astype(np.float32), rows, columns, window, ratio)
    return list(zip(rows[found].tolist(), columns[found].tolist(), strict=True))


def empty(*samples: tuple[int, int, float]) -> np.ndarray:
    image = np.full((40, 40), np.inf)
    for row, column, depth in samples:
        image[row, column] = depth
    return image


def test_a_far_sample_amid_near_ones_is_seen_through():
    around = [(20, 18, 2.0), (20, 23, 2.0), (17, 20, 2.0), (22, 21, 2.0)]
    assert hidden(empty((20, 20, 5.0), *around)) == [(20, 20)]


def test_near_samples_on_one_side_are_an_edge_beside_it():
    beside = [(row, column, 2.0) for row in range(16, 25) for column in (17, 18, 19)]
    assert hidden(empty((20, 20, 5.0), *beside)) == []
    assert hidden(empty((20, 20, 5.0), *beside, (21, 24, 2.0))) == [(20, 20)]


def test_two_near_samples_on_opposite_sides_are_enough_a_third_of_a_turn_is_not():
    assert hidden(empty((20, 20, 5.0), (20, 17, 2.0), (20, 22, 2.0))) == [(20, 20)]
    assert hidden(empty((20, 20, 5.0), (19, 17, 2.0), (19, 22, 2.0))) == []


def test_the_ratio_is_that_of_the_depths():
    around = [(20, 18, 2.0), (20, 23, 2.0), (17, 20, 2.0), (22, 21, 2.0)]
    assert hidden(empty((20, 20, 2.199), *around)) == []
    assert hidden(empty((20, 20, 2.201), *around)) == [(20, 20)]
    assert hidden(empty((20, 20, 2.201), *around), ratio=0.2) == []


@pytest.mark.parametrize(("window", "found"), [(0, 0), (1, 0), (3, 0), (7, 0), (8, 1), (9, 1), (10, 1)])
def test_the_window_is_a_square_around_the_sample(window, found):
    far = empty((20, 20, 5.0), (20, 16, 2.0), (20, 24, 2.0))
    assert len(hidden(far, window)) == found


def test_a_sample_at_the_border_of_the_image_does_not_look_past_it():
    image = empty((0, 0, 5.0), (0, 2, 2.0), (2, 0, 2.0), (39, 39, 5.0), (37, 39, 2.0), (39, 37, 2.0))
    assert hidden(image) == []


@pytest.mark.parametrize("roll", [0.0, 0.3, 1.0, np.pi / 2, 2.5])
@pytest.mark.parametrize("every", [1, 3])
def test_no_sample_of_a_plane_is_lost_however_slanted(roll, every):
    """A floor up to the horizon, rolled: its depth doubles within a few pixels there, and a minimum filter fails."""
    v, u = np.mgrid[:120, :160].astype(np.float64)
    inverse = ((u - 80) * np.sin(roll) + (v - 60) * np.cos(roll)) / 100
    image = np.where(inverse > 0.004, 1 / np.maximum(inverse, 0.004), np.inf)
    image[np.arange(120) % every != 0] = np.inf
    assert np.isfinite(image).sum() > 1000
    nearest = cv2.erode(image.astype(np.float32), np.ones((9, 9), np.uint8))
    assert (image / 1.1 > nearest)[np.isfinite(image)].mean() > 0.1  # what a minimum filter would have taken
    assert hidden(image) == []


def test_more_doubtful_samples_than_are_looked_at_together():
    image = np.full((120, 160), 9.0)
    image[::2, ::2] = 2.0
    expected = np.ones((120, 160), dtype=bool)
    expected[::2, ::2] = False
    expected[-1], expected[:, -1] = False, False  # near ones on one side only
    found = hidden(image)
    assert set(found) == set(zip(*(k.tolist() for k in np.nonzero(expected)), strict=True))


@pytest.mark.parametrize(("apart", "window"), [(2, 9), (5, 11), (18, 37), (50, 63)])
def test_the_window_reaches_from_line_to_line(apart, window):
    rows = np.repeat(np.arange(20, 480, apart), 320)
    columns = np.tile(np.arange(0, 640, 2), len(rows) // 320)
    slanted, line = rows + columns // 40, rows // apart
    assert line_window(slanted, columns, line) == window
    assert line_window(columns, slanted, line) == window, "a camera that lies on its side"
    assert line_window(slanted, columns, None) == line_window(slanted, columns, np.full(len(rows), -1)) == 9


@pytest.mark.parametrize(("rings", "expected", "most_lost"), [(64, 0.8, 0.01), (16, 0.5, 0.02)])
def test_in_a_world_most_of_what_is_seen_through_goes_and_little_else(rings, expected, most_lost):
    """With no window given. A lidar 30 cm above the camera; the truth is the depth that the camera sees."""
    camera = Camera.from_fov((640, 480), 80.0)
    cam_from_lidar = roof_mount()
    cam_from_lidar[:3, 3] = 0.1, -0.3, -0.1
    lidar = SpinningLidar(rings=rings, azimuth_steps=2000, camera_from_lidar=cam_from_lidar)
    behind = went = lost = kept = 0
    for kind in ("room", "street"):
        world = World.generate(kind, 0)
        for seed in range(2):
            pose = world.random_pose(np.random.default_rng(seed))
            truth = world.render(camera, pose, normals=False).depth
            truth = np.nan_to_num(truth, posinf=1e9).astype(np.float32)
            farthest = cv2.dilate(truth, np.ones((3, 3), np.uint8))
            scan = lidar.scan(world, pose @ cam_from_lidar, seed)
            points, group = transform_points(cam_from_lidar, scan.xyz), scan.ring.astype(np.int64)
            every = project_points(points, camera, ReferenceConfig(occlusion_window=0)).samples
            left = project_points(points, camera, ReferenceConfig(), group).samples
            wrong = every.depth > 1.1 * farthest[every.rows, every.columns]
            gone = ~np.isin(every.pixels, left.pixels)
            behind, went = behind + int(wrong.sum()), went + int((wrong & gone).sum())
            kept, lost = kept + int((~wrong).sum()), lost + int((gone & ~wrong).sum())
    assert behind > 100 and went / behind > expected
    assert kept > 50_000 * rings / 64 and lost / kept < most_lost
