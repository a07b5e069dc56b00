# SPDX-License-Identifier: Apache-2.0
"""Calibrations that are bare matrices in a text file: K, and KITTI's projections by name."""

from __future__ import annotations

import re
from functools import partial

from mono_depth_ros.errors import CameraError
from mono_depth_ros.geometry.calibration.base import CameraCalibration, Cameras

_LINE = re.compile(r"^(P\d|P_rect_\d\d|K_\d\d):?[ \t]+(.*)$", re.MULTILINE)


def is_matrix(text: str) -> bool:
    """Whether it holds numbers and nothing else."""
    return bool(re.fullmatch(r"[\s\d.,;eE+\-\[\]]+", text)) and any(letter.isdigit() for letter in text)


def of_matrix(where: str, text: str) -> CameraCalibration:
    """K in a text file: camera-intrinsics.txt of 7-Scenes, intrinsics/ of KITTI's depth benchmark."""
    K = _floats(where, re.sub(r"[\[\],;]", " ", text))
    if len(K) != 9 or K[1] or K[3] or K[6:] != (0, 0, 1):
        found = f"{len(K)} numbers" if len(K) != 9 else f"{[list(K[row : row + 3]) for row in (0, 3, 6)]}"
        raise CameraError(f"{where} holds {found}, expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    return CameraCalibration(0, 0, K)


def is_kitti(text: str) -> bool:
    """Whether it is calib.txt, NNNNNN.txt or calib_cam_to_cam.txt of KITTI."""
    return _LINE.search(text) is not None


def of_kitti(where: str, text: str) -> Cameras:
    """P0 to P3 or P_rect_00 to P_rect_03, of the rectified images, and K_00 to K_03, of the raw ones."""
    return {name: partial(_of_kitti, where, text, name) for name, _ in _LINE.findall(text)}


def _of_kitti(where: str, text: str, name: str) -> CameraCalibration:
    numbers = dict(_LINE.findall(text))
    M = _floats(f"{where}: {name}", numbers[name])
    rows = 3 if name.startswith("K") else 4
    if len(M) != 3 * rows:
        raise CameraError(f"{where}: {name} has {len(M)} numbers, expected {3 * rows}")
    K = (*M[:3], *M[rows : rows + 3], *M[2 * rows : 2 * rows + 3])
    other = {key: _floats(f"{where}: {key}", rest) for key, rest in _others(text, name)}
    width, height = other.get("S", (0.0, 0.0))[:2]
    D = other.get("D", ())
    return CameraCalibration(int(width), int(height), K, D, model="plumb_bob" if D else "", name=name)


def _others(text: str, name: str) -> list[tuple[str, str]]:
    """Size and distortion beside K_02, size beside P_rect_02."""
    kind, _, rest = name.partition("_")
    found = []
    for letter in "SD" if kind == "K" else "S" if rest else "":
        line = re.search(rf"^{letter}_{rest}:[ \t]+(.*)$", text, re.MULTILINE)
        found += [(letter, line[1])] if line else []
    return found


def _floats(where: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split())
    except ValueError as error:
        raise CameraError(f"{where} holds something else than numbers: {error}") from error
