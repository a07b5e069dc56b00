# SPDX-License-Identifier: Apache-2.0
"""Image files with their cameras: by a calibration, by a field of view, or by the focal length in their Exif tags.

A calibration describes the picture as the sensor delivered it, so with one the pictures stay as they are stored.
Without one they are turned upright, as their orientation tag says and as their photographer sees them, and the camera
with them.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from mono_depth_ros.errors import CameraError, ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.exif import ExifFocal, read_exif_focal, read_orientation
from mono_depth_ros.geometry.plausible import covered, doubt, folded
from mono_depth_ros.media.bits import Scale
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.images import read_image
from mono_depth_ros.media.light import doubtful_light, levels

LOGGER = logging.getLogger(__name__)

_COVERED = 0.99  # of the image by the lens model, below which it is said
_UNKNOWN = "give --camera fx,fy,cx,cy, --camera FILE or --hfov DEG"


@dataclass(frozen=True)
class Photos:
    """How image files are read.

    Attributes:
        camera: as given, or None. rectified: the images are rectified: the camera is P of the calibration.
        needed: without a camera it is that of the Exif tags. upright: pictures may be turned where none is calibrated.
        max_pixels: a larger picture is not decoded. scale: from 16 bits to 8, the same for all of them.
    """

    camera: CameraArgument | None
    rectified: bool
    needed: bool
    max_pixels: int
    scale: Scale | None = None
    upright: bool = True

    def read(self, path: Path) -> tuple[np.ndarray, Camera | None]:
        """(H, W, 3) uint8 RGB and its camera, None where none is given and none needed.

        Raises:
            DataError, ImageError: the file is no picture that can be read. CameraError: it has no camera, or one of
                another size.
        """
        rgb = read_image(path, self.max_pixels, self.scale)
        if sentence := doubtful_light(f"{path} is", *levels(rgb)):
            LOGGER.warning(sentence)
        height, width = rgb.shape[:2]
        calibrated = self.camera is not None and not self.camera.hfov_deg
        camera = self._camera(path, width, height)
        if calibrated or not self.upright:
            return rgb, camera
        orientation = read_orientation(path)
        return turned(rgb, orientation), camera if camera is None or orientation < 5 else camera.turned(90)

    def _camera(self, path: Path, width: int, height: int) -> Camera | None:
        if self.camera is not None:
            camera = self.camera.camera(width, height, self.rectified)
            _tell_doubt(camera, self.camera.text)
            return camera
        return exif_camera(path) if self.needed else None


def check_exif(path: Path, who: str) -> None:
    """Before anything is loaded: whether a picture has the camera that `who` needs, in its Exif tags.

    Raises:
        ConfigError: it has none.
    """
    try:
        read_exif_focal(path)
    except CameraError as error:
        raise ConfigError(f"{who} needs the camera: {_UNKNOWN}; {error}") from error


def exif_camera(path: Path) -> Camera:
    """The camera of a picture as it is stored, by its Exif tags; it is said that this is an estimate.

    Raises:
        CameraError: the file has no such tags.
    """
    try:
        found = read_exif_focal(path)
    except CameraError as error:
        raise CameraError(f"{error}; {_UNKNOWN}", error.reason) from error
    _tell_estimate(found)
    return Camera(found.width, found.height, found.fx, found.fy, (found.width - 1) / 2, (found.height - 1) / 2)


def turned(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """A picture (H, W, 3) as it is to be shown, by the Exif orientation 1 to 8 (CIPA DC-008, 4.6.4.A)."""
    if orientation in (2, 4, 5, 7):
        rgb = rgb[:, ::-1]
    quarters = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(rgb, quarters))


@lru_cache(maxsize=64)
def _tell_doubt(camera: Camera, text: str) -> None:
    if (fraction := covered(camera)) < _COVERED:
        LOGGER.warning(folded(fraction, text))
    if sentence := doubt(camera):
        LOGGER.warning("%s: %s", text, sentence)


@lru_cache(maxsize=64)
def _tell_estimate(found: ExifFocal) -> None:
    degrees = 2 * math.degrees(math.atan(found.width / 2 / found.fx))
    LOGGER.warning(
        "no calibration is given: the camera of the %dx%d pictures is ESTIMATED by their Exif tag %s, fx is %.1f px "
        "(%.0f degrees across the width). Distances are only as good as that; %s",
        *(found.width, found.height, found.source, found.fx, degrees),
        _UNKNOWN,
    )
