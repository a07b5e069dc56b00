# SPDX-License-Identifier: Apache-2.0
"""The camera: intrinsics and distortion of the image at hand, with binning and region of interest applied."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from mono_depth_ros.errors import CameraError, shown
from mono_depth_ros.geometry.calibration import CameraCalibration, read_calibration, write_calibration
from mono_depth_ros.geometry.exif import read_exif_focal

LOGGER = logging.getLogger(__name__)

DISTORTION_LENGTHS = {"none": (0,), "plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
"""Coefficient counts accepted per model; OpenCV's order (k1 k2 p1 p2 k3 k4 k5 k6 s1..s4 tx ty; fisheye k1..k4)."""

_ALIASES = {
    **dict.fromkeys(("fisheye", "kannala_brandt", "kannala_brandt4", "KannalaBrandt8", "equi"), "equidistant"),
    **dict.fromkeys(("radtan", "radial-tangential", "Brown-Conrady", "plumb bob"), "plumb_bob"),
}


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one image. Pixel centres are at integers, so the image spans [-0.5, width - 0.5].

    Attributes:
        width, height: image size in pixels.
        fx, fy, cx, cy: focal lengths and principal point in pixels.
        model: "none" (a pinhole: a rectified image), "plumb_bob", "rational_polynomial" or "equidistant".
        distortion: coefficients of `model` in OpenCV's order.

    Raises:
        CameraError: reason `camera_uncalibrated` for a NaN, zero or negative focal length, `camera_invalid` otherwise.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    model: str = "none"
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise CameraError(f"camera size is {self.width}x{self.height}, expected at least 1x1")
        for name in ("fx", "fy"):
            focal = getattr(self, name)
            if not (math.isfinite(focal) and focal > 0):
                raise CameraError(
                    f"the camera is not calibrated: {name} is {focal:g}, expected a positive focal length in pixels",
                    "camera_uncalibrated",
                )
        if not (math.isfinite(self.cx) and math.isfinite(self.cy)):
            raise CameraError(f"principal point is ({self.cx:g}, {self.cy:g}), expected finite pixels")
        if self.model not in DISTORTION_LENGTHS:
            known = ", ".join(DISTORTION_LENGTHS)
            raise CameraError(f"distortion model '{shown(self.model)}' is not known, expected one of: {known}")
        if len(self.distortion) not in DISTORTION_LENGTHS[self.model]:
            counts = " or ".join(map(str, DISTORTION_LENGTHS[self.model]))
            raise CameraError(f"{self.model} has {len(self.distortion)} distortion coefficients, expected {counts}")
        if not all(map(math.isfinite, self.distortion)):
            raise CameraError(f"distortion coefficients are {self.distortion}, expected finite numbers")
        if any(abs(tau) >= math.pi / 2 for tau in self.distortion[12:]):
            raise CameraError(f"the sensor is tilted by {self.distortion[12:]}, expected radians within +-pi/2")

    @property
    def rectified(self) -> bool:
        """True for a pinhole without distortion."""
        return self.model == "none"

    @property
    def matrix(self) -> np.ndarray:
        """The 3x3 float64 intrinsic matrix K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)

    def check_size(self, width: int, height: int) -> None:
        """Raise CameraError (reason `camera_info_size`) unless the camera is of an image of this size."""
        if (self.width, self.height) != (width, height):
            found = f"the image is {width}x{height}, its camera is {self.width}x{self.height}"
            raise CameraError(f"{found}: expected the same size", "camera_info_size")

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the image resized to `width` x `height` (half-pixel rule: edges map to edges)."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def cropped(self, x: int, y: int, width: int, height: int) -> Camera:
        """The camera of the window with its top left pixel at (x, y)."""
        if x < 0 or y < 0 or x + width > self.width or y + height > self.height:
            found = f"{width}x{height} at ({x}, {y})"
            raise CameraError(f"region of interest {found} is outside the {self.width}x{self.height} image")
        return replace(self, width=width, height=height, cx=self.cx - x, cy=self.cy - y)

    def turned(self, degrees: int) -> Camera:
        """The camera of the image turned clockwise by 0, 90, 180 or 270 degrees, distortion included.

        Raises:
            CameraError: other angles.
        """
        if degrees % 90:
            raise CameraError(f"an image is turned by {degrees} degrees, expected a multiple of 90")
        if degrees % 360 and any(self.distortion[12:]):
            raise CameraError("the camera of a turned image has no tilted sensor (tau_x, tau_y), expected zeros")
        camera = self
        for _ in range(degrees // 90 % 4):
            # New x is the old -y, new y the old x: p1, p2 and the thin prism's pairs of the two axes change places.
            d = list(camera.distortion)
            if camera.model != "equidistant" and len(d) >= 4:
                d[2], d[3] = d[3], -d[2]
            if len(d) >= 12:
                d[8:12] = -d[10], -d[11], d[8], d[9]
            camera = replace(
                camera,
                width=camera.height,
                height=camera.width,
                fx=camera.fy,
                fy=camera.fx,
                cx=camera.height - 1 - camera.cy,
                cy=camera.cx,
                distortion=tuple(d),
            )
        return camera

    def strided(self, stride: int) -> Camera:
        """The camera of `image[::stride, ::stride]`: pixel centres are kept, not areas, so there is no half pixel."""
        return replace(
            self,
            width=-(-self.width // stride),
            height=-(-self.height // stride),
            fx=self.fx / stride,
            fy=self.fy / stride,
            cx=self.cx / stride,
            cy=self.cy / stride,
        )

    @classmethod
    def from_fov(cls, size: tuple[int, int], hfov_deg: float) -> Camera:
        """A pinhole with square pixels, centred.

        Args:
            size: (width, height) in pixels. hfov_deg: horizontal field of view in degrees, between 0 and 180.
        """
        width, height = size
        if not 0 < hfov_deg < 180:
            raise CameraError(f"hfov_deg is {hfov_deg:g}, expected degrees between 0 and 180")
        focal = width / 2 / math.tan(math.radians(hfov_deg) / 2)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)

    @classmethod
    def from_matrix(
        cls, K: ArrayLike, size: tuple[int, int], distortion: Sequence[float] = (), model: str = "plumb_bob"
    ) -> Camera:
        """The camera of an intrinsic matrix, as OpenCV's calibration gives it.

        Args:
            K: 3x3, in pixels: [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]. size: (width, height) of the image it is for.
            distortion: coefficients of `model` in OpenCV's order; none: a pinhole.

        Raises:
            CameraError: K is not 3x3 or of another form, or divided by the size of the image.
        """
        try:
            matrix = np.asarray(K, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise CameraError(f"K is {K!r}, expected 3x3 numbers") from error
        if matrix.shape != (3, 3):
            raise CameraError(f"K has the shape {matrix.shape}, expected (3, 3)")
        (fx, skew, cx), (below, fy, cy), last = matrix.tolist()
        if skew or below or last != [0, 0, 1]:
            raise CameraError(f"K is {matrix.tolist()}, expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
        if max(fx, fy, cx, cy) < 10 < max(size):
            found = f"K is {matrix.tolist()} for a {size[0]}x{size[1]} image"
            raise CameraError(f"{found}, expected pixels: is it divided by the size of the image?")
        coefficients = tuple(float(value) for value in np.ravel(distortion))
        return cls(*size, fx, fy, cx, cy, model if coefficients else "none", coefficients)

    @classmethod
    def from_yaml(
        cls, path: str | os.PathLike[str], rectified: bool = False, size: tuple[int, int] | None = None
    ) -> Camera:
        """The camera of a calibration file of ROS or of another tool, see `read_calibration`.

        Args:
            path: FILE, or FILE:NAME of one of several cameras in it.
            rectified: take P, without distortion: for images that are rectified already.
            size: (width, height) of the image, for a file that gives none.

        Raises:
            CameraError: it cannot be read, or its numbers make no camera; the sentence names the file.
        """
        calibration = read_calibration(path)
        try:
            return cls.from_calibration(calibration, rectified=rectified, size=size)
        except CameraError as error:
            raise CameraError(f"calibration {path}: {error}", error.reason) from error

    def to_yaml(self, path: str | os.PathLike[str], name: str = "camera") -> None:
        """Write a calibration file, which `from_yaml` and ROS 2 camera drivers read."""
        write_calibration(path, self.calibration(name))

    @classmethod
    def from_exif(cls, path: str | os.PathLike[str]) -> Camera:
        """An estimate by the focal length that a camera or phone wrote into its JPEG or PNG picture, with a warning.

        The image is taken as it is stored (a tag for its orientation is ignored, as `model(path)` does), its principal
        point as its centre, its lens as free of distortion, its pixels as never cropped: a calibration knows better.

        Raises:
            CameraError: the file has no such tags.
        """
        found = read_exif_focal(path)
        camera = cls(found.width, found.height, found.fx, found.fy, (found.width - 1) / 2, (found.height - 1) / 2)
        LOGGER.warning("%s: the camera is estimated by the Exif tag %s: fx is %.1f px", path, found.source, found.fx)
        return camera

    def calibration(self, name: str = "camera") -> CameraCalibration:
        """What a calibration file holds of this camera: R the identity, P = [K | 0], a pinhole as plumb_bob."""
        K = self.matrix
        return CameraCalibration(
            name=name,
            width=self.width,
            height=self.height,
            K=tuple(K.ravel().tolist()),
            D=(0.0,) * 5 if self.rectified else self.distortion,
            P=tuple(np.hstack([K, np.zeros((3, 1))]).ravel().tolist()),
            model="plumb_bob" if self.rectified else self.model,
        )

    @classmethod
    def from_calibration(
        cls, calibration: CameraCalibration, *, rectified: bool = False, size: tuple[int, int] | None = None
    ) -> Camera:
        """The camera of the image a driver sends, by a calibration file or a sensor_msgs/CameraInfo.

        Args:
            rectified: True for `image_rect*` topics: the camera is then P, without distortion.
            size: (width, height) of the image, for a calibration without one (0x0).

        A binned pixel averages whole sensor pixels, so binning follows the half-pixel rule.
        """
        K, P = calibration.K, calibration.P
        if len(K) != 9 or len(P) not in (0, 12):
            raise CameraError(f"K has {len(K)} and P has {len(P)} numbers, expected 9 and 12")
        model, distortion = _lens(calibration.model, tuple(float(c) for c in calibration.D))
        fx, fy, cx, cy = K[0], K[4], K[2], K[5]
        if rectified:
            if len(P) == 12 and P[0] != 0:
                fx, fy, cx, cy = P[0], P[5], P[2], P[6]
            elif any(distortion):
                raise CameraError("the image is said to be rectified but P is all zero and D is not, expected P")
            model, distortion = "none", ()
        x, y, roi_width, roi_height = calibration.roi
        bx, by = (max(each, 1) for each in calibration.binning)
        width, height = calibration.width, calibration.height
        if width == 0 == height and size is not None:
            if roi_width and roi_height:
                raise CameraError("the calibration has a region of interest and no size, expected width and height")
            width, height = size[0] * bx, size[1] * by
        camera = cls(int(width), int(height), float(fx), float(fy), float(cx), float(cy), model, distortion)
        if roi_width and roi_height:
            camera = camera.cropped(x, y, roi_width, roi_height)
        if (bx, by) != (1, 1):
            columns, rows = camera.width // bx, camera.height // by
            # Sensors drop the incomplete last pixel, so the focal length is divided by the binning exactly.
            camera = camera.cropped(0, 0, columns * bx, rows * by).resized(columns, rows)
        return camera


def _lens(name: str, coefficients: tuple[float, ...]) -> tuple[str, tuple[float, ...]]:
    """Model and coefficients, from what a file or message calls the model."""
    model = _ALIASES.get(name, name)
    if model in ("", "none", "None", "NONE"):
        if any(coefficients):
            raise CameraError(f"D is {coefficients} but the distortion model is empty, expected its name")
        return "none", ()
    if not any(coefficients):
        # An equidistant lens with zero coefficients is still no pinhole; the polynomial models are.
        return (model, coefficients[:4]) if model == "equidistant" and coefficients else ("none", ())
    if model == "equidistant" and not any(coefficients[4:]):
        coefficients = coefficients[:4]  # realsense2_camera writes five, the last zero
    if model in ("plumb_bob", "rational_polynomial"):
        # OpenCV and image_geometry go by the number of coefficients, whose order is the same, and not by the name.
        longer = len(coefficients) in DISTORTION_LENGTHS["rational_polynomial"]
        shorter = len(coefficients) in DISTORTION_LENGTHS["plumb_bob"]
        model = "rational_polynomial" if longer else "plumb_bob" if shorter else model
    return model, coefficients
