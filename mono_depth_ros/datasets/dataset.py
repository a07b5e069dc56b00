# SPDX-License-Identifier: Apache-2.0
"""What a reader of a data set gives: images with ground truth, what is missing, and the protocol that goes with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.camera_argument import CameraArgument


@dataclass(frozen=True)
class Item:
    """One image with ground truth.

    Attributes:
        name: unique in the data set, relative and without suffix.
        camera: of the image; None where the data set has none.
        sequence, index: images of one sequence with indices one apart are consecutive; "" is no sequence.
    """

    name: str
    rgb: Path
    truth: Path
    camera: Camera | CameraArgument | None = None
    sequence: str = ""
    index: int = 0

    def camera_of(self, width: int, height: int) -> Camera | None:
        """The camera of its width x height image.

        Raises:
            CameraError: it is of another size.
        """
        if isinstance(self.camera, CameraArgument):
            return self.camera.camera(width, height)
        if self.camera is not None:
            self.camera.check_size(width, height)
        return self.camera


@dataclass(frozen=True)
class DataSet:
    """A data set as it was found.

    Attributes:
        name: of the reader. layout: which of its layouts this is, in words.
        items: the images that can be used. missing: files that should be there and are not, in words.
        depth_scale: numbers in a metre of the files with the ground truth. unknown: numbers that mean no depth.
        protocol: the published one that goes with it. camera: in words. notes: what a user should know.
    """

    name: str
    layout: str
    items: tuple[Item, ...]
    missing: tuple[str, ...]
    depth_scale: float
    protocol: Protocol
    camera: str
    unknown: tuple[int, ...] = (0,)
    notes: tuple[str, ...] = field(default=())

    def truth(self, item: Item) -> NDArray[np.float64]:
        """(H, W) metres along the optical axis, NaN unknown; see `read_depth`."""
        return read_depth(item.truth, self.depth_scale, self.unknown)

    def with_camera(self, camera: CameraArgument) -> DataSet:
        """The same with this camera for every image."""
        items = tuple(replace(item, camera=camera) for item in self.items)
        return replace(self, items=items, camera=f"{camera.text} (--camera)")


def read_depth(path: Path, scale: float, unknown: Iterable[int] = (0,)) -> NDArray[np.float64]:
    """Depth of a file: (H, W) float64 metres along the optical axis, NaN unknown.

    A 16-bit picture holds `scale` numbers a metre, of which `unknown` mean no depth; NAME.npy holds floating-point
    numbers, likewise `scale` a metre, where what is not finite and positive is unknown.

    Raises:
        DataError: no such file, or something else in it.
    """
    if path.suffix.lower() == ".npy":
        try:
            numbers = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"ground truth {path} cannot be read: {error}") from error
        if numbers.ndim != 2 or numbers.dtype.kind != "f":
            raise DataError(f"ground truth {path} is {numbers.shape} {numbers.dtype}, expected (H, W) floating point")
        metres = numbers.astype(np.float64) / scale
        return np.where(np.isfinite(metres) & (metres > 0), metres, np.nan)
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        raise DataError(f"ground truth {path} is empty, cut off or no picture, expected a 16-bit PNG")
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise DataError(f"ground truth {path} is {pixels.shape} {pixels.dtype}, expected one channel of 16 bits")
    metres = pixels / float(scale)
    metres[np.isin(pixels, tuple(unknown))] = np.nan
    return metres
