# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import unproject
from mono_depth_ros.geometry.normals import curvature, normals_from_depth
from mono_depth_ros.geometry.rays import rays

CAMERA = Camera(160, 120, 140.0, 143.0, 78.0, 61.0)
FISHEYE = Camera(160, 120, 70.0, 70.0, 79.5, 59.5, "equidistant", (0.02, -0.01, 0.0, 0.0))
BENT = Camera(160, 120, 140.0, 140.0, 79.5, 59.5, "plumb_bob", (-0.25, 0.08, 0.001, -0.001, 0.0))


def plane(camera: Camera, normal: torch.Tensor, distance: float) -> torch.Tensor:
    """Depth of n . p = -distance."""
    grid = rays(camera).double()
    return (-distance / (grid @ normal[:2] + normal[2])).float()


def degrees(found: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    cross = torch.linalg.cross(found.double(), expected.expand_as(found).double(), dim=-1)
    return torch.rad2deg(torch.asin(torch.linalg.vector_norm(cross, dim=-1).clamp(max=1)))


@pytest.mark.parametrize("camera", [CAMERA, FISHEYE, BENT])
@pytest.mark.parametrize("normal", [(0.0, 0.0, -1.0), (0.0, -0.8, -0.6), (0.6, 0.3, -0.7)])
def test_a_plane_has_its_normal_everywhere(camera, normal) -> None:
    expected = torch.tensor(normal, dtype=torch.float64)
    expected /= expected.norm()
    depth = plane(camera, expected, 2.0)
    seen = (depth > 0) & (depth < 50)
    found = normals_from_depth(torch.where(seen, depth, torch.nan), rays(camera))
    known = torch.isfinite(found).all(-1)
    assert known.sum() > 0.5 * seen.sum() > 2000
    assert degrees(found, expected)[known].max() < 0.5
    assert degrees(found, expected)[known].mean() < 0.05


@pytest.mark.parametrize(("window", "mean"), [(1, 0.2), (7, 0.3)])
def test_a_sphere_has_the_normals_of_its_radius(window, mean) -> None:
    grid = torch.cat((rays(CAMERA).double(), torch.ones(120, 160, 1, dtype=torch.float64)), -1)
    centre, radius = torch.tensor([0.1, -0.1, 3.0], dtype=torch.float64), 1.0
    # |z grid - centre| = radius, the nearer root
    a, b, c = (grid * grid).sum(-1), grid @ centre, centre @ centre - radius**2
    depth = ((b - (b * b - a * c).sqrt()) / a).float()
    found = normals_from_depth(depth, rays(CAMERA), window=window)
    expected = (depth[..., None] * grid - centre) / radius
    frontal = torch.isfinite(found).all(-1) & ((expected * grid).sum(-1) < -0.5)
    assert frontal.sum() > 3000
    error = degrees(found, expected)[frontal]
    assert error.mean() < mean and error.max() < 2
    assert ((found * grid).sum(-1)[frontal] < 0).all()


def test_noise_of_the_depth_tilts_the_normals_little() -> None:
    expected = torch.tensor((0.6, 0.3, -0.7), dtype=torch.float64)
    expected /= expected.norm()
    depth = plane(CAMERA, expected, 2.0)
    depth = torch.where((depth > 0) & (depth < 20), depth, torch.nan)
    noisy = depth * (1 + 0.002 * torch.randn(depth.shape, generator=torch.Generator().manual_seed(0)))
    errors = [degrees(normals_from_depth(noisy, rays(CAMERA), window=window), expected) for window in (1, 7)]
    single, averaged = (float(error[torch.isfinite(error)].mean()) for error in errors)
    assert single > 5.0 and averaged < single / 8, (single, averaged)


def test_a_step_does_not_tilt_the_surfaces_beside_it() -> None:
    depth = torch.full((120, 160), 2.0)
    depth[:, 80:] = 4.0
    found = normals_from_depth(depth, rays(CAMERA))
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, -1.0]).expand(120, 160, 3), atol=2e-3, rtol=0)


def test_what_is_unknown_stays_unknown_and_spoils_no_neighbour() -> None:
    depth = torch.full((120, 160), 2.0)
    depth[10, 20], depth[10, 30], depth[50:, 100:] = torch.nan, 0.0, torch.inf
    found = torch.isfinite(normals_from_depth(depth, rays(CAMERA))).all(-1)
    expected = torch.isfinite(depth) & (depth > 0)
    assert torch.equal(found, expected)


def test_a_lone_pixel_has_no_normal() -> None:
    depth = torch.full((120, 160), torch.nan)
    depth[40, 40] = 1.0
    assert torch.isnan(normals_from_depth(depth, rays(CAMERA))).all()


def test_the_rays_must_be_of_the_same_size() -> None:
    with pytest.raises(ValueError, match="expected the same"):
        normals_from_depth(torch.ones(10, 10), rays(CAMERA))


def test_planes_have_no_curvature_and_spheres_that_of_their_radius() -> None:
    flat = plane(CAMERA, torch.tensor([0.3, -0.4, -0.866], dtype=torch.float64), 2.0)
    points = unproject(flat, rays(CAMERA))
    assert curvature(points, normals_from_depth(flat, rays(CAMERA))).nanmean() < 1e-6

    def bend(radius: float) -> float:
        x, y = rays(CAMERA).unbind(-1)
        depth = 3 + radius - (radius**2 - (3 * x) ** 2 - (3 * y) ** 2).clamp(min=0).sqrt()
        middle = slice(50, 70), slice(70, 90)
        found = curvature(unproject(depth, rays(CAMERA)), normals_from_depth(depth, rays(CAMERA)))
        return float(found[middle].mean())

    # Seen from the tangent plane, a sphere falls off by step^2 / (2 radius): the part of the way is its square.
    step = 3.0 / 141.5
    assert bend(1.0) == pytest.approx((step / 2) ** 2, rel=0.1)
    assert bend(0.5) == pytest.approx(4 * bend(1.0), rel=0.1)


def test_curvature_is_unknown_where_the_point_or_all_its_neighbours_are() -> None:
    points = torch.ones(4, 5, 3)
    points[..., 0], points[..., 1] = torch.arange(5.0), torch.arange(4.0)[:, None]
    points[1, 1] = torch.nan
    points[2:, 3:] = torch.nan
    points[3, 4] = 1.0
    found = curvature(points, torch.tensor([0.0, 0.0, -1.0]).expand(4, 5, 3))
    unknown = torch.isnan(points[..., 0])
    unknown[3, 4] = True
    assert torch.equal(torch.isnan(found), unknown) and (found[~unknown] == 0).all()
