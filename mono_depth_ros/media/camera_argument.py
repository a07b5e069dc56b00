# SPDX-License-Identifier: Apache-2.0
"""`--camera fx,fy,cx,cy|FILE`: the calibration of images that come from files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mono_depth_ros.errors import CameraError, ConfigError
from mono_depth_ros.geometry.calibration import CameraCalibration, read_calibration
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media import CAMERA_HELP


@dataclass(frozen=True)
class CameraArgument:
    """What was given for `--camera`: four numbers, which fit images of any size, or a calibration with its own size."""

    text: str
    intrinsics: tuple[float, float, float, float] | None = None
    calibration: CameraCalibration | None = None

    @classmethod
    def parse(cls, text: str) -> CameraArgument:
        """Raises ConfigError for something else than the three forms, CameraError for a file that is no calibration."""
        parts = text.split(",")
        if len(parts) == 4:
            try:
                fx, fy, cx, cy = map(float, parts)
            except ValueError:
                pass
            else:
                return cls(text, intrinsics=(fx, fy, cx, cy))
        path = Path(text)
        if path.suffix.lower() == ".txt":
            return cls(text, intrinsics=read_intrinsics(path))
        if path.is_file() or path.suffix.lower() in (".yaml", ".yml"):
            return cls.of_file(path)
        raise ConfigError(f"--camera is '{text}', expected {CAMERA_HELP}")

    @classmethod
    def of_file(cls, path: Path) -> CameraArgument:
        """Of a calibration file. Raises CameraError for a file that is none, or that makes no camera."""
        Camera.from_yaml(path)
        return cls(str(path), calibration=read_calibration(path))

    def camera(self, width: int, height: int, rectified: bool = False) -> Camera:
        """The camera of a width x height image; `rectified` takes P of the calibration, without distortion.

        Raises:
            CameraError: the calibration is for images of another size, or is unusable.
        """
        if self.calibration is None:
            assert self.intrinsics is not None
            return Camera(width, height, *self.intrinsics)
        camera = Camera.from_calibration(self.calibration, rectified=rectified)
        if (camera.width, camera.height) != (width, height):
            raise CameraError(
                f"the image is {width}x{height} but {self.text} is for {camera.width}x{camera.height}: expected the "
                "same size; an image that was resized or cropped needs a calibration of its own",
                "camera_info_size",
            )
        return camera


def as_camera(given: Any, image: Any) -> Camera | None:
    """The camera of an image (H, W, ...): a `Camera` or None as it is, a 3x3 matrix K, the path of a calibration file.

    Raises:
        CameraError: something else, or a file or matrix that makes no camera.
    """
    if given is None or isinstance(given, Camera):
        return given
    if isinstance(given, (str, os.PathLike)):
        return Camera.from_yaml(Path(given).expanduser())
    try:
        matrix = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.shape != (3, 3):
        found = f"of shape {matrix.shape}" if matrix.size else f"a {type(given).__name__}"
        raise CameraError(
            f"the camera is {found}, expected a Camera, a 3x3 matrix K in pixels, or the path of a calibration file"
        )
    return Camera.from_matrix(matrix, (image.shape[1], image.shape[0]))


def read_intrinsics(path: Path) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of a text file with a 3x3 matrix, the `camera-intrinsics.txt` of the 7-Scenes layout.

    Raises:
        CameraError: it cannot be read, or is no such matrix.
    """
    try:
        matrix = np.array([[float(word) for word in line.split()] for line in path.read_text().splitlines() if line])
    except OSError as error:
        raise CameraError(f"calibration {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CameraError(f"calibration {path} is not a matrix of numbers: {error}") from error
    if matrix.shape != (3, 3) or matrix[1, 0] or matrix[2].tolist() != [0, 0, 1] or matrix[0, 1]:
        raise CameraError(f"calibration {path} holds {matrix.tolist()}, expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    return float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2])
