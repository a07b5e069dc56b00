# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import depth_edges, limit_range, pack_cloud, unproject
from mono_depth_ros.geometry.rays import rays

CAMERA = Camera(40, 30, 35.0, 36.0, 19.0, 14.0)


def tilted_plane(camera: Camera, normal=(0.0, -0.9, -0.3), distance=1.2) -> torch.Tensor:
    """Depth of the plane n . p = -d; NaN where it is not in front."""
    x, y = rays(camera).double().unbind(-1)
    z = -distance / (normal[0] * x + normal[1] * y + normal[2])
    return torch.where(z > 0, z, torch.nan).float()


def test_unprojected_plane_lies_on_the_plane():
    points = unproject(tilted_plane(CAMERA), rays(CAMERA)).double()
    seen = torch.isfinite(points).all(-1)
    assert seen.sum() > 300
    distance = points[seen] @ torch.tensor([0.0, -0.9, -0.3], dtype=torch.float64)
    assert torch.allclose(distance, torch.full_like(distance, -1.2), rtol=1e-5)


def test_cloud_equals_the_formula_in_float64():
    depth = torch.rand(30, 40) * 20 + 0.1
    cloud = pack_cloud(depth, rays(CAMERA), torch.zeros(30, 40, 3, dtype=torch.uint8)).numpy()
    u, v = np.meshgrid(np.arange(40.0), np.arange(30.0))
    z = depth.numpy().astype(np.float64)
    expected = np.stack(((u - 19.0) / 35.0 * z, (v - 14.0) / 36.0 * z, z), -1)
    np.testing.assert_allclose(cloud[..., :3], expected, rtol=1e-5, atol=1e-9)


def test_colour_is_packed_as_pcl_reads_it():
    rgb = torch.tensor([[[1, 2, 3], [255, 128, 0]]], dtype=torch.uint8)
    cloud = pack_cloud(torch.ones(1, 2), torch.zeros(1, 2, 2), rgb)
    assert cloud[..., 3].numpy().view(np.uint32).tolist() == [[0x010203, 0xFF8000]]
    assert cloud.numpy().view(np.uint8)[0, 0, 12:15].tolist() == [3, 2, 1]  # bytes b, g, r


def test_unknown_and_sky_are_nan_points():
    depth = torch.tensor([[float("nan"), float("inf"), 2.0, 2.0]])
    grid = torch.tensor([[[0.1, 0.2]] * 3 + [[float("nan")] * 2]])
    points = pack_cloud(depth, grid, torch.zeros(1, 4, 3, dtype=torch.uint8))[0, :, :3]
    assert torch.isnan(points[[0, 1, 3]]).all() and torch.isfinite(points[2]).all()
    assert torch.isnan(unproject(depth, grid)[0, [0, 1, 3]]).all()


def test_rays_of_another_size_are_refused():
    with pytest.raises(ValueError, match="expected the same"):
        unproject(torch.ones(3, 4), rays(CAMERA))


def test_range_limits_mark_and_never_clamp():
    depth = torch.tensor([-1.0, 0.0, 0.2, 0.3, 5.0, 5.1, float("inf"), float("nan")])
    limited = limit_range(depth, 0.3, 5.0)
    assert limited[[3, 4]].tolist() == [pytest.approx(0.3), 5.0]
    assert torch.isnan(limited[[0, 1, 2, 7]]).all() and torch.isinf(limited[[5, 6]]).all()


def test_a_slanted_plane_has_no_edges_even_near_its_horizon():
    camera = Camera.from_fov((160, 120), 70)
    depth = tilted_plane(camera, normal=(0.0, -1.0, 0.05), distance=0.6)
    depth = torch.where(depth < 60, depth, torch.nan)
    inside = torch.isfinite(depth)
    inside[: int(inside.any(1).nonzero()[0]) + 8] = False  # the rim, where the plane ends, is a true edge
    assert inside.sum() > 5000 and not depth_edges(depth, 0.05)[inside].any()


@pytest.mark.parametrize("smear", [0, 2])
def test_jumps_are_found_sharp_or_smeared(smear):
    step = torch.clamp((torch.arange(60.0) - 29.5) / (smear + 1e-3), -0.5, 0.5) + 0.5
    depth = (2.0 + 3.0 * step).expand(40, 60)
    edges = depth_edges(depth, 0.1)
    columns = edges[20].nonzero().flatten().tolist()
    assert {29, 30} <= set(columns) and min(columns) >= 26 and max(columns) <= 33
    assert torch.equal(depth_edges(depth.T, 0.1), edges.T)


@pytest.mark.parametrize("column", [1, 2, 5, 57])
def test_jumps_are_found_up_to_the_border(column):
    depth = torch.where(torch.arange(60) < column, 2.0, 5.0).expand(40, 60)
    edges = depth_edges(depth, 0.1)
    assert edges[:, column - 1 : column + 1].all() and not edges[:, : max(column - 2, 0)].any()
    assert torch.equal(depth_edges(depth.T, 0.1), edges.T)


def test_a_crease_is_no_edge():
    camera = Camera.from_fov((160, 120), 70)
    floor = tilted_plane(camera, normal=(0.0, -1.0, 0.0), distance=0.6)
    depth = torch.where(floor < 3.0, floor, torch.full_like(floor, 3.0))
    assert not depth_edges(depth, 0.1).any()
