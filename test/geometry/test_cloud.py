# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from mono_depth_ros.geometry import cloud
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
    points = pack_cloud(depth, rays(CAMERA), torch.zeros(30, 40, 3, dtype=torch.uint8)).numpy()
    u, v = np.meshgrid(np.arange(40.0), np.arange(30.0))
    z = depth.numpy().astype(np.float64)
    expected = np.stack(((u - 19.0) / 35.0 * z, (v - 14.0) / 36.0 * z, z), -1)
    np.testing.assert_allclose(points[..., :3], expected, rtol=1e-5, atol=1e-9)


def test_colour_is_packed_as_pcl_reads_it():
    rgb = torch.tensor([[[1, 2, 3], [255, 128, 0]]], dtype=torch.uint8)
    points = pack_cloud(torch.ones(1, 2), torch.zeros(1, 2, 2), rgb)
    assert points[..., 3].numpy().view(np.uint32).tolist() == [[0x010203, 0xFF8000]]
    assert points.numpy().view(np.uint8)[0, 0, 12:15].tolist() == [3, 2, 1]  # bytes b, g, r


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


@pytest.fixture(scope="module")
def rugged() -> torch.Tensor:
    """Depth with jumps, slopes, holes and sky, of several bands of the CPU and of sides that no stride divides."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 14, 30, generator=generator) * 5 + 0.5
    depth = torch.nn.functional.interpolate(coarse, (211, 613), mode="bilinear")[0, 0]
    depth[:, 300:] *= 2
    depth[90:] += 1.0
    depth[::37, ::41], depth[5:30, 9:50], depth[100, 100], depth[101, 101] = torch.nan, torch.inf, 0.0, -1.0
    return depth


def on_the_device(depth, ratio):
    """As a GPU computes the edges."""
    inverse = torch.where(torch.isfinite(depth) & (depth > 0), 1.0 / depth, 0.0)
    return cloud._slope_jumps(inverse, ratio * inverse) | cloud._slope_jumps(inverse.T, ratio * inverse.T).T


@pytest.mark.parametrize("size", [(211, 613), (100, 12), (12, 100), (13, 13), (3, 2)])
def test_edges_of_a_stride_are_those_of_the_whole_image(rugged, size):
    depth = rugged[80 : 80 + size[0], : size[1]] if size[0] <= 131 else rugged
    edges = on_the_device(depth, 0.05)
    assert edges.any() == (max(size) > 3)
    for stride in (1, 2, 3, 7):
        assert torch.equal(depth_edges(depth, 0.05, stride), edges[::stride, ::stride]), stride


def test_what_is_left_out_has_no_point_and_memory_is_written_again(rugged):
    camera = Camera.from_fov((613, 211), 70)
    left_out, out = depth_edges(rugged, 0.05), torch.full((211, 613, 4), 7.0)
    rgb = torch.randint(0, 256, (211, 613, 3), dtype=torch.uint8)
    points = pack_cloud(rugged, rays(camera), rgb, left_out, out)
    assert points.data_ptr() == out.data_ptr()
    expected = unproject(torch.where(left_out, torch.nan, rugged), rays(camera))
    np.testing.assert_array_equal(points[..., :3].numpy(), expected.numpy())
    colours = rgb.int() @ torch.tensor([1 << 16, 1 << 8, 1], dtype=torch.int32)
    np.testing.assert_array_equal(points[..., 3].numpy().view(np.int32), colours.numpy())
