# SPDX-License-Identifier: Apache-2.0
"""Calibration files of ROS and of other tools: each is recognised by what it holds, never by its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import CameraError, shown
from mono_depth_ros.geometry.calibration import foreign, kalibr, matrices, opencv, ros
from mono_depth_ros.geometry.calibration.base import CameraCalibration, Cameras
from mono_depth_ros.geometry.calibration.ros import write_calibration
from mono_depth_ros.geometry.calibration.text import documents, read_text

__all__ = ["CameraCalibration", "calibration_file", "read_calibration", "write_calibration"]

_ONE = "camera"


def read_calibration(path: str | os.PathLike[str]) -> CameraCalibration:
    """Read a calibration file: of camera_calibration (YAML, INI), `ros2 topic echo`, OpenCV (YAML, JSON, XML), Kalibr,
    EuRoC, KITTI, or a 3x3 matrix.

    Args:
        path: of the file; FILE:NAME for one of several cameras in it, such as camchain.yaml:cam0.

    Raises:
        CameraError: no file, something else (named for what it is), a key that is missing or of the wrong shape,
            several cameras and none chosen; the sentence names file and key. Whether the numbers make a camera,
            `Camera.from_yaml` says.
    """
    file, name = _split(path)
    text = read_text(file)
    cameras = _cameras(file, text)
    if not cameras:
        raise CameraError(f"calibration {file} names no camera; {foreign.EXPECTED}")
    if name and name not in cameras:
        raise CameraError(f"calibration {file} has no camera '{shown(name)}', it has: {', '.join(cameras)}")
    if not name and len(cameras) > 1:
        found = f"{len(cameras)} cameras: {', '.join(cameras)}"
        raise CameraError(f"calibration {file} has {found}; expected {file}:NAME with one of them")
    return cameras[name or next(iter(cameras))]()


def calibration_file(text: str) -> Path | None:
    """The file that FILE or FILE:NAME means; None where there is none."""
    file = _split(text)[0]
    return file if os.path.isfile(file) else None


def _split(path: str | os.PathLike[str]) -> tuple[Path, str]:
    # os.path, as it has an answer for names that are too long too.
    head, _, name = os.fspath(path).rpartition(":")
    chosen = os.path.isfile(head) and not os.path.exists(path)
    return (Path(head), name) if chosen else (Path(path), "")


def _cameras(path: Path, text: str) -> Cameras:
    where = f"calibration {path}"
    for recognised, read in _TEXTS:
        if recognised(text):
            return read(where, text)
    if what := foreign.what_text(text):
        raise CameraError(f"{where} is {what}; {foreign.EXPECTED}")
    found = documents(path, text)
    messages = [each for each in found if isinstance(each, dict) and ros.is_message(each)]
    if len(messages) > 1:
        raise CameraError(f"{where} holds {len(messages)} camera_info messages that differ, expected one, or all alike")
    content = messages[0] if messages else found[0]
    if isinstance(content, dict):
        for recognised_keys, read_keys in _KEYS:
            if recognised_keys(content):
                return read_keys(where, content)
    raise CameraError(f"{where} is {foreign.what_content(content)}; {foreign.EXPECTED}")


def _single(read: Callable[[str, Any], CameraCalibration]) -> Callable[[str, Any], Cameras]:
    return lambda where, content: {_ONE: partial(read, where, content)}


_TEXTS: tuple[tuple[Callable[[str], bool], Callable[[str, str], Cameras]], ...] = (
    (ros.is_ini, ros.of_ini),
    (matrices.is_matrix, _single(matrices.of_matrix)),
    (matrices.is_kitti, matrices.of_kitti),
)
_KEYS: tuple[tuple[Callable[[dict[str, Any]], bool], Callable[[str, dict[str, Any]], Cameras]], ...] = (
    (ros.is_message, _single(ros.of_message)),
    (kalibr.is_sensor, _single(kalibr.of_sensor)),
    (kalibr.is_camchain, kalibr.of_camchain),
    (ros.is_yaml, _single(ros.of_yaml)),
    (opencv.is_opencv, opencv.of_opencv),
)
