# SPDX-License-Identifier: Apache-2.0
"""Calibrations of ROS: camera_calibration's YAML and INI (ost.txt), camera_info_manager, an echoed CameraInfo."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any

import yaml

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import CameraError
from mono_depth_ros.geometry.calibration.base import IDENTITY, CameraCalibration, Cameras, Keys

_SECTIONS = re.compile(r"^\s*\[([^\]\n]*)\]\s*$", re.MULTILINE)
_INI_KEYS = ("width", "height", "camera matrix", "distortion", "rectification", "projection")


_OWN = {"rectification_matrix", "projection_matrix", "distortion_model"}


def is_yaml(content: dict[str, Any]) -> bool:
    """Whether it is a file of camera_calibration, which OpenCV's may resemble."""
    return bool(_OWN & content.keys()) and bool({"camera_matrix", "distortion_coefficients"} & content.keys())


def of_yaml(where: str, content: dict[str, Any]) -> CameraCalibration:
    """As camera_calibration_parsers takes it (parse_yml.cpp): without distortion_model it is plumb_bob."""
    keys = Keys(where, content)
    return CameraCalibration(
        name=keys.text("camera_name", "camera"),
        width=keys.pixels("image_width"),
        height=keys.pixels("image_height"),
        K=keys.numbers("camera_matrix", count=9),
        D=keys.numbers("distortion_coefficients"),
        R=keys.numbers("rectification_matrix", count=9, default=IDENTITY),
        P=keys.numbers("projection_matrix", count=12, default=()),
        model=keys.text("distortion_model", "plumb_bob"),
    )


def write_calibration(path: str | os.PathLike[str], calibration: CameraCalibration) -> None:
    """Write a calibration file that camera_info_manager and `read_calibration` read back to the same numbers."""
    content: dict[str, Any] = {
        "image_width": calibration.width,
        "image_height": calibration.height,
        "camera_name": calibration.name,
        "camera_matrix": _block(calibration.K, 3, 3),
        "distortion_model": calibration.model,
        "distortion_coefficients": _block(calibration.D, 1, len(calibration.D)),
        "rectification_matrix": _block(calibration.R, 3, 3),
        "projection_matrix": _block(calibration.P, 3, 4),
    }
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(content, sort_keys=False, default_flow_style=None), encoding="utf-8")


def _block(values: tuple[float, ...], rows: int, columns: int) -> dict[str, Any]:
    return {"rows": rows, "cols": columns, "data": [float(value) for value in values]}


def is_message(content: dict[str, Any]) -> bool:
    """Whether it is a CameraInfo as `ros2 topic echo` or `rostopic echo` prints it."""
    return "distortion_model" in content and bool({"k", "K"} & content.keys()) and bool({"p", "P"} & content.keys())


def of_message(where: str, content: dict[str, Any]) -> CameraCalibration:
    """Of ROS 2 (k, d, r, p) or ROS 1 (K, D, R, P), binning and region of interest included."""
    keys = Keys(where, content)
    roi = Keys(f"{where}: 'roi'", content["roi"] if isinstance(content.get("roi"), dict) else {})
    x, y, width, height = (roi.pixels(name) for name in ("x_offset", "y_offset", "width", "height"))
    return CameraCalibration(
        width=keys.pixels("width"),
        height=keys.pixels("height"),
        K=keys.numbers("k", "K", count=9),
        D=keys.numbers("d", "D", default=()),
        R=keys.numbers("r", "R", count=9, default=IDENTITY),
        P=keys.numbers("p", "P", count=12, default=()),
        model=keys.text("distortion_model"),
        binning=(keys.pixels("binning_x"), keys.pixels("binning_y")),
        roi=(x, y, width, height),
    )


def is_ini(text: str) -> bool:
    """Whether it is the INI file of camera_calibration, which it also calls ost.txt."""
    return any(name.strip() == "image" for name in _SECTIONS.findall(text)) and "camera matrix" in text


def of_ini(where: str, text: str) -> Cameras:
    """The cameras of an INI file, one a section, as camera_calibration_parsers takes it (parse_ini.cpp)."""
    _, *parts = _SECTIONS.split(text)
    sections = dict(zip((name.strip() for name in parts[::2]), parts[1::2], strict=True))
    names = [name for name in sections if name not in ("image", "externals")]
    return {name: partial(_of_sections, where, name, sections["image"], sections[name]) for name in names}


def _of_sections(where: str, name: str, image: str, body: str) -> CameraCalibration:
    sides = {key: value[0] for key, value in _ini_values(where, image).items() if value}
    size = Keys(f"{where}: section 'image'", sides)
    keys = Keys(f"{where}: section '{name}'", _ini_values(where, body))
    D = keys.numbers("distortion")
    return CameraCalibration(
        name=name,
        width=size.pixels("width"),
        height=size.pixels("height"),
        K=keys.numbers("camera matrix", count=9),
        D=D,
        R=keys.numbers("rectification", count=9, default=IDENTITY),
        P=keys.numbers("projection", count=12, default=()),
        model="rational_polynomial" if len(D) > 5 else "plumb_bob",
    )


def _ini_values(where: str, body: str) -> dict[str, list[str]]:
    """A key on a line of its own, its numbers on the lines below it."""
    values: dict[str, list[str]] = {}
    key = ""
    for line in (line.strip() for line in body.splitlines()):
        if line in _INI_KEYS:
            key = line
            values[key] = []
        elif line and not line.startswith("#"):
            if not key:
                raise CameraError(f"{where} has '{line}', expected one of: {', '.join(_INI_KEYS)}")
            values[key] += line.split()
    return values
