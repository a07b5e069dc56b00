# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from mono_depth_ros.errors import CameraError
from mono_depth_ros.geometry.calibration import CameraCalibration
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays

K = (500.0, 0, 320, 0, 510, 240, 0, 0, 1)
P = (400.0, 0, 310, 0, 0, 410, 230, 0, 0, 0, 1, 0)
D = (-0.3, 0.1, 0.001, -0.002, 0.0)


def calibrated(rectified=False, roi=(0, 0, 0, 0), binning=(1, 1), **changes) -> Camera:
    values = {"width": 640, "height": 480, "K": K, "D": D, "P": P, "model": "plumb_bob", **changes}
    return Camera.from_calibration(CameraCalibration(**values, roi=roi, binning=binning), rectified=rectified)


def test_raw_uses_k_and_d_and_rectified_uses_p():
    raw, rectified = calibrated(), calibrated(rectified=True)
    assert (raw.fx, raw.fy, raw.cx, raw.cy, raw.model, raw.distortion) == (500, 510, 320, 240, "plumb_bob", D)
    assert (rectified.fx, rectified.fy, rectified.cx, rectified.cy) == (400, 410, 310, 230)
    assert rectified.rectified and rectified.distortion == ()
    np.testing.assert_array_equal(raw.matrix, np.array(K).reshape(3, 3))


def test_roi_shifts_the_centre_and_binning_follows_the_half_pixel_rule():
    camera = calibrated(roi=(100, 50, 320, 240), binning=(2, 2))
    assert (camera.width, camera.height, camera.fx, camera.fy) == (160, 120, 250, 255)
    # The centre of binned pixel 0 is the mean of sensor pixels 100 and 101, which is 100.5.
    assert camera.cx == pytest.approx((320 - 100.5) / 2) and camera.cy == pytest.approx((240 - 50.5) / 2)


def test_odd_roi_is_binned_without_changing_the_focal_ratio():
    camera = calibrated(roi=(0, 0, 321, 241), binning=(2, 2))
    assert (camera.width, camera.height, camera.fx) == (160, 120, 250)


def test_resized_keeps_the_rays_of_the_image_edges():
    camera = Camera(640, 480, 500, 510, 300, 200)
    half = camera.resized(320, 240)
    for edge, edge_half in ((-0.5, -0.5), (639.5, 319.5)):
        assert (edge - camera.cx) / camera.fx == pytest.approx((edge_half - half.cx) / half.fx)


def test_strided_keeps_the_rays_of_the_pixels_it_keeps():
    camera = Camera(641, 480, 500, 510, 300, 200)
    third = camera.strided(3)
    assert (third.width, third.height) == (214, 160)
    assert (3 * 100 - camera.cx) / camera.fx == pytest.approx((100 - third.cx) / third.fx)


def test_pinhole_field_of_view():
    camera = Camera.from_fov((640, 480), 90.0)
    assert camera.fx == pytest.approx(320) and camera.cx == 319.5


@pytest.mark.parametrize("focal", [0.0, -500.0, float("nan"), float("inf")])
def test_uncalibrated_focal_length_is_refused(focal):
    with pytest.raises(CameraError, match="not calibrated") as caught:
        calibrated(K=(focal, *K[1:]))
    assert caught.value.reason == "camera_uncalibrated"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "thin_plate"}, "thin_plate.*expected one of"),
        ({"model": ""}, "model is empty"),
        ({"D": (0.1, 0.2)}, "2 distortion coefficients, expected 4 or 5"),
        ({"D": (float("nan"), 0, 0, 0, 0)}, "finite"),
        ({"roi": (600, 0, 100, 100)}, "outside"),
        ({"P": (0.0,) * 12, "rectified": True}, "P is all zero"),
        ({"K": (1.0, 2.0)}, "K has 2"),
        ({"width": 0}, "at least 1x1"),
        ({"model": "rational_polynomial", "D": (0.1,) * 13 + (1.6,)}, "tilted"),
        ({"model": "plumb_bob", "D": (0.1,) * 6}, "6 distortion coefficients, expected 4 or 5"),
        ({"model": "equidistant", "D": (0.1,) * 5}, "5 distortion coefficients, expected 4"),
        ({"width": 0, "height": 0, "roi": (0, 0, 100, 100)}, "at least 1x1"),
    ],
)
def test_bad_calibration_is_refused_with_what_was_found(changes, words):
    with pytest.raises(CameraError, match=words):
        calibrated(**changes)


def test_zero_distortion_is_a_pinhole_but_a_zero_equidistant_lens_is_not():
    assert calibrated(D=(0.0,) * 5).rectified
    assert calibrated(D=(0.0,) * 4, model="equidistant").model == "equidistant"
    assert calibrated(D=(0.0, 0.0, 0.0, 0.0), model="fisheye").model == "equidistant"


def test_the_number_of_coefficients_decides_as_in_opencv():
    assert calibrated(D=(0.1,) * 8).model == "rational_polynomial"
    assert calibrated(D=(0.1,) * 5, model="rational_polynomial").model == "plumb_bob"
    five = calibrated(D=(0.1, 0.2, 0.3, 0.4, 0.0), model="kannala_brandt4")  # as realsense2_camera writes it
    assert (five.model, five.distortion) == ("equidistant", (0.1, 0.2, 0.3, 0.4))


def test_without_a_size_that_of_the_image_counts():
    values = {"width": 0, "height": 0, "K": K, "D": D, "P": P, "model": "plumb_bob"}
    assert Camera.from_calibration(CameraCalibration(**values), size=(640, 480)) == calibrated()
    binned = Camera.from_calibration(CameraCalibration(**values, binning=(2, 2)), size=(320, 240))
    assert binned == calibrated(binning=(2, 2))
    assert Camera.from_calibration(CameraCalibration(**{**values, "width": 64, "height": 48}), size=(9, 9)).width == 64


def test_rectified_without_p_falls_back_to_k_only_without_distortion():
    assert calibrated(D=(), P=(0.0,) * 12, rectified=True).fx == 500


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize(
    "model, coefficients",
    [
        ("none", ()),
        ("plumb_bob", (-0.2, 0.05, 0.004, -0.003, 0.01)),
        ("rational_polynomial", (0.1, 0.02, 0.004, -0.003, 0.01, 0.02, 0.01, 0.001, 0.003, 0.001, -0.002, 0.002)),
        ("equidistant", (0.02, -0.01, 0.003, 0.0)),
    ],
)
def test_the_camera_of_a_turned_image_sees_the_turned_rays(degrees, model, coefficients):
    camera = Camera(40, 30, 30.0, 31.0, 18.0, 16.0, model, coefficients)
    turned = camera.turned(degrees)
    stored = rays(camera).numpy()  # (H, W, 2) x, y at z = 1
    for _ in range(degrees // 90):  # clockwise: new x is the old -y, new y the old x
        stored = np.rot90(np.stack([-stored[..., 1], stored[..., 0]], axis=-1), -1)
    np.testing.assert_allclose(rays(turned).numpy(), stored, atol=2e-5)
    assert turned.turned(360 - degrees) == camera
