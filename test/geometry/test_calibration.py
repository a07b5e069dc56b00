# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from mono_depth_ros.errors import CameraError
from mono_depth_ros.geometry.calibration import read_calibration, write_calibration
from mono_depth_ros.geometry.camera import Camera

# As `ros2 run camera_calibration cameracalibrator` writes it.
FILE = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [438.78367,   0.     , 305.59336,
           0.     , 437.30228, 243.73832,
           0.     ,   0.     ,   1.     ]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.361976, 0.11051, 1e-05, 0.000505, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0.,
         0., 1., 0.,
         0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [393.65366,   0.     , 322.79723,   0.     ,
           0.     , 393.48862, 241.09044,   0.     ,
           0.     ,   0.     ,   1.     ,   0.     ]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "front.yaml"
    path.write_text(FILE)
    return path


def test_read(path: Path) -> None:
    calibration = read_calibration(path)
    assert (calibration.name, calibration.width, calibration.height) == ("narrow_stereo", 640, 480)
    distortion = (-0.361976, 0.11051, 1e-05, 0.000505, 0.0)  # 1e-05 is a text in YAML 1.1
    raw = Camera(640, 480, 438.78367, 437.30228, 305.59336, 243.73832, "plumb_bob", distortion)
    assert Camera.from_yaml(path) == raw
    assert Camera.from_yaml(path, rectified=True) == Camera(640, 480, 393.65366, 393.48862, 322.79723, 241.09044)


def test_write_then_read(path: Path, tmp_path: Path) -> None:
    calibration = read_calibration(path)
    write_calibration(tmp_path / "copy.yaml", calibration)
    assert read_calibration(tmp_path / "copy.yaml") == calibration


@pytest.mark.parametrize(
    "camera", [Camera(64, 48, 50.1, 50.2, 31.5, 23.5), Camera(64, 48, 50, 50, 31, 23, "equidistant", (0.1, 0, 0, 1e-7))]
)
def test_of_a_camera(tmp_path: Path, camera: Camera) -> None:
    camera.to_yaml(tmp_path / "new.yaml", "eye")
    assert read_calibration(tmp_path / "new.yaml").name == "eye"
    assert Camera.from_yaml(tmp_path / "new.yaml") == camera


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("camera_matrix:", "matrix:", "has no 'camera_matrix'"),
        ("distortion_coefficients:", "D:", "has no 'distortion_coefficients'"),
        ("image_width: 640", "image_width: wide", "'image_width' is 'wide', expected a number of pixels"),
        ("image_height: 480", "image_height: -1", "'image_height' is -1, expected a number of pixels"),
        ("image_height: 480", "image_height: 0", "camera size is 640x0"),
        ("           0.     ,   0.     ,   1.     ]", "]", "'camera_matrix' has 6 numbers, expected 9 (3x3)"),
        ("393.65366", "nothing", "'projection_matrix' holds 'nothing', expected numbers"),
        ("plumb_bob", "double_sphere", "distortion model 'double_sphere' is not known"),
        ("[-0.361976, 0.11051, 1e-05,", "[", "plumb_bob has 2 distortion coefficients, expected 4 or 5"),
        ("438.78367", "-438.78367", "not calibrated: fx is -438.784"),
        ("438.78367", ".nan", "not calibrated: fx is nan"),
        ("rows: 3", "rows: [", "is not YAML"),
        (FILE, "just a text", "is a text without keys; expected a calibration of ROS"),
        (FILE, "", "is empty; expected a calibration of ROS"),
    ],
)
def test_bad_files(path: Path, old: str, new: str, sentence: str) -> None:
    assert old in FILE
    path.write_text(FILE.replace(old, new, 1))
    with pytest.raises(CameraError) as caught:
        Camera.from_yaml(path)
    assert sentence in str(caught.value) and str(path) in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"none\.yaml cannot be read: No such file"):
        read_calibration(tmp_path / "none.yaml")
