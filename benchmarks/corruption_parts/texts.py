# SPDX-License-Identifier: Apache-2.0
"""YAML, JSON (and XML, INI): calibrations of several tools, and saved scales."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import yaml

from corruption_parts.kind import Kind, Read, Target
from mono_depth_ros.alignment.fit import Curve, Fit
from mono_depth_ros.alignment.scale_file import SavedScale, read_scale, write_scale
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.camera_argument import CameraArgument

_CAMERA = Camera(64, 48, 60.0, 60.0, 31.5, 23.5, "plumb_bob", (0.1, -0.05, 1e-3, -1e-3, 0.01))


def _camera(path: Path) -> None:
    CameraArgument.parse(str(path)).camera(64, 48)


def _chosen(name: str) -> Read:
    return lambda path: _camera(Path(f"{path}:{name}"))


def _scale(path: Path) -> None:
    read_scale(path)


def _yaml(folder: Path) -> Sequence[Target]:
    camera, scale = folder / "camera.yaml", folder / "scale.yaml"
    _CAMERA.to_yaml(camera)
    write_scale(scale, SavedScale(Fit(Curve.INVERSE, 1.2, 0.01, np.eye(2), 0.9, 100, 0.05)))
    opencv, kalibr, echo = (folder / f"{name}.yaml" for name in ("opencv", "camchain", "echo"))
    _storage(opencv)
    keys = {"camera_model": "pinhole", "distortion_model": "radtan", "resolution": [64, 48]}
    values = {"intrinsics": [60.0, 60.0, 31.5, 23.5], "distortion_coeffs": [0.1, -0.05, 1e-3, -1e-3]}
    kalibr.write_text(yaml.safe_dump({"cam0": {**keys, **values}, "cam1": {**keys, **values}}))
    found = _CAMERA.calibration()
    info = {name: list(map(float, getattr(found, name.upper()))) for name in "dkrp"}
    message = {"header": {"frame_id": "eye"}, "height": 48, "width": 64, "distortion_model": "plumb_bob", **info}
    echo.write_text(f"{yaml.safe_dump(message, sort_keys=False)}---\n" * 3)
    ini, kitti = folder / "ost.txt", folder / "calib.txt"
    K = "60 0 31.5\n0 60 23.5\n0 0 1\n"
    ini.write_text(f"[image]\n\nwidth\n64\n\nheight\n48\n\n[eye]\n\ncamera matrix\n{K}\ndistortion\n.1 0 0 0 0\n")
    kitti.write_text("P0: 60 0 31.5 0 0 60 23.5 0 0 0 1 0\nP2: 60 0 31.5 0 0 60 23.5 0 0 0 1 0\n")
    cameras = [Target(path, _camera) for path in (camera, opencv, echo, ini)]
    return [*cameras, Target(kalibr, _chosen("cam1")), Target(kitti, _chosen("P2")), Target(scale, _scale)]


def _storage(path: Path) -> None:
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in {"image_width": 64, "image_height": 48}.items():
        storage.write(name, value)
    storage.write("camera_matrix", _CAMERA.matrix)
    storage.write("distortion_coefficients", np.array(_CAMERA.distortion))
    storage.release()


def _json(folder: Path) -> Sequence[Target]:
    camera = folder / "camera.json"
    block = {"rows": 3, "cols": 3, "data": _CAMERA.matrix.ravel().tolist()}
    content = {
        "image_width": 64,
        "image_height": 48,
        "camera_matrix": block,
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": list(_CAMERA.distortion)},
        "rectification_matrix": {"rows": 3, "cols": 3, "data": np.eye(3).ravel().tolist()},
        "projection_matrix": {"rows": 3, "cols": 4, "data": np.eye(3, 4).ravel().tolist()},
    }
    camera.write_text(json.dumps(content, indent=2))
    opencv, xml = folder / "opencv.json", folder / "opencv.xml"
    _storage(opencv)
    _storage(xml)
    return [Target(path, _camera) for path in (camera, opencv, xml)]


KINDS = {"YAML": Kind(_yaml, text=True), "JSON": Kind(_json, text=True)}
