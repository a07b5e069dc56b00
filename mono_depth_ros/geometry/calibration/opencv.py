# SPDX-License-Identifier: Apache-2.0
"""Calibrations that programs with OpenCV write by cv::FileStorage or json, under the names that its samples use."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from mono_depth_ros.errors import CameraError
from mono_depth_ros.geometry.calibration.base import CameraCalibration, Cameras, Keys

LOGGER = logging.getLogger(__name__)

_MATRICES = ("camera_matrix", "cameraMatrix", "Camera_Matrix", "CameraMatrix", "intrinsic_matrix", "intrinsics", "mtx",
             "intrinsic", "K", "M", "A", "cam_matrix", "camera_Matrix")  # fmt: skip
_COEFFICIENTS = ("distortion_coefficients", "Distortion_Coefficients", "distCoeffs", "dist_coeffs", "dist_coeff",
                 "distortion", "DistCoeffs", "distCoef", "dist", "D", "distortion_coeffs")  # fmt: skip
_SIZES = ("image_size", "imageSize", "img_size", "size", "resolution", "image_Size", "DIM")
_WIDTHS = ("image_width", "image_Width", "imageWidth", "width", "img_width")
_HEIGHTS = ("image_height", "image_Height", "imageHeight", "height", "img_height")
_PAIR = {"M1": ("D1", "left"), "M2": ("D2", "right"), "K1": ("D1", "left"), "K2": ("D2", "right"),
         "cameraMatrix1": ("distCoeffs1", "left"), "cameraMatrix2": ("distCoeffs2", "right"),
         "camera_matrix_left": ("dist_coeffs_left", "left"), "camera_matrix_right": ("dist_coeffs_right", "right"),
         "K_left": ("D_left", "left"), "K_right": ("D_right", "right"),
         "cameraMatrixL": ("distCoeffsL", "left"), "cameraMatrixR": ("distCoeffsR", "right")}  # fmt: skip


def is_opencv(content: dict[str, Any]) -> bool:
    """Whether it has a 3x3 matrix under one of the usual names."""
    return any(_is_matrix(content.get(name)) for name in (*_MATRICES, *_PAIR))


def of_opencv(where: str, content: dict[str, Any]) -> Cameras:
    """The camera, or those of a stereo pair as `left` and `right` (stereo_calib.cpp writes M1, D1, M2, D2)."""
    sides = {side: (name, D) for name, (D, side) in _PAIR.items() if _is_matrix(content.get(name))}
    pair = {side: partial(_camera, where, content, (K,), (D,), side) for side, (K, D) in sides.items()}
    return pair or {"camera": partial(_camera, where, content, _MATRICES, _COEFFICIENTS, "camera")}


def _camera(
    where: str, content: dict[str, Any], matrices: tuple[str, ...], coefficients: tuple[str, ...], name: str
) -> CameraCalibration:
    keys = Keys(where, content)
    size_name = next((key for key in _SIZES if content.get(key) is not None), _SIZES[0])
    width, height = keys.size(size_name)
    sides = [next((key for key in names if content.get(key) is not None), names[0]) for names in (_WIDTHS, _HEIGHTS)]
    K_name = next(key for key in matrices if _is_matrix(content.get(key)))
    K = keys.numbers(K_name, count=9)
    if K[3] or K[6:] != (0.0, 0.0, 1.0):
        rows = [list(K[row : row + 3]) for row in (0, 3, 6)]
        hint = ": it goes by columns, as Open3D writes it" if not (K[2] or K[5]) and K[8] == 1 else ""
        raise CameraError(f"{where}: '{K_name}' is {rows}, expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]{hint}")
    D = keys.numbers(*coefficients, default=())
    fisheye = keys.get("fisheye_model", "fisheye", "isFisheye") not in (None, 0, False, "0", "false")
    if not D:
        LOGGER.warning("%s has no distortion coefficients: the lens is taken as free of distortion", where)
    if len(D) == 4 and not fisheye:
        LOGGER.warning(
            "%s: 4 distortion coefficients are read as k1 k2 p1 p2; if they are of OpenCV's fisheye model, add "
            "fisheye_model: 1",
            where,
        )
    return CameraCalibration(
        name=name,
        width=width or keys.pixels(sides[0]),
        height=height or keys.pixels(sides[1]),
        K=K,
        D=D,
        model=keys.text("distortion_model", "equidistant" if fisheye else "plumb_bob" if D else ""),
    )


def _is_matrix(value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(value.get("data"), list) and len(value["data"]) == 9
    if isinstance(value, list) and len(value) == 3:
        return all(isinstance(row, list) and len(row) == 3 for row in value)
    return isinstance(value, list) and len(value) == 9
