# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from mono_depth_ros.alignment.projected_points import Counts, project_points, samples_from_points, why_none
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import compose, rigid_from_matrix, transform_points

CAMERA = Camera(64, 48, 50.0, 40.0, 30.0, 20.0)
ALL = ReferenceConfig(occlusion_window=0)


def at(u: float, v: float, z: float, camera: Camera = CAMERA) -> tuple[float, float, float]:
    """The point seen at a pixel by a camera without distortion."""
    return (u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z


def cloud(*pixels: tuple[float, float, float]) -> np.ndarray:
    return np.array([at(*pixel) for pixel in pixels], dtype=np.float32)


def test_points_come_to_their_pixels():
    found = samples_from_points(cloud((10, 5, 2.0), (63, 47, 7.5), (0, 0, 3.0)), CAMERA, ALL)
    assert (found.rows.tolist(), found.columns.tolist()) == ([0, 5, 47], [0, 10, 63])
    np.testing.assert_array_equal(found.depth, np.float32([3.0, 2.0, 7.5]))
    assert found.size == (48, 64) and found.depth.dtype == np.float32 and found.rows.dtype == np.int64


def test_a_pixel_reaches_half_way_to_its_neighbours():
    inside = cloud((-0.49, 5, 2), (63.49, 6, 2), (9, -0.49, 2), (9, 47.49, 2), (20.49, 20, 2), (30.51, 30, 2))
    found = samples_from_points(inside, CAMERA, ALL)
    expected = {(5, 0), (6, 63), (0, 9), (47, 9), (20, 20), (30, 31)}
    assert set(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) == expected
    outside = project_points(cloud((-0.51, 5, 2), (63.51, 6, 2), (9, -0.51, 2), (9, 47.51, 2)), CAMERA, ALL)
    assert outside.counts == Counts(points=4, outside=4)


def test_the_nearest_of_a_pixel_stays_in_any_order():
    points = cloud((10, 5, 4.0), (10.2, 5.1, 2.0), (9.9, 4.8, 3.0))
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        found = project_points(points[order], CAMERA, ALL)
        assert found.samples.depth.tolist() == [2.0] and found.counts == Counts(points=3, kept=1, z_buffered=2)


def test_each_point_is_counted_under_what_became_of_it():
    nan, inf = float("nan"), float("inf")
    points = np.array(
        [
            *cloud((10, 5, 4.0), (10, 5, 5.0), (200, 5, 4.0), (40, 30, 0.2), (40, 30, 101.0), (40, 30, 100.0)),
            (nan, 0, 1),
            (0, nan, 1),
            (0, 0, nan),
            (inf, 0, 1),
            (0, 0, inf),
            (0, 0, -3),
            (1, 0, 0),
        ],
        dtype=np.float32,
    )
    found = project_points(points, CAMERA, ALL)
    assert found.counts == Counts(
        points=13, kept=2, not_finite=5, behind=2, outside=1, out_of_limits=2, z_buffered=1, occluded=0
    )
    assert found.samples.depth.tolist() == [4.0, 100.0]
    text = "2 of 13 points (5 not finite, 2 behind, 1 outside, 2 out of limits, 1 z buffered)"
    assert str(found.counts) == text


@pytest.mark.parametrize(
    ("points", "reason", "words"),
    [
        (np.empty((0, 3)), "reference_empty", "no points"),
        (np.full((7, 3), np.nan), "reference_not_finite", "all 7 points of the reference are NaN or infinite"),
        ([[0, 0, -1], [np.nan, 0, 0], [5, 5, -2]], "reference_behind", "all 2 points .* cam_from_reference right"),
        ([[0, 0, 0.1], [0, 0, 2000]], "reference_limits", "all 2 points .* reference_min .*metres"),
        ([[9, 0, 1], [0, 0, -1]], "reference_outside", r"0 of 2 points \(1 behind, 1 outside\); is cam_from"),
    ],
)
def test_a_cloud_that_gives_no_sample_says_why(points, reason, words):
    with pytest.raises(SamplesError, match=words) as error:
        samples_from_points(np.array(points, dtype=np.float32), CAMERA)
    assert error.value.reason == reason
    assert why_none(project_points(np.array(points, dtype=np.float32), CAMERA).counts)[1] == reason


def test_an_array_of_another_shape_is_refused():
    with pytest.raises(SamplesError, match=r"shape \(5, 4\), expected \(N, 3\)"):
        samples_from_points(np.zeros((5, 4)), CAMERA)


LENSES = {
    "plumb_bob": (-0.28, 0.09, 0.0012, -0.0008, -0.011),
    "rational_polynomial": (0.9, 0.3, 0.0004, -0.0003, 0.02, 1.25, 0.5, 0.05),
    "equidistant": (0.03, -0.012, 0.004, -0.001),
}


@pytest.mark.parametrize("model", LENSES)
def test_the_distortion_of_the_image_is_applied_as_opencv_does(model):
    camera = Camera(640, 480, 400.0, 410.0, 330.0, 235.0, model, LENSES[model])
    points = np.random.default_rng(0).uniform((-2, -1.5, 2), (2, 1.5, 9), (500, 3))
    zero = np.zeros(3)
    if model == "equidistant":
        uv, _ = cv2.fisheye.projectPoints(points[:, None], zero, zero, camera.matrix, np.array(camera.distortion))
    else:
        uv, _ = cv2.projectPoints(points, zero, zero, camera.matrix, np.array(camera.distortion))
    u, v = uv.reshape(-1, 2).T
    clear = (np.abs(u % 1 - 0.5) > 1e-3) & (np.abs(v % 1 - 0.5) > 1e-3)  # not on the border of two pixels
    expected = np.full((480, 640), np.inf)
    inside = clear & (u > -0.5) & (u < 639.5) & (v > -0.5) & (v < 479.5)
    assert inside.sum() > 400
    np.minimum.at(expected, (np.rint(v[inside]).astype(int), np.rint(u[inside]).astype(int)), points[inside, 2])
    found = samples_from_points(points[clear], camera, ALL)
    assert (found.rows.tolist(), found.columns.tolist()) == tuple(k.tolist() for k in np.nonzero(np.isfinite(expected)))
    np.testing.assert_allclose(found.depth, expected[found.rows, found.columns], rtol=1e-6)


def test_points_outside_the_field_of_view_do_not_wrap_into_the_image():
    """x (1 - 0.3 r2) of a point at r = 1.7 is at 0.23, inside the image; at r = 3 it is at -5.1; k2 folds it again."""
    for distortion in ((-0.3, 0.0, 0.0, 0.0), (-0.3, 0.02, 0.0, 0.0)):
        camera = Camera(640, 480, 300.0, 300.0, 320.0, 240.0, "plumb_bob", distortion)
        seen = np.array([[0.5, 0, 1], [0, -0.6, 1]], dtype=np.float32) * 5
        r = np.linspace(1.3, 12, 4000)  # the image ends at r = 0.9, the first fold is at r = 1.05
        angle = np.linspace(0, 60, 4000)
        wide = np.stack((r * np.cos(angle), r * np.sin(angle), np.ones_like(r)), axis=-1) * 5
        wrapped, _ = cv2.projectPoints(wide, np.zeros(3), np.zeros(3), camera.matrix, np.array(distortion))
        assert ((wrapped > 0) & (wrapped < (640, 480))).all(axis=-1).sum() > 100
        found = project_points(np.vstack((seen, wide)), camera, ALL)
        assert found.counts == Counts(points=4002, kept=2, outside=4000)


def test_kitti_velodyne_lies_on_the_image(real_data):
    """The published calibration, with the small translation of P2, against the same projection in float64."""
    folder = real_data / "kitti_lidar"
    if not folder.is_dir():
        pytest.skip(f"no kitti_lidar in {real_data}")
    for name in ("000000", "000001"):
        rows = (line.split(": ") for line in (folder / f"calib/{name}.txt").read_text().splitlines() if line.strip())
        calib = {key: np.array(values.split(), dtype=float) for key, values in rows}
        P2, height_width = calib["P2"].reshape(3, 4), cv2.imread(str(folder / f"image_2/{name}.png")).shape[:2]
        camera = Camera(height_width[1], height_width[0], P2[0, 0], P2[1, 1], P2[0, 2], P2[1, 2])
        velodyne = np.fromfile(folder / f"velodyne/{name}.bin", dtype="<f4").reshape(-1, 4)[:, :3]
        rectified_from_camera0, shift = np.eye(4), np.eye(4)
        rectified_from_camera0[:3, :3] = calib["R0_rect"].reshape(3, 3)
        shift[:3, 3] = np.linalg.solve(P2[:, :3], P2[:, 3])
        cam_from_velodyne = compose(
            shift, rigid_from_matrix(rectified_from_camera0), rigid_from_matrix(calib["Tr_velo_to_cam"].reshape(3, 4))
        )
        raw = project_points(transform_points(cam_from_velodyne, velodyne), camera, ALL)

        h = np.c_[velodyne.astype(float), np.ones(len(velodyne))]
        image = P2 @ rectified_from_camera0 @ np.vstack((calib["Tr_velo_to_cam"].reshape(3, 4), [0, 0, 0, 1])) @ h.T
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v, z = image[0] / image[2], image[1] / image[2], image[2]
        seen = (z > 0.3) & (u > -0.5) & (u < camera.width - 0.5) & (v > -0.5) & (v < camera.height - 0.5)
        assert abs(raw.counts.kept + raw.counts.z_buffered - seen.sum()) <= 2  # rounding at the border
        truth = np.full(height_width, np.inf)
        np.minimum.at(truth, (np.rint(v[seen]).astype(int), np.rint(u[seen]).astype(int)), z[seen])
        same = np.isclose(truth[raw.samples.rows, raw.samples.columns], raw.samples.depth, rtol=1e-4)
        assert same.mean() > 0.998 and len(raw.samples) > 15_000  # float32 puts a few into the next pixel

        visible = project_points(transform_points(cam_from_velodyne, velodyne), camera)
        assert 0.95 < visible.counts.kept / raw.counts.kept < 1.0


def test_a_sweep_takes_milliseconds():
    rng = np.random.default_rng(0)
    azimuth, elevation, distance = rng.uniform(-np.pi, np.pi, 120_000), rng.uniform(-0.43, 0.03, 120_000), 1.0
    distance = np.minimum(1.7 / np.maximum(np.sin(-elevation), 1e-3), 40.0)  # a road, and a wall 40 m away
    x, y, z = np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), np.cos(azimuth) * np.cos(elevation)
    points = (np.stack((x, y, z), axis=-1) * distance[:, None]).astype(np.float32)
    camera = Camera(1242, 375, 707.0, 707.0, 604.0, 180.5, "plumb_bob", (-0.05, 0.01, 0.0, 0.0, 0.0))
    samples_from_points(points, camera)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        samples_from_points(points, camera)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05, f"{min(times) * 1e3:.1f} ms"  # about 10 ms on one core of 2020
