# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.distortion import newton_steps
from mono_depth_ros.geometry.rays import pixel_rays, project, rays

LENSES = {
    "none": (),
    "plumb_bob": (-0.28, 0.09, 0.0012, -0.0008, -0.011),
    "rational_polynomial": (0.9, 0.3, 0.0004, -0.0003, 0.02, 1.25, 0.5, 0.05),
    "equidistant": (0.03, -0.012, 0.004, -0.001),
}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


def lens(model: str) -> Camera:
    return Camera(64, 48, 45.0, 44.0, 30.5, 25.0, model, LENSES[model])


@pytest.mark.parametrize("model", LENSES)
@pytest.mark.parametrize("device", DEVICES)
def test_project_of_unproject_is_the_pixel(model, device):
    camera = lens(model)
    grid = rays(camera, device)
    points = torch.cat((grid, torch.ones_like(grid[..., :1])), dim=-1) * 7.5
    u, v = np.meshgrid(np.arange(64), np.arange(48))
    found = project(points, camera).cpu().numpy()
    assert np.isfinite(found).mean() > 0.99
    seen = np.isfinite(found).all(-1)
    np.testing.assert_allclose(found[seen], np.stack((u, v), -1)[seen], atol=2e-3)


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial"])
def test_projection_equals_opencv(model):
    camera = lens(model)
    points = np.random.default_rng(0).uniform((-1, -0.8, 2), (1, 0.8, 6), (50, 3))
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion))
    np.testing.assert_allclose(project(torch.from_numpy(points), camera), expected[:, 0], atol=1e-9)


def test_equidistant_projection_equals_opencv_fisheye():
    camera = lens("equidistant")
    points = np.random.default_rng(0).uniform((-3, -3, 1), (3, 3, 3), (50, 1, 3))
    expected, _ = cv2.fisheye.projectPoints(
        points, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion)
    )
    np.testing.assert_allclose(project(torch.from_numpy(points[:, 0]), camera), expected[:, 0], atol=1e-9)


PRISM = Camera(
    64, 48, 45, 44, 30.5, 25, "rational_polynomial", (*LENSES["rational_polynomial"], 0.01, -0.02, 0.005, 0.003)
)


def test_thin_prism_projection_equals_opencv():
    camera = PRISM
    points = np.random.default_rng(1).uniform((-1, -0.8, 2), (1, 0.8, 6), (20, 3))
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion))
    pixels = project(torch.from_numpy(points), camera)
    np.testing.assert_allclose(pixels, expected[:, 0], atol=1e-9)
    np.testing.assert_allclose(pixel_rays(pixels, camera), points[:, :2] / points[:, 2:], atol=1e-6)


@pytest.mark.parametrize("tau", [(0.1, -0.05), (0.0, 0.2), (-0.3, 0.0)])
def test_a_tilted_sensor_is_as_in_opencv(tau):
    camera = Camera(64, 48, 45, 44, 30.5, 25, "rational_polynomial", (*PRISM.distortion, *tau))
    points = np.random.default_rng(1).uniform((-1, -0.8, 2), (1, 0.8, 6), (20, 3))
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion))
    pixels = project(torch.from_numpy(points), camera)
    np.testing.assert_allclose(pixels, expected[:, 0], atol=1e-9)
    np.testing.assert_allclose(pixel_rays(pixels, camera), points[:, :2] / points[:, 2:], atol=1e-6)
    grid = rays(camera)
    seen = grid.isfinite().all(-1)
    v, u = np.nonzero(seen.numpy())
    assert seen.float().mean() > 0.99
    back = project(torch.cat((grid, torch.ones_like(grid[..., :1])), -1)[seen], camera)
    np.testing.assert_allclose(back, np.stack((u, v), -1), atol=2e-3)


def test_pixels_without_a_ray_are_unknown():
    # An equidistant lens with f = 20 px sees 90 degrees off axis at 31 px; the corners lie beyond.
    grid = rays(Camera(101, 101, 20.0, 20.0, 50.0, 50.0, "equidistant", (0.0,) * 4))
    assert torch.isnan(grid[0, 0]).all() and torch.isfinite(grid[50, 50]).all()
    assert grid[50, 70, 0] == pytest.approx(np.tan(1.0), rel=1e-6)
    # Strong barrel distortion folds: no ideal point appears beyond its largest radius, 0.385 of the focal length.
    folded = rays(Camera(101, 101, 50.0, 50.0, 50.0, 50.0, "plumb_bob", (-1.0, 0.0, 0.0, 0.0)))
    assert torch.isnan(folded[0, 0]).all() and torch.isfinite(folded[50, 60]).all()


def test_points_behind_or_unknown_have_no_pixel():
    points = torch.tensor([[0.0, 0, 1], [0, 0, -1], [0, 0, 0], [float("nan"), 0, 1], [0, 0, float("inf")]])
    found = project(points, Camera(10, 10, 5, 5, 4.5, 4.5))
    assert torch.equal(torch.isnan(found).all(-1), torch.tensor([False, True, True, True, True]))


@pytest.mark.parametrize("camera", [*map(lens, list(LENSES)[1:]), PRISM], ids=[*list(LENSES)[1:], "thin prism"])
def test_rays_equal_opencv(camera):
    u, v = np.meshgrid(np.arange(64.0), np.arange(48.0))
    pixels, D = np.stack((u, v), -1).reshape(-1, 1, 2), np.array(camera.distortion)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 1000, 1e-12)
    if camera.model == "equidistant":
        expected = cv2.fisheye.undistortPoints(pixels, camera.matrix, D, criteria=stop)
    else:
        expected = cv2.undistortPointsIter(pixels, camera.matrix, D, np.eye(3), np.eye(3), stop)
    np.testing.assert_allclose(rays(camera).reshape(-1, 2), expected[:, 0], rtol=2e-6, atol=2e-7)
    exact = pixel_rays(torch.from_numpy(pixels[:, 0]), camera)
    np.testing.assert_allclose(exact, expected[:, 0], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("model", ["plumb_bob", "equidistant"])
@pytest.mark.parametrize(("focal", "k1"), [(20.0, 1e200), (20.0, 1e308), (1e-200, 0.1), (1e-160, 0.1)])
def test_numbers_that_no_lens_has_end_in_no_ray(model, focal, k1):
    found = rays(Camera(16, 12, focal, focal, 7.5, 5.5, model, (k1, 0.0, 0.0, 0.0)))
    assert torch.isnan(found).all() or (model == "equidistant" and k1 == 1e200)


def test_most_lenses_need_few_steps_and_folding_ones_are_followed_to_the_fold():
    for camera in (*map(lens, LENSES), PRISM):
        assert newton_steps(camera) in (1, 2, 3, 4), camera
    # x (1 - 0.6 r2) grows up to r = 0.745, where it is 0.497: pixels have a ray exactly within that circle.
    camera = Camera(640, 480, 400.0, 400.0, 319.5, 239.5, "plumb_bob", (-0.6, 0.0, 0.0, 0.0, 0.0))
    assert newton_steps(camera) is None
    u, v = np.meshgrid(np.arange(640), np.arange(480))
    within = np.hypot(u - 319.5, v - 239.5) / 400 < (1 / 1.8) ** 0.5 * 2 / 3
    seen = torch.isfinite(rays(camera)[..., 0]).numpy()
    assert (seen == within).mean() > 0.9999 and not (seen & ~within).any()
    # With tangential terms the fold is no circle, and a start on it would lead to the other side.
    bent = torch.isfinite(rays(replace(camera, distortion=(-0.6, 0.0, 0.002, -0.001, 0.0)))[..., 0]).numpy()
    assert bent.sum() > 124_050  # from the table alone, without a start farther in, 142 fewer are found


@pytest.mark.parametrize("camera", [*map(lens, LENSES), PRISM])
def test_every_pixel_has_a_ray_that_leads_back_to_it(camera):
    """As exact as a float32 is, at the rim too, at the size of a real image."""
    camera = camera.resized(640, 480)
    points = torch.nn.functional.pad(rays(camera).double(), (0, 1), value=1.0)
    u, v = torch.meshgrid(torch.arange(640.0), torch.arange(480.0), indexing="xy")
    assert (project(points, camera) - torch.stack((u, v), -1)).abs().max() < 2e-4


def test_a_lens_with_a_pole_is_known_up_to_it():
    """1 - 0.91 r6 + ... is 0 at r = 1.06: image points move to infinity there, and come back from the other side."""
    lens_with_pole = (-0.215, -0.42, -0.0016, -0.003, 0.0089, 0.186, 0.364, -0.914)
    camera = Camera(160, 120, 104.6, 105.7, 79.8, 52.7, "rational_polynomial", lens_with_pole)
    grid = rays(camera)
    assert torch.isfinite(grid).all() and torch.linalg.vector_norm(grid, dim=-1).max() < 1.1


def test_rays_are_cached():
    assert rays(lens("plumb_bob")) is rays(lens("plumb_bob"))


def test_points_past_the_second_fold_of_a_lens_have_no_pixel():
    """x (1 - 0.3 r2 + 0.02 r4) grows, shrinks and grows again: at r = 3.5 it is back at r, with a positive slope."""
    camera = Camera(640, 480, 300.0, 300.0, 320.0, 240.0, "plumb_bob", (-0.3, 0.02, 0.0, 0.0))
    points = torch.tensor([[1.0, 0, 1], [1.2, 0, 1], [3.5, 0, 1], [0, 9.0, 1]], dtype=torch.float64)
    found = project(points, camera)
    assert found[0].tolist() == pytest.approx([320 + 300 * 0.72, 240])
    assert torch.isnan(found[1:]).all()
