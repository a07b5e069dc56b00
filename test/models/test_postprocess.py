# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.postprocess import recover_shift


def scene(width: int, height: int, focal: float) -> Tensor:
    """(height, width, 3) points of a wavy surface in front of a camera whose principal point is the centre."""
    v, u = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    z = 3 + torch.sin(u / width * 9) + 0.5 * torch.cos(v / height * 7)
    return torch.stack([u / focal * z, v / focal * z, z], -1)


@pytest.mark.parametrize("shift", [-2.0, -0.3, 0.0, 0.4, 30.0])
@pytest.mark.parametrize("size", [(160, 120), (50, 90)])
def test_a_planted_shift(shift: float, size: tuple[int, int]) -> None:
    points = scene(*size, focal=100.0)
    points[..., 2] -= shift
    assert recover_shift(points, None, 100.0) == pytest.approx(shift, abs=1e-4)


def test_in_units_of_its_own() -> None:
    """An unknown scale does not matter: the shift is in the units of the points."""
    points = (scene(160, 120, 100.0) - torch.tensor([0.0, 0.0, 1.0])) * 7
    assert recover_shift(points, None, 100.0) == pytest.approx(7.0, rel=1e-4)


def test_with_noise_it_is_the_least_squares() -> None:
    generator = torch.Generator().manual_seed(0)
    points = scene(160, 120, 100.0)
    points += 0.02 * torch.randn(points.shape, generator=generator)
    points[..., 2] -= 1.5
    found = recover_shift(points, None, 100.0)
    assert found == pytest.approx(1.5, abs=0.02)

    def cost(shift: float) -> float:
        v, u = torch.meshgrid(torch.arange(120) - 59.5, torch.arange(160) - 79.5, indexing="ij")
        rows, columns = torch.linspace(0, 119, 64).round().long(), torch.linspace(0, 159, 64).round().long()
        some = points[rows][:, columns].double()
        uv = torch.stack([u, v], -1)[rows][:, columns]
        return float((100 * some[..., :2] / (some[..., 2:] + shift) - uv).square().sum())

    assert cost(found) < min(cost(found - 1e-3), cost(found + 1e-3))


def test_what_is_masked_does_not_count() -> None:
    points = scene(160, 120, 100.0)
    points[..., 2] -= 0.5
    valid = torch.ones(120, 160, dtype=torch.bool)
    points[:, 80:], valid[:, 80:] = 99.0, False
    points[0, 0] = math.nan
    assert recover_shift(points, valid, 100.0) == pytest.approx(0.5, abs=1e-4)
    assert math.isnan(recover_shift(points, torch.zeros_like(valid), 100.0))


def test_points_behind_the_camera_are_moved_in_front() -> None:
    points = scene(160, 120, 100.0)
    points[..., 2] -= 4.0  # some z are negative now
    assert recover_shift(points, None, 100.0) == pytest.approx(4.0, abs=1e-3)


@pytest.mark.parametrize(
    "camera",
    [
        Camera(160, 120, 100.0, 100.0, 95.0, 50.0),
        Camera(160, 120, 100.0, 110.0, 79.5, 59.5),
        Camera(160, 120, 100.0, 100.0, 79.5, 59.5, "plumb_bob", (-0.3, 0.1, 0.0, 0.0, 0.0)),
    ],
    ids=["off-centre", "fy", "lens"],
)
def test_the_whole_camera_where_it_is_wanted(camera: Camera) -> None:
    z = scene(160, 120, 100.0)[..., 2:]
    points = torch.cat([rays(camera) * z, z - 0.5], -1)
    assert recover_shift(points, None, camera.fx, camera) == pytest.approx(0.5, abs=1e-4)
    assert abs(recover_shift(points, None, camera.fx) - 0.5) > 1e-3
