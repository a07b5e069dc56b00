# SPDX-License-Identifier: Apache-2.0
"""One camera in; metric depth, a point cloud and an honest error figure out: in Python, in ROS 2, from recordings.

    from mono_depth_ros import Camera, load_model

    model = load_model("tiny")
    frame = model("photo.jpg", Camera.from_fov((640, 480), hfov_deg=60))
    frame.depth, frame.points

Everything below is imported when it is asked for (PEP 562): `import mono_depth_ros` alone costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mono_depth_ros import metrics as metrics
    from mono_depth_ros.alignment.align import align as align
    from mono_depth_ros.alignment.aligner import Aligner as Aligner
    from mono_depth_ros.alignment.samples import Samples as Samples
    from mono_depth_ros.errors import CameraError as CameraError
    from mono_depth_ros.errors import ConfigError as ConfigError
    from mono_depth_ros.errors import DataError as DataError
    from mono_depth_ros.errors import FitError as FitError
    from mono_depth_ros.errors import FrameError as FrameError
    from mono_depth_ros.errors import ImageError as ImageError
    from mono_depth_ros.errors import ModelError as ModelError
    from mono_depth_ros.errors import MonoDepthError as MonoDepthError
    from mono_depth_ros.errors import SamplesError as SamplesError
    from mono_depth_ros.frame import Frame as Frame
    from mono_depth_ros.geometry.camera import Camera as Camera
    from mono_depth_ros.models.base import list_models as list_models
    from mono_depth_ros.pipeline import load_model as load_model
    from mono_depth_ros.prediction import DepthKind as DepthKind

__version__ = "0.1.0"

__all__ = [
    "Aligner",
    "Camera",
    "CameraError",
    "ConfigError",
    "DataError",
    "DepthKind",
    "FitError",
    "Frame",
    "FrameError",
    "ImageError",
    "ModelError",
    "MonoDepthError",
    "Samples",
    "SamplesError",
    "align",
    "list_models",
    "load_model",
    "metrics",
]

_HOMES = {
    "load_model": "pipeline",
    "list_models": "models.base",
    "Camera": "geometry.camera",
    "Frame": "frame",
    "DepthKind": "prediction",
    "Samples": "alignment.samples",
    "align": "alignment.align",
    "Aligner": "alignment.aligner",
}
"""Where the public names live; `metrics` is a module, and the others are of `errors`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mono_depth_ros' has no attribute '{name}'")
    if name == "metrics":
        return importlib.import_module("mono_depth_ros.metrics")
    found = getattr(importlib.import_module(f"mono_depth_ros.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
