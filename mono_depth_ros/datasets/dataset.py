# SPDX-License-Identifier: Apache-2.0
"""What a reader of a data set gives: images with ground truth, what is missing, and the protocol that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.registration import Registration
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.depth import UNKNOWN, read_depth
from mono_depth_ros.media.images import read_image


@dataclass(frozen=True)
class Item:
    """One image with ground truth.

    Attributes:
        name: unique in the data set, relative and without suffix.
        camera: of the image; None where the data set has none.
        sequence, index: images of one sequence with indices one apart are consecutive; "" is no sequence.
        stamp_s: when it was taken, by the clock of its sequence; None where that is not known.
    """

    name: str
    rgb: Path
    truth: Path
    camera: Camera | CameraArgument | None = None
    sequence: str = ""
    index: int = 0
    stamp_s: float | None = None

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


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """One image in memory.

    Attributes:
        rgb: (H, W, 3) uint8. truth: (H, W) float64 metres along the optical axis, NaN unknown.
        camera: None where the data set has none.
    """

    item: Item
    rgb: NDArray[np.uint8]
    truth: NDArray[np.float64]
    camera: Camera | None


@dataclass(frozen=True)
class DataSet:
    """A data set as it was found.

    Attributes:
        name: of the reader. layout: which of its layouts this is, in words.
        items: the images that can be used. missing: files that should be there and are not, in words.
        depth_scale: numbers in a metre of the files with the ground truth. unknown: those that mean no depth.
        protocol: the published one that goes with it. camera: in words. notes: what a user should know.
        registration: how the ground truth comes into the image where another camera measured it; None: it is there.
        pose: (4, 4) world from camera of an item, in metres, the camera's optical frame; raises DataError where it is
            not known. None where the data set has no poses.
    """

    name: str
    layout: str
    items: tuple[Item, ...]
    missing: tuple[str, ...]
    depth_scale: float
    protocol: Protocol
    camera: str
    unknown: tuple[int, ...] = UNKNOWN
    notes: tuple[str, ...] = field(default=())
    registration: Registration | None = None
    pose: Callable[[Item], NDArray[np.float64]] | None = None

    def truth(self, item: Item) -> NDArray[np.float64]:
        """(H, W) float64 metres along the optical axis, NaN unknown; see `media.depth.read_depth`."""
        depth = read_depth(item.truth, self.depth_scale, self.unknown, self.depth_scale)
        if self.registration is None:
            return depth
        camera = item.camera_of(depth.shape[1], depth.shape[0])
        assert camera is not None, "a data set with a registration knows its camera"
        return self.registration.apply(depth, camera)

    def load(self, item: Item) -> LabelledFrame:
        """Read one image with its ground truth.

        Raises:
            MonoDepthError: a file cannot be read, or image, ground truth and camera are of different sizes.
        """
        rgb = read_image(item.rgb)
        height, width = rgb.shape[:2]
        truth = self.truth(item)
        if truth.shape != (height, width):
            raise DataError(
                f"ground truth {item.truth} is {truth.shape[1]}x{truth.shape[0]}, expected {width}x{height}, the size "
                f"of {item.rgb.name}"
            )
        return LabelledFrame(item, rgb, truth, item.camera_of(width, height))

    def with_camera(self, camera: CameraArgument) -> DataSet:
        """The same with this camera for every image."""
        items = tuple(replace(item, camera=camera) for item in self.items)
        return replace(self, items=items, camera=f"{camera.text} (--camera)")
