# SPDX-License-Identifier: Apache-2.0
"""Calibration files in the format of camera_calibration and camera_info_manager (YAML)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.config.yaml_text import load_yaml
from mono_depth_ros.errors import CameraError

_SHAPES = {"camera_matrix": (3, 3), "rectification_matrix": (3, 3), "projection_matrix": (3, 4)}
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class CameraCalibration:
    """What calibration files and sensor_msgs/CameraInfo hold; `Camera.from_calibration` makes a camera of it.

    Attributes:
        width, height: the full, unbinned resolution that K and P refer to.
        K: 9 numbers, row major. D: distortion coefficients. P: 12 numbers, row major, or none. R: 9 numbers.
        model: the `distortion_model`; empty means no distortion, and then D must be empty or zero.
    """

    width: int
    height: int
    K: tuple[float, ...]
    D: tuple[float, ...] = ()
    P: tuple[float, ...] = ()
    R: tuple[float, ...] = _IDENTITY
    model: str = ""
    name: str = "camera"


def read_calibration(path: str | os.PathLike[str]) -> CameraCalibration:
    """Read a calibration file.

    Raises:
        CameraError: no file, no YAML, a key that is missing or of the wrong shape; the sentence names file and key.
            Whether the numbers make a camera, `Camera.from_yaml` says.
    """
    path = Path(path)
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CameraError(f"calibration {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CameraError(f"calibration {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise CameraError(f"calibration {path} holds a {type(content).__name__}, expected keys such as camera_matrix")
    return CameraCalibration(
        name=str(content.get("camera_name", "camera")),
        width=_size(path, content, "image_width"),
        height=_size(path, content, "image_height"),
        K=_numbers(path, content, "camera_matrix"),
        D=_numbers(path, content, "distortion_coefficients"),
        R=_numbers(path, content, "rectification_matrix"),
        P=_numbers(path, content, "projection_matrix"),
        model=str(_value(path, content, "distortion_model")),
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


def _value(path: Path, content: dict[str, Any], key: str) -> Any:
    if content.get(key) is None:
        raise CameraError(f"calibration {path} has no '{key}', expected it")
    return content[key]


def _size(path: Path, content: dict[str, Any], key: str) -> int:
    value = _value(path, content, key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CameraError(f"calibration {path}: '{key}' is {value!r}, expected a number of pixels")
    return value


def _numbers(path: Path, content: dict[str, Any], key: str) -> tuple[float, ...]:
    block = _value(path, content, key)
    data = block.get("data") if isinstance(block, dict) else block
    if not isinstance(data, list):
        raise CameraError(f"calibration {path}: '{key}' has no list 'data', expected rows, cols and data")
    try:
        # YAML 1.1 reads 1e-05 (no dot) as a text, which is a number for everyone else.
        values = tuple(float(value) for value in data)
    except (TypeError, ValueError) as error:
        raise CameraError(f"calibration {path}: '{key}' holds something else than numbers: {error}") from error
    if key in _SHAPES and len(values) != _SHAPES[key][0] * _SHAPES[key][1]:
        rows, columns = _SHAPES[key]
        expected = f"{rows * columns} ({rows}x{columns})"
        raise CameraError(f"calibration {path}: '{key}' has {len(values)} numbers, expected {expected}")
    return values
