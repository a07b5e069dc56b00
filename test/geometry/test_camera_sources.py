# SPDX-License-Identifier: Apache-2.0
"""A camera of a matrix, a field of view, and the Exif tags of a picture."""

from __future__ import annotations

import contextlib
import io
import logging
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from mono_depth_ros.errors import CameraError
from mono_depth_ros.geometry.camera import Camera

K = [[500.0, 0, 320.0], [0, 510.0, 240.0], [0, 0, 1]]
EXIF, FOCAL_MM, PLANE_X, PLANE_Y, UNIT, PIXELS_X, FOCAL_35MM = 0x8769, 0x920A, 0xA20E, 0xA20F, 0xA210, 0xA002, 0xA405


def test_a_matrix():
    assert Camera.from_matrix(np.array(K), (640, 480)) == Camera(640, 480, 500.0, 510.0, 320.0, 240.0)
    bent = Camera.from_matrix(K, (640, 480), np.array([[-0.3, 0.1, 0, 0, 0.01]]))  # (1, 5), as OpenCV gives it
    assert (bent.model, bent.distortion) == ("plumb_bob", (-0.3, 0.1, 0, 0, 0.01))
    assert Camera.from_matrix(K, (640, 480), (0.1, 0, 0, 0), "equidistant").model == "equidistant"


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (np.eye(4), r"K has the shape \(4, 4\), expected \(3, 3\)"),
        ([[500, 2, 320], [0, 500, 240], [0, 0, 1]], "expected .*fx, 0, cx"),
        (np.array(K).T, "expected .*fx, 0, cx"),
        ([[0.8, 0, 0.5], [0, 1.1, 0.5], [0, 0, 1]], "divided by the size"),
        ([[1, 2], [3]], "expected 3x3 numbers"),
        ([[-500, 0, 320], [0, 500, 240], [0, 0, 1]], "fx is -500"),
    ],
)
def test_other_matrices_are_refused(matrix, sentence):
    with pytest.raises(CameraError, match=sentence):
        Camera.from_matrix(matrix, (640, 480))


def test_a_field_of_view():
    camera = Camera.from_fov((640, 480), hfov_deg=90)
    assert camera.fx == camera.fy == pytest.approx(320) and (camera.cx, camera.cy) == (319.5, 239.5)
    for degrees in (0, 180, -5, math.nan):
        with pytest.raises(CameraError, match="expected degrees between 0 and 180"):
            Camera.from_fov((640, 480), degrees)


def test_a_camera_comes_back_from_its_file(tmp_path):
    camera = Camera(64, 48, 50.0, 50.0, 31.0, 23.0, "equidistant", (0.1, 0, 0, 1e-7))
    camera.to_yaml(tmp_path / "camera.yaml")
    assert Camera.from_yaml(tmp_path / "camera.yaml") == camera


def picture(path: Path, tags: dict, size=(400, 300)) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6  # an orientation, which does not count
    exif.get_ifd(EXIF).update(tags)
    Image.new("RGB", size).save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_focal_length_of_35_mm_film_is_of_the_diagonal(tmp_path, suffix, caplog):
    with caplog.at_level(logging.WARNING):
        camera = Camera.from_exif(picture(tmp_path / f"photo{suffix}", {FOCAL_35MM: 26, FOCAL_MM: IFDRational(42, 10)}))
    focal = 26 * 500 / math.hypot(36, 24)
    assert (camera.width, camera.height, camera.cx, camera.cy) == (400, 300, 199.5, 149.5) and camera.rectified
    assert camera.fx == camera.fy == pytest.approx(focal)
    assert "estimated" in caplog.text and "FocalLengthIn35mmFilm" in caplog.text


@pytest.mark.parametrize(("unit", "mm"), [(2, 25.4), (3, 10.0), (None, 25.4)])
def test_the_focal_length_by_the_resolution_of_the_sensor(tmp_path, unit, mm):
    per_unit = IFDRational(4000 * 10, 225)  # 4000 pixels on 22.5 units
    tags = {FOCAL_MM: IFDRational(50), PLANE_X: per_unit, PLANE_Y: per_unit, PIXELS_X: 4000}
    camera = Camera.from_exif(picture(tmp_path / "a.jpg", tags if unit is None else {**tags, UNIT: unit}))
    assert camera.fx == camera.fy == pytest.approx(50 * 4000 / 22.5 / mm * 400 / 4000)


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ({}, "a focal length|no Exif data"),
        ({FOCAL_MM: IFDRational(42, 10)}, "FocalLength alone"),
        ({FOCAL_35MM: 0}, ""),
    ],
)
def test_a_picture_without_focal_length_is_refused(tmp_path, tags, sentence):
    with pytest.raises(CameraError, match=f"({sentence}).*expected FocalLengthIn35mmFilm") as caught:
        Camera.from_exif(picture(tmp_path / "a.jpg", tags))
    assert caught.value.reason == "camera_uncalibrated"


def test_what_is_no_picture_or_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    for content, sentence in ((b"", "nothing, expected a JPEG or PNG"), (b"GIF89a..", "47 49 46 38, expected a JPEG")):
        path.write_bytes(content)
        with pytest.raises(CameraError, match=sentence):
            Camera.from_exif(path)
    with pytest.raises(CameraError, match=r"none\.jpg cannot be read"):
        Camera.from_exif(tmp_path / "none.jpg")
    whole = picture(path, {FOCAL_35MM: 26}).read_bytes()
    for length in range(2, len(whole), 7):  # never anything but a camera or a CameraError
        path.write_bytes(whole[:length])
        with contextlib.suppress(CameraError):
            assert Camera.from_exif(path).width == 400
    plain = io.BytesIO()
    Image.new("RGB", (40, 30)).save(plain, "JPEG")
    path.write_bytes(plain.getvalue())
    with pytest.raises(CameraError, match="has no Exif data"):
        Camera.from_exif(path)
