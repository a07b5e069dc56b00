# SPDX-License-Identifier: Apache-2.0
"""Calibrations of Kalibr (camchain) and of the EuRoC and TUM VI data sets (sensor.yaml)."""

from __future__ import annotations

from functools import partial
from typing import Any

from mono_depth_ros.errors import CameraError, shown
from mono_depth_ros.geometry.calibration.base import CameraCalibration, Cameras, Keys, matrix

_MODELS = {
    "radtan": "plumb_bob",
    "radial-tangential": "plumb_bob",
    "plumb_bob": "plumb_bob",
    "equidistant": "equidistant",
    "equi": "equidistant",
    "none": "",
    "": "",
}
_NOT_READ = {
    "omni": "omnidirectional",
    "eucm": "extended unified",
    "ds": "double sphere",
    "fov": "field-of-view",
}


def is_camchain(content: dict[str, Any]) -> bool:
    """Whether it is a camchain of Kalibr: cam0, cam1 ... with intrinsics."""
    return bool(_cameras(content))


def of_camchain(where: str, content: dict[str, Any]) -> Cameras:
    """The cameras of a camchain."""
    return {name: partial(of_sensor, f"{where}: {name}", keys, name) for name, keys in _cameras(content).items()}


def is_sensor(content: dict[str, Any]) -> bool:
    """Whether it is the sensor.yaml of a camera."""
    return "intrinsics" in content and "camera_model" in content


def of_sensor(where: str, content: dict[str, Any], name: str = "camera") -> CameraCalibration:
    """One camera: a pinhole with radial-tangential or equidistant distortion, or none."""
    keys = Keys(where, content)
    camera_model = keys.text("camera_model", "pinhole")
    model = keys.text("distortion_model", "none")
    for given in (camera_model, model):
        if given in _NOT_READ:
            raise CameraError(
                f"{where} is of the {_NOT_READ[given]} model '{given}', expected pinhole-radtan or pinhole-equi: "
                "calibrate the camera with one of them"
            )
    if camera_model != "pinhole" or model not in _MODELS:
        found = f"the model '{shown(camera_model)}' with '{shown(model)}' distortion"
        raise CameraError(f"{where} is of {found}, expected pinhole with radtan, equidistant or none")
    width, height = keys.size("resolution")
    D = keys.numbers("distortion_coeffs", "distortion_coefficients", default=() if not _MODELS[model] else None)
    return CameraCalibration(
        name=name,
        width=width,
        height=height,
        K=matrix(*keys.numbers("intrinsics", count=4)),
        D=D if _MODELS[model] else (),
        model=_MODELS[model],
    )


def _cameras(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {name: keys for name, keys in content.items() if isinstance(keys, dict) and "intrinsics" in keys}
    return {name: keys for name, keys in found.items() if "camera_model" in keys or "distortion_model" in keys}
