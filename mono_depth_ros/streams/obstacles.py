# SPDX-License-Identifier: Apache-2.0
"""Obstacles of a stream of images, live and recorded alike: where the robot is, what of the image it is itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.config import GroundConfig, ObstacleConfig
from mono_depth_ros.errors import ConfigError, DataError, FrameError, ImageError, ObstacleError
from mono_depth_ros.frame import Frame
from mono_depth_ros.geometry.rigid import inverse, transform_points
from mono_depth_ros.media.images import read_image
from mono_depth_ros.messages.kinds import bare
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.obstacles.finder import find_obstacles
from mono_depth_ros.obstacles.scan import Scan
from mono_depth_ros.paths import expanded
from mono_depth_ros.streams.references.ground import given_base, pitched_up

Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]

_TURNED = 0.5  # the lower edge of the image is above the optical axis by more than this: a roll of 120 degrees and more
_DOWN = -0.9  # the optical axis points below the horizon by more than 64 degrees


@dataclass(frozen=True, eq=False)
class Placed:
    """The obstacles of an image, in the frames in which they are published.

    Attributes:
        frame: of `points` and `scan`. points: (N, 3) float32 metres. scan: None where no base frame is known, since a
            scan turns about the z axis of its frame.
        free: (M, 3) float32 metres, optical frame of the camera, where the rays that clear begin.
    """

    frame: str
    points: Floats
    scan: Scan | None
    free: Floats


class ObstacleSource:
    """Where the camera is on the robot is told by base_from_camera, else by transforms to base_frame at the stamp of
    the image; without a base frame by camera_height and pitch_deg, else by the floor that is seen. Never guessed.

    Args:
        options: the configuration at this moment, by class.
        transform: as of `Context`; None: transforms are not known here.
        camera: which of how many cameras this is; the options have a part for each. max_pixels: of the mask.

    Attributes:
        base_frame: "" for none. problem: why the last image has no obstacles; "" where it has.
        missed: gets reason and sentence of each image that has none.

    Raises:
        ConfigError: what is given cannot be used, or does not go together.
    """

    def __init__(
        self,
        options: Callable[[type[Any]], Any],
        transform: Callable[[str, str, int], Matrix] | None,
        camera: tuple[int, int] = (0, 1),
        max_pixels: int = 0,
    ) -> None:
        self._options = options
        self.missed: Callable[[str, str], None] = lambda *_: None
        config, ground = options(ObstacleConfig), options(GroundConfig)
        self.base_frame = bare(ground.base_frame.strip())
        self._given = given_base(_part("base_from_camera", ground.base_from_camera, camera))
        self._transform = transform
        if self._given is not None and not self.base_frame:
            raise ConfigError(
                "base_from_camera is given, expected base_frame as well: the name of the frame that it leads to"
            )
        if self.base_frame and self._given is None and transform is None:
            raise ConfigError(
                f"base_frame is '{self.base_frame}', but tf2_ros is not installed: give base_from_camera, "
                "'x y z qx qy qz qw'"
            )
        self._level = None if self.base_frame else _level(ground)
        mask = _part("mask", config.mask, camera)
        self._mask = _read_mask(mask, max_pixels) if mask else None
        self.problem, self._concern = "", ""
        self._count, self._without = 0, 0

    def placed(self, frame: Frame, header: Any, depth: NDArray[np.float32]) -> Placed | None:
        """Of an image; None where it has none, which is counted and said. It may wait for a transform.

        Args:
            header: of the image. depth: `frame.depth` on the host.
        """
        try:
            found = self._placed(frame, header, depth)
        except (FrameError, DataError) as error:
            self.problem, self._without = str(error), self._without + 1
            self.missed(getattr(error, "reason", "obstacles"), str(error))
            return None
        self.problem, self._count = "", len(found.points)
        return found

    def concern(self, scan: bool) -> str:
        """A sentence on what is doubtful about those of the last image, or missing; "" else. `scan`: it is wanted."""
        if scan and not self.base_frame:
            return "no scan: it needs a frame with z up: give base_frame, and base_from_camera where tf2 has none"
        return self._concern

    def figures(self) -> dict[str, str]:
        """Key-value pairs for diagnostics."""
        without = f"{self._without}{': ' * bool(self.problem)}{self.problem}"
        where = self.base_frame or "the camera's optical frame"
        return {"obstacles (points)": str(self._count), "obstacles in": where, "images without obstacles": without}

    def _placed(self, frame: Frame, header: Any, depth: NDArray[np.float32]) -> Placed:
        assert frame.camera is not None, "frames of topics have a camera"
        base_from_camera = self._base_from_camera(header)
        self._concern = _doubt(base_from_camera) if base_from_camera is not None else ""
        config = self._options(ObstacleConfig)
        found = find_obstacles(
            torch.from_numpy(depth), frame.camera, base_from_camera, config, frame.uncertainty, self._mask,
            max_relative_error=frame.config.max_relative_error,
        )  # fmt: skip
        if base_from_camera is None:
            return Placed(header.frame_id, found.points, None, found.free)
        camera_from_base = inverse(base_from_camera)
        free = transform_points(camera_from_base, found.free)
        if not self.base_frame:
            return Placed(header.frame_id, transform_points(camera_from_base, found.points), None, free)
        return Placed(self.base_frame, found.points, found.scan, free)

    def _base_from_camera(self, header: Any) -> Matrix | None:
        if not self.base_frame:
            return self._level
        matrix = self._given
        if matrix is None:
            assert self._transform is not None
            if not bare(header.frame_id):
                raise ObstacleError(
                    "frame_id of the image is empty, expected a name: without one there is no transform",
                    "frame_missing",
                )
            matrix = self._transform(self.base_frame, header.frame_id, stamp_ns(header.stamp))
        if not matrix[2, 3] > 0:
            raise ObstacleError(
                f"the camera is {matrix[2, 3]:.3g} m above '{self.base_frame}', expected more than 0: is that frame on "
                "the floor, z up?",
                "ground_height",
            )
        return matrix


class Finding:
    """The obstacles of one image, found once, for all topics that have them.

    Args: as of `ObstacleSource.placed`, which `source` is.
    """

    def __init__(self, source: ObstacleSource, frame: Frame, header: Any) -> None:
        self._source, self._frame, self._header = source, frame, header
        self._found: Placed | None = None
        self._done = False

    def placed(self, depth: NDArray[np.float32]) -> Placed | None:
        """As `ObstacleSource.placed`."""
        if not self._done:
            self._found, self._done = self._source.placed(self._frame, self._header, depth), True
        return self._found


def _part(name: str, text: str, camera: tuple[int, int]) -> str:
    """What an option says of one of several cameras."""
    number, count = camera
    parts = [part.strip() for part in text.split(";")] if count > 1 and text.strip() else [text.strip()] * count
    if len(parts) != count:
        raise ConfigError(f"{name} has {len(parts)} parts, expected {count}: one a camera, in their order, parted by ;")
    return parts[number]


def _level(config: GroundConfig) -> Matrix | None:
    """(4, 4) from the camera to a frame on the floor below it, x ahead; None where height or pitch is not given."""
    up = pitched_up(config)
    if up is None or config.camera_height == 0:
        return None
    ahead = np.array([0.0, 0.0, 1.0]) if abs(up[2]) < 0.999 else np.array([0.0, -1.0, 0.0])
    x = ahead - (ahead @ up) * up
    x /= np.linalg.norm(x)
    matrix = np.eye(4)
    matrix[:3, :3] = x, np.cross(up, x), up
    matrix[2, 3] = config.camera_height
    return matrix


def _read_mask(path: str, max_pixels: int) -> torch.Tensor:
    """(H, W) bool, False where the image is black."""
    try:
        picture = read_image(expanded(path), max_pixels)
    except (DataError, ImageError) as error:
        raise ConfigError(f"mask is '{path}', expected an image: {error}") from error
    mask = torch.from_numpy(picture.max(axis=-1) > 127)
    if not mask.any():
        raise ConfigError(f"mask is '{path}', which is black everywhere: nothing of the image would count")
    return mask


def _doubt(base_from_camera: Matrix) -> str:
    if base_from_camera[2, 1] > _TURNED:
        return (
            "the camera is upside down on the robot: networks know upright images, so that its depth is in doubt; turn "
            "the images and their frame, or correct the transform"
        )
    if base_from_camera[2, 2] < _DOWN:
        pitch = math.degrees(math.asin(min(-base_from_camera[2, 2], 1.0)))
        return f"the camera looks down by {pitch:.0f} degrees: obstacles ahead of the robot are not seen"
    return ""
