# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest

from mono_depth_ros.errors import CameraError, ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.camera_argument import CameraArgument

LENS = Camera(64, 48, 50.0, 51.0, 31.0, 23.0, "plumb_bob", (-0.1, 0.01, 0.0, 0.0, 0.0))


@pytest.fixture
def yaml_file(tmp_path):
    LENS.to_yaml(tmp_path / "lens.yaml")
    return tmp_path / "lens.yaml"


def test_four_numbers_fit_any_size():
    argument = CameraArgument.parse("500,510.5,320,240")
    assert argument.camera(640, 480) == Camera(640, 480, 500.0, 510.5, 320.0, 240.0)
    assert argument.camera(700, 500) == Camera(700, 500, 500.0, 510.5, 320.0, 240.0)


def test_calibration_with_distortion(yaml_file):
    argument = CameraArgument.parse(str(yaml_file))
    assert argument.camera(64, 48) == LENS
    assert argument.camera(64, 48, rectified=True) == replace(LENS, model="none", distortion=())


def test_calibration_of_another_size_is_refused(yaml_file):
    with pytest.raises(CameraError, match=r"the image is 128x96 but .*lens\.yaml is for 64x48"):
        CameraArgument.parse(str(yaml_file)).camera(128, 96)


def test_matrix_file(tmp_path):
    path = tmp_path / "camera-intrinsics.txt"
    path.write_text("5.85e+02 0 3.2e+02 \n0 585 240\n0 0 1\n\n")
    assert CameraArgument.parse(str(path)).camera(640, 480) == Camera(640, 480, 585.0, 585.0, 320.0, 240.0)


@pytest.mark.parametrize(
    "content", ["1 2 3", "500 0 320\n0 500 240\n0 0 2", "500 1 320\n0 500 240\n0 0 1", "a b c", ""]
)
def test_matrix_file_of_something_else(tmp_path, content):
    path = tmp_path / "k.txt"
    path.write_text(content)
    with pytest.raises(CameraError, match=r"k\.txt"):
        CameraArgument.parse(str(path))


@pytest.mark.parametrize("text", ["500", "500,500,320", "500,500,320,240,0", "a,b,c,d", "nowhere"])
def test_other_texts_are_refused(text):
    with pytest.raises(ConfigError, match="expected fx,fy,cx,cy"):
        CameraArgument.parse(text)


@pytest.mark.parametrize("text", ["0,500,320,240", "nan,500,320,240", "500,-1,320,240"])
def test_impossible_focal_lengths_are_refused(text):
    with pytest.raises(CameraError, match="not calibrated"):
        CameraArgument.parse(text).camera(640, 480)


def test_missing_file():
    with pytest.raises(CameraError, match="cannot be read"):
        CameraArgument.parse("missing.yaml")
