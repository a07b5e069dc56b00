# SPDX-License-Identifier: Apache-2.0
"""The costmap's layers mark and clear by Nav2's rules, and the figures of driving are of what a view shows."""

from __future__ import annotations

import math

import numpy as np
import pytest

import costmap
import driving
from costmap import AHEAD, ObstacleLayer, VoxelLayer
from driving_views import View, metric
from mono_depth_ros.world import World

EYE = np.array([0.0, 0.0, 0.6])


def voxels(layer):
    return {tuple(int(k) for k in at) for at in np.argwhere(layer.marked)}


def test_a_voxel_layer_marks_between_its_heights_and_ranges():
    layer = VoxelLayer()
    points = [[1, 0, 0.09], [1.01, 0.01, 0.3], [2, 0, 1.9], [3.9, 0, 0.5], [np.nan, np.nan, np.nan], [6, 0, 0.5]]
    layer.mark(np.array(points), EYE, 0.1, 1.8, 3.5)
    assert voxels(layer) == {(20, AHEAD, 2)}
    layer.mark(np.array([[1.51, 0.01, -0.3]]), EYE, -1.0, 1.8, 3.5)
    assert (30, AHEAD, 0) in voxels(layer), "what is below the lowest voxel is put into it"
    assert layer.cells().sum() == 2


def test_a_voxel_layer_clears_along_a_ray_up_to_two_cells_before_its_end():
    layer = VoxelLayer(marked=True)
    layer.clear(np.array([[2.025, 0.025, 0.6]]), np.array([0.025, 0.025, 0.6]), 10.0)
    cleared = ~layer.marked
    assert np.flatnonzero(cleared[:, AHEAD, 4]).tolist() == list(range(39))
    assert cleared.sum() == 39
    layer.clear(np.array([[2.025, 0.025, 0.6]]), np.array([0.025, 0.025, 0.6]), 0.5)
    layer = VoxelLayer(marked=True)
    layer.clear(np.array([[4.0, 0.025, 0.6]]), np.array([0.025, 0.025, 0.6]), 0.5)
    assert (~layer.marked[:, AHEAD, 4]).sum() == 11, "raytrace_max_range ends a ray"
    layer.clear(np.array([[80.0, 0.025, 40.0]]), np.array([0.025, 0.025, 0.6]), 100.0)
    assert not layer.marked[20, AHEAD, 8] and layer.marked[60].all(), "a ray ends where it leaves the map"


def test_an_obstacle_layer_takes_infinity_as_free_and_nan_as_unknown():
    layer = ObstacleLayer(marked=True)
    layer.clear(np.array([np.inf, np.nan, 1.0]), np.radians([0.0, 30.0, -30.0]), 3.0, 0.5)
    cleared = np.argwhere(~layer.marked) + 0.5 - (0, AHEAD)
    distance, bearing = np.hypot(*cleared.T) * costmap.CELL_M, np.degrees(np.arctan2(cleared[:, 1], cleared[:, 0]))
    assert 2.9 < distance[np.abs(bearing) < 5].max() < 3.1 and distance.min() > 0.44
    assert not (bearing > 10).any()
    assert 0.9 < distance[bearing < -20].max() < 1.1
    layer.mark(np.array([[1.0, 0.0, 0.5]]), 0.1, 1.8)
    assert layer.marked[20, AHEAD]


@pytest.fixture(scope="module")
def view():
    world = World.generate("corridor", 60_000_000)
    pose = world.random_pose(np.random.default_rng(0))
    seen = world.render(driving.CAMERA, pose, normals=False)
    return View(seen.rgb, seen.depth, pose, {"true": metric(seen.depth)})


def test_the_figures_of_a_view(view):
    truth = driving.Truth(view)
    assert truth.obstacle.sum() > 50 and truth.free.sum() > 200
    found = driving.obstacles_of(view, view.depths["true"])
    share = driving.shares(truth.score(driving.marked_by_obstacles(found)))
    assert share["found"] > 98 and share["false"] < 0.3, share
    assert driving.shares(truth.score(np.zeros_like(truth.obstacle))) == {"found": 0.0, "false": 0.0}
    everywhere = driving.shares(truth.score(np.ones_like(truth.obstacle)))
    assert everywhere["found"] == 100 and everywhere["false"] > 90
    moved = np.roll(driving.marked_by_obstacles(found), 10, axis=0)
    assert driving.shares(truth.score(moved))["found"] < 60, "marks half a metre behind"


def test_free_space_is_cleared_and_unknown_stays(view):
    truth = driving.Truth(view)
    counts = driving.clearing(truth, driving.obstacles_of(view, view.depths["true"]), view)
    shares = counts[1::2] / counts[::2]
    assert shares[1] > 0.99 and shares[2] > 0.8 and shares[3] > 0.9, shares
    assert not math.isnan(shares[0])
