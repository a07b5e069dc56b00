# SPDX-License-Identifier: Apache-2.0
"""YAML and JSON: calibrations and saved scales."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corruption_parts.kind import Kind, Target
from mono_depth_ros.alignment.fit import Curve, Fit
from mono_depth_ros.alignment.scale_file import SavedScale, read_scale, write_scale
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.camera_argument import CameraArgument

_CAMERA = Camera(64, 48, 60.0, 60.0, 31.5, 23.5, "plumb_bob", (0.1, -0.05, 1e-3, -1e-3, 0.01))


def _camera(path: Path) -> None:
    CameraArgument.parse(str(path)).camera(64, 48)


def _scale(path: Path) -> None:
    read_scale(path)


def _yaml(folder: Path) -> Sequence[Target]:
    camera, scale = folder / "camera.yaml", folder / "scale.yaml"
    _CAMERA.to_yaml(camera)
    write_scale(scale, SavedScale(Fit(Curve.INVERSE, 1.2, 0.01, np.eye(2), 0.9, 100, 0.05)))
    return [Target(camera, _camera), Target(scale, _scale)]


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
    return [Target(camera, _camera)]


KINDS = {"YAML": Kind(_yaml, text=True), "JSON": Kind(_json, text=True)}
