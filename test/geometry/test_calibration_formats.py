# SPDX-License-Identifier: Apache-2.0
"""Calibrations of other tools: each is read as its tool means it, and anything else is named for what it is."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import CameraError
from mono_depth_ros.geometry.calibration import read_calibration
from mono_depth_ros.geometry.camera import Camera

K = np.array([[500.5, 0, 320.25], [0, 501.5, 240.75], [0, 0, 1]])
D = (-0.3, 0.1, 1e-3, -2e-3, 0.01)
CAMERA = Camera(640, 480, 500.5, 501.5, 320.25, 240.75, "plumb_bob", D)
FISHEYE = Camera(640, 480, 500.5, 501.5, 320.25, 240.75, "equidistant", (0.1, 0.02, -0.01, 0.001))


def camera(path: Path, text: str, name: str = "", size=None) -> Camera:
    path.write_text(text)
    return Camera.from_yaml(f"{path}:{name}" if name else path, size=size)


@pytest.mark.parametrize("suffix", [".yml", ".json", ".xml"])
@pytest.mark.parametrize("names", [("camera_matrix", "distortion_coefficients"), ("cameraMatrix", "distCoeffs"), "KD"])
def test_opencv_writes_it(tmp_path, suffix, names):
    path = tmp_path / f"out{suffix}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("calibration_time", "Mon 30 Nov 2026 13:00:00")
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.write("flags", 0)
    storage.write(names[0], K)
    storage.write(names[1], np.array([D]).T)
    storage.release()
    assert Camera.from_yaml(path) == CAMERA


@pytest.mark.parametrize("suffix", [".yml", ".xml"])
def test_opencv_fisheye_and_a_stereo_pair(tmp_path, suffix, caplog):
    path = tmp_path / f"fisheye{suffix}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("fisheye_model", 1)
    storage.write("camera_matrix", K)
    storage.write("distortion_coefficients", np.array([FISHEYE.distortion]))
    storage.release()
    assert read_calibration(path).width == 0 and Camera.from_yaml(path, size=(640, 480)) == FISHEYE
    path.write_text(path.read_text().replace("fisheye_model", "number"))
    assert not caplog.messages
    assert Camera.from_yaml(path, size=(640, 480)).model == "plumb_bob"
    assert "4 distortion coefficients are read as k1 k2 p1 p2" in caplog.text
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, matrix in {"M1": K, "D1": np.array(D), "M2": np.diag([2.0, 2.0, 1.0]) @ K, "D2": np.zeros(5)}.items():
        storage.write(name, matrix)
    storage.release()
    assert Camera.from_yaml(f"{path}:left", size=(640, 480)) == CAMERA
    assert Camera.from_yaml(f"{path}:right", size=(640, 480)).fx == 1001
    with pytest.raises(CameraError, match=rf"2 cameras: left, right; expected {path}:NAME"):
        read_calibration(path)
    with pytest.raises(CameraError, match="has no camera 'middle', it has: left, right"):
        read_calibration(f"{path}:middle")


def test_a_matrix_by_columns_is_refused_by_name(tmp_path):
    content = {"width": 640, "height": 480, "intrinsic_matrix": K.T.ravel().tolist()}
    with pytest.raises(CameraError, match=r"'intrinsic_matrix' is .* it goes by columns, as Open3D writes it"):
        camera(tmp_path / "c.json", json.dumps(content))
    with pytest.raises(CameraError, match=r"'K' is .* expected \[\[fx, 0, cx\]"):
        camera(tmp_path / "c.json", json.dumps({"K": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]}))


def test_json_of_a_script(tmp_path):
    content = {"mtx": K.tolist(), "dist": [list(D)], "image_size": [640, 480]}
    assert camera(tmp_path / "c.json", json.dumps(content, indent="\t")) == CAMERA


CAMCHAIN = """\
cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [-0.3, 0.1, 0.001, -0.002]
  distortion_model: radtan
  intrinsics: [500.5, 501.5, 320.25, 240.75]
  resolution: [640, 480]
  rostopic: /cam0/image_raw
cam1:
  T_cn_cnm1:
  - [1.0, 0.0, 0.0, -0.1]
  camera_model: pinhole
  distortion_coeffs: [0.1, 0.02, -0.01, 0.001]
  distortion_model: equidistant
  intrinsics: [500.5, 501.5, 320.25, 240.75]
  resolution: [640, 480]
cam2:
  camera_model: omni
  distortion_coeffs: [0.1, 0.02, -0.01, 0.001]
  distortion_model: radtan
  intrinsics: [1.2, 500.5, 501.5, 320.25, 240.75]
  resolution: [640, 480]
"""


def test_kalibr(tmp_path):
    path = tmp_path / "camchain.yaml"
    assert camera(path, CAMCHAIN, "cam0").distortion == (-0.3, 0.1, 0.001, -0.002)
    assert camera(path, CAMCHAIN, "cam1") == FISHEYE
    with pytest.raises(CameraError, match="3 cameras: cam0, cam1, cam2; expected"):
        read_calibration(path)
    with pytest.raises(CameraError, match=r"cam2 is of the omnidirectional model 'omni', expected pinhole-radtan"):
        read_calibration(f"{path}:cam2")
    assert camera(path, CAMCHAIN[: CAMCHAIN.index("cam1")]).model == "plumb_bob", "one needs no name"
    for model in ("eucm", "ds"):
        with pytest.raises(CameraError, match=f"model '{model}'"):
            camera(path, CAMCHAIN.replace("omni", model), "cam2")


def test_euroc(tmp_path):
    text = """\
# General sensor definitions.
sensor_type: camera
comment: VI-Sensor cam0 (MT9M034)
T_BS:
  cols: 4
  rows: 4
  data: [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
rate_hz: 20
resolution: [640, 480]
camera_model: pinhole
intrinsics: [500.5, 501.5, 320.25, 240.75] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [-0.3, 0.1, 0.001, -0.002]
"""
    assert camera(tmp_path / "sensor.yaml", text).distortion == (-0.3, 0.1, 0.001, -0.002)
    with pytest.raises(CameraError, match=r"'intrinsics' has 3 numbers, expected 4"):
        camera(tmp_path / "sensor.yaml", text.replace("500.5, ", ""))


ECHO = """\
header:
  stamp:
    sec: 17
    nanosec: 0
  frame_id: eye
height: 480
width: 640
distortion_model: plumb_bob
d:
- -0.3
- 0.1
- 0.001
- -0.002
- 0.01
k:
- 500.5
- 0.0
- 320.25
- 0.0
- 501.5
- 240.75
- 0.0
- 0.0
- 1.0
r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
p: [500.5, 0.0, 320.25, 0.0, 0.0, 501.5, 240.75, 0.0, 0.0, 0.0, 1.0, 0.0]
binning_x: 0
binning_y: 0
roi:
  x_offset: 0
  y_offset: 0
  height: 0
  width: 0
  do_rectify: false
---
"""


def test_an_echoed_camera_info(tmp_path):
    path = tmp_path / "info.txt"
    assert camera(path, ECHO) == CAMERA
    many = "".join(ECHO.replace("sec: 17", f"sec: {second}") for second in range(200))
    assert camera(path, many + "A message was lost!!!\n\ttotal count: 1\n---\n" + ECHO[:100]) == CAMERA
    assert camera(path, ECHO.replace("d:\n", "D:\n").replace("k:\n", "K:\n").replace("p:", "P:")) == CAMERA
    binned = camera(path, ECHO.replace("binning_x: 0", "binning_x: 2").replace("binning_y: 0", "binning_y: 2"))
    assert (binned.width, binned.height, binned.fx) == (320, 240, 250.25)
    window = camera(path, ECHO.replace("x_offset: 0", "x_offset: 20").replace("height: 0", "height: 100").replace(
        "width: 0\n", "width: 90\n"))  # fmt: skip
    assert (window.width, window.height, window.cx) == (90, 100, 300.25)
    unsized = ECHO.replace("height: 480", "height: 0").replace("width: 640", "width: 0")
    assert camera(path, unsized, size=(640, 480)) == CAMERA
    with pytest.raises(CameraError, match="camera size is 0x0"):
        camera(path, unsized)
    with pytest.raises(CameraError, match="holds 2 camera_info messages that differ"):
        camera(path, ECHO + ECHO.replace("500.5", "510.5"))


def test_the_ini_of_camera_calibration(tmp_path):
    text = """\
# oST version 5.0 parameters


[image]

width
640

height
480

[narrow_stereo]

camera matrix
500.500000 0.000000 320.250000
0.000000 501.500000 240.750000
0.000000 0.000000 1.000000

distortion
-0.300000 0.100000 0.001000 -0.002000 0.010000

rectification
1.000000 0.000000 0.000000
0.000000 1.000000 0.000000
0.000000 0.000000 1.000000

projection
400.000000 0.000000 310.000000 0.000000
0.000000 401.000000 230.000000 0.000000
0.000000 0.000000 1.000000 0.000000
"""
    path = tmp_path / "ost.txt"
    assert camera(path, text) == CAMERA
    assert Camera.from_yaml(path, rectified=True) == Camera(640, 480, 400, 401, 310, 230)
    with pytest.raises(CameraError, match=r"names no camera; expected a calibration of ROS"):
        camera(path, text.replace("[narrow_stereo]", ""))
    with pytest.raises(CameraError, match=r"'narrow_stereo' has no 'distortion'"):
        camera(path, text.replace("distortion\n", ""))


def test_kitti(tmp_path):
    P = " ".join(f"{value:.6e}" for value in (707.0, 0, 604.0, 45.75, 0, 707.0, 180.5, -0.34, 0, 0, 1, 0.005))
    path = tmp_path / "000000.txt"
    objects = f"P0: {P}\nP2: {P}\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: {P}\n"
    assert camera(path, objects, "P2", (1242, 375)) == Camera(1242, 375, 707, 707, 604, 180.5)
    with pytest.raises(CameraError, match="2 cameras: P0, P2"):
        read_calibration(path)
    raw = (
        "calib_time: 09-Jan-2012 13:57:47\nS_02: 640 480\nK_02: 500.5 0 320.25 0 501.5 240.75 0 0 1\n"
        f"D_02: {' '.join(map(str, D))}\nS_rect_02: 1242 375\nP_rect_02: {P}\n"
    )
    assert camera(path, raw, "K_02") == CAMERA
    assert camera(path, raw, "P_rect_02") == Camera(1242, 375, 707, 707, 604, 180.5)
    assert camera(path, "500.5 0 320.25 0 501.5 240.75 0 0 1\n", size=(64, 48)).fx == 500.5


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("/**:\n  ros__parameters:\n    model: tiny\n", "is a file of ROS parameters"),
        ("depth:\n  ros__parameters: {camera_matrix: [1]}\n", "is a file of ROS parameters"),
        ("# Camera list\n1 PINHOLE 640 480 500.5 501.5 320.25 240.75\n", "is a cameras.txt of COLMAP: give"),
        ("<?xml version='1.0'?>\n<robot name='r'><link name='base'/></robot>", "is a URDF"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "XML with declarations"),
        ("<opencv_storage><a>", "is not XML"),
        ('{"images": [], "annotations": [], "categories": []}', "COCO"),
        ('{"width": 640, "height": 480, "fx": 1, "fy": 1, "ppx": 2, "ppy": 2, "coeffs": []}', "RealSense"),
        ('{"device": "D435", "controls-autoexposure-auto": "True"}', "settings of a depth camera"),
        ("rostopic: /imu0\nupdate_rate: 200.0\naccelerometer_noise_density: 0.01\n", "is the calibration of an IMU"),
        ("imu0:\n  accelerometer_noise_density: 0.01\n", "is the calibration of an IMU"),
        ("sensor_type: imu\nrate_hz: 200\n", "is the calibration of an IMU"),
        ("target_type: 'aprilgrid'\ntagCols: 6\n", "calibration target"),
        ('%YAML:1.0\nCamera.type: "PinHole"\nCamera.fx: 500\n', "ORB-SLAM"),
        ("model_type: PINHOLE\nprojection_parameters: {fx: 1, fy: 1, cx: 1, cy: 1}\n", "camodocal"),
        ("[LEFT_CAM_HD]\nfx=700\nfy=700\n", "ZED camera"),
        ("Pinhole 500 500 320 240 0\n640 480\ncrop\n640 480\n", "DSO"),
        ('{"color": {"fx": 1, "fy": 1, "cx": 2, "cy": 2}, "depth": {}}', "the numbers of a camera by themselves"),
        ("Calibration results\n====================\nCamera-system parameters:\n", "a report of Kalibr"),
        ("array('d', [500.0, 0.0, 320.0])\n---\n", "one field of a camera_info"),
        ("sensor_type: vicon\n", "the description of a sensor of the type vicon"),
        ("scenes: {default: {scale: 1.0}}\n", "is a scale file of mono_depth"),
        ("rosbag2_bagfile_information:\n  version: 9\n", "is the metadata of a bag"),
        ("width: 640\nfocal: 3\n", "is a file with the keys focal, width"),
        ("{a: [1, 2", "is not YAML"),
        ("a: [b]", "is a file with the keys a"),
    ],
)
def test_what_it_is_not_is_named(tmp_path, text, what):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(CameraError) as caught:
        read_calibration(path)
    assert what in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xff\xd8\xff\xe0" + b"\0" * 99, "is a JPEG picture"),
        (b"\x89MCAP0\r\n", "is an MCAP recording"),
        (b"PK\3\4", "is an archive"),
        (b"\x80\x04\x95", "is a pickle"),
        (b"a: \xff\xfe", "is no text"),
        (b"\x01\0\0\0\0\0\0\0\x01\0\0\0", "is no text .byte 1 is 0x00."),
        (b"1 2 3\n" * 400_000, "numbers, expected"),
        (b"[" * 100_000, "is not YAML: nested"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, data, what):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(CameraError, match=what):
        read_calibration(path)


def test_windows_and_other_encodings(tmp_path):
    path = tmp_path / "c.yaml"
    CAMERA.to_yaml(path)
    text = path.read_text()
    for data in (text.replace("\n", "\r\n").encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
        path.write_bytes(data)
        assert Camera.from_yaml(path) == CAMERA
