# SPDX-License-Identifier: Apache-2.0
"""Obstacles above a floor, on scenes of which every height is known."""

import numpy as np
import pytest
import torch

from mono_depth_ros.config.obstacles import ObstacleConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.obstacles.finder import find_obstacles

CAMERA = Camera.from_fov((320, 240), 70.0)
EYE = 0.6
BASE_FROM_CAMERA = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, EYE], [0, 0, 0, 1]], dtype=np.float64)


def _floor_with_wall(distance: float) -> torch.Tensor:
    down = rays(CAMERA)[..., 1]
    floor = torch.where(down > 0, EYE / down, torch.inf)
    return torch.minimum(floor, torch.tensor(distance))


def test_a_wall_is_an_obstacle_and_the_floor_before_it_is_free() -> None:
    found = find_obstacles(_floor_with_wall(3.0), CAMERA, BASE_FROM_CAMERA, ObstacleConfig())
    assert len(found.points) > 100
    assert np.allclose(found.points[:, 0], 3.0, atol=1e-3)
    assert found.points[:, 2].min() > 0.06 and found.points[:, 2].max() < 1.82
    assert found.free[:, 0].max() < 3.001
    assert np.abs(found.free[:, 2]).max() < 0.08


@pytest.mark.parametrize("scale", [0.92, 1.08])
def test_a_floor_that_is_off_by_the_scale_stays_floor(scale: float) -> None:
    found = find_obstacles(scale * _floor_with_wall(3.0), CAMERA, BASE_FROM_CAMERA, ObstacleConfig())
    assert np.allclose(found.points[:, 0], scale * 3.0, atol=0.06)
