# SPDX-License-Identifier: Apache-2.0
"""`--camera fx,fy,cx,cy|FILE` and `--hfov DEG`: the camera of images that come from files."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mono_depth_ros.errors import CameraError, ConfigError
from mono_depth_ros.geometry.calibration import CameraCalibration, calibration_file, read_calibration
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media import CAMERA_HELP
from mono_depth_ros.paths import expanded

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class CameraArgument:
    """What was given for `--camera` or `--hfov`: four numbers or a field of view, which fit images of any size, or a
    calibration, mostly with a size of its own."""

    text: str
    intrinsics: tuple[float, float, float, float] | None = None
    calibration: CameraCalibration | None = None
    hfov_deg: float = 0.0

    @classmethod
    def given(
        cls, camera: str | None, hfov_deg: float = 0.0, names: tuple[str, str] = ("--camera", "--hfov")
    ) -> CameraArgument | None:
        """Of `--camera` and `--hfov`, 0 for none, or of parameters of other names; None where neither is given.

        Raises:
            ConfigError: both are given, or something that is no camera. CameraError: a file that is no calibration.
        """
        if camera and hfov_deg:
            found = f"{names[0]} is {camera} and {names[1]} is {hfov_deg:g}"
            raise ConfigError(f"{found}, expected one of the two")
        if hfov_deg:
            return cls(f"{names[1]} {hfov_deg:g}", hfov_deg=hfov_deg)
        return cls.parse(camera, names[0]) if camera else None

    @classmethod
    def parse(cls, text: str, name: str = "--camera") -> CameraArgument:
        """Raises ConfigError for something else than the forms of `--camera`, CameraError for no calibration."""
        parts = text.split(",")
        if len(parts) == 4:
            try:
                fx, fy, cx, cy = map(float, parts)
            except ValueError:
                pass
            else:
                return cls(text, intrinsics=(fx, fy, cx, cy))
        if calibration_file(text) is not None or Path(text).suffix:
            return cls.of_file(text)
        raise ConfigError(f"{name} is '{text}', expected {CAMERA_HELP}")

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> CameraArgument:
        """Of a calibration file. Raises CameraError for a file that is none, or that makes no camera."""
        calibration = read_calibration(path)
        try:
            Camera.from_calibration(calibration, size=(1, 1))
        except CameraError as error:
            raise CameraError(f"calibration {path}: {error}", error.reason) from error
        return cls(str(path), calibration=calibration)

    def camera(self, width: int, height: int, rectified: bool = False) -> Camera:
        """The camera of a width x height image; `rectified` takes P of the calibration, without distortion.

        Raises:
            CameraError: the calibration is for images of another size, or is unusable.
        """
        if self.hfov_deg:
            return Camera.from_fov((width, height), self.hfov_deg)
        if self.calibration is None:
            assert self.intrinsics is not None
            return Camera(width, height, *self.intrinsics)
        if not (self.calibration.width or self.calibration.height):
            _tell_size(self.text, width, height)
        camera = Camera.from_calibration(self.calibration, rectified=rectified, size=(width, height))
        if (camera.width, camera.height) != (width, height):
            raise CameraError(
                f"the image is {width}x{height} but {self.text} is for {camera.width}x{camera.height}: expected the "
                "same size; an image that was resized or cropped needs a calibration of its own",
                "camera_info_size",
            )
        return camera

    def calibrated(self, width: int, height: int) -> CameraCalibration:
        """The calibration of width x height images, without binning and region of interest, for a file or message.

        Raises:
            CameraError: as `camera`.
        """
        camera, found = self.camera(width, height), self.calibration
        if found is None or max(found.binning) > 1 or any(found.roi) or not found.P:
            return camera.calibration()
        return replace(found, width=width, height=height)


@lru_cache(maxsize=64)
def _tell_size(text: str, width: int, height: int) -> None:
    LOGGER.warning("%s gives no size of the image: it is taken to be that of the images, %dx%d", text, width, height)


def as_camera(given: Any, image: Any) -> Camera | None:
    """The camera of an image (H, W, ...): a `Camera` or None as it is, a 3x3 matrix K, the path of a calibration file.

    Raises:
        CameraError: something else, or a file or matrix that makes no camera.
    """
    if given is None or isinstance(given, Camera):
        return given
    if isinstance(given, (str, os.PathLike)):
        return Camera.from_yaml(expanded(given), size=(image.shape[1], image.shape[0]))
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
    K = read_calibration(path).K
    return K[0], K[4], K[2], K[5]
