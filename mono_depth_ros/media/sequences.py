# SPDX-License-Identifier: Apache-2.0
"""Images of a folder, a video file or a webcam, one after the other. Nothing here knows ROS."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from mono_depth_ros.errors import ConfigError, DataError, ImageError
from mono_depth_ros.media.bits import BitDepth
from mono_depth_ros.media.images import SUFFIXES, images_in, read_image
from mono_depth_ros.media.video import VideoFile, Webcam
from mono_depth_ros.paths import expanded

LOGGER = logging.getLogger(__name__)

FOLDER_RATE_HZ = 10.0

VIDEO_SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
    *(".ogv", ".ts", ".webm", ".wmv"),
)

_WEBCAM = re.compile(r"(?:webcam|/dev/video)(?::?(\d+))?|(\d{1,3})")

Problem = Callable[[str, str], None]
"""Told (reason, sentence) about an image that is left out."""


class Source(Protocol):
    """Images in order."""

    @property
    def rate_hz(self) -> float | None:
        """The source's own rate; None where it sets the pace itself (live)."""
        ...

    def fitting(self, width: int, height: int) -> Source:
        """The source as it is best read with a calibration of this size."""
        ...

    def frames(self, problem: Problem) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (name, rgb (H, W, 3) uint8) once through. Raises DataError where the source fails as a whole."""


def open_source(text: str, rate_hz: float = 0.0, width: int = 0, height: int = 0) -> Source:
    """The source that `text` means: a folder, an image or video file, `webcam`, `webcam:1` or `/dev/video1`.

    Args:
        rate_hz: 0 for the source's own. width, height: asked of a webcam, 0 for its own choice.

    Raises:
        ConfigError: `text` is empty. DataError: there is no such thing, or no image in it.
    """
    if not text:
        raise ConfigError("source is empty, expected a folder of images, an image or video file, webcam or webcam:1")
    path = expanded(text)
    if (index := webcam_index(text)) is not None:
        return Live(Webcam(index, rate_hz, width, height))
    if path.is_dir():
        return Files(tuple(images_in(path)), rate_hz or FOLDER_RATE_HZ)
    if not path.is_file():
        raise DataError(f"source {text} does not exist, expected a folder, a file, webcam or webcam:1")
    if path.suffix.lower() in SUFFIXES:
        return Files((path,), rate_hz or FOLDER_RATE_HZ)
    return Video.open(path, rate_hz)


def is_video(text: str) -> bool:
    """Whether a text means a video file, by its suffix, or a webcam."""
    path = Path(text)
    return webcam_index(text) is not None or (path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir())


def webcam_index(text: str) -> int | None:
    """The number of the webcam that `webcam`, `webcam:1`, `/dev/video1` or, where no file is called so, `1` means."""
    found = _WEBCAM.fullmatch(text)
    return int(found[1] or found[2] or 0) if found and not (found[2] and Path(text).exists()) else None


@dataclass(frozen=True)
class Files:
    """Image files, decoded as compressed topics are, so that a file and a message give the same pixels."""

    paths: tuple[Path, ...]
    rate_hz: float | None

    def fitting(self, width: int, height: int) -> Files:
        return self

    def frames(self, problem: Problem) -> Iterator[tuple[str, np.ndarray]]:
        usable, scale = False, BitDepth(lambda: 0, LOGGER.warning)  # one for all, or the brightness would breathe
        for path in self.paths:
            try:
                rgb = read_image(path, scale=scale)
            except DataError as error:
                problem("unreadable", str(error))
            except ImageError as error:
                problem(error.reason, f"{path}: {error}")
            else:
                usable = True
                yield path.name, rgb
        if not usable:
            raise DataError(f"none of the {len(self.paths)} images beside {self.paths[0]} can be read")


@dataclass(frozen=True)
class Video:
    """A video file, upright as it says that it is to be shown."""

    file: VideoFile
    rate_hz: float | None

    @classmethod
    def open(cls, path: Path, rate_hz: float) -> Video:
        """Check that the file is a video; 0 Hz means the rate it states."""
        file = VideoFile.open(path)
        if not rate_hz and not math.isfinite(file.rate_hz):
            raise ConfigError(f"{path} states no rate of images: give the rate")
        return cls(file, rate_hz or file.rate_hz)

    def fitting(self, width: int, height: int) -> Video:
        """The pictures as they are stored, where only those have the size of a calibration."""
        fits = (width, height) != (self.file.width, self.file.height) and (width, height) == self.file.stored_size
        return replace(self, file=self.file.as_stored()) if fits else self

    def frames(self, problem: Problem) -> Iterator[tuple[str, np.ndarray]]:
        count = last_ns = 0
        for count, (last_ns, rgb) in enumerate(self.file.pictures(), 1):  # noqa: B007
            yield f"{self.file.path.name} image {count - 1}", rgb
        if sentence := self.file.lost(count, last_ns):
            problem("damaged", sentence)


@dataclass(frozen=True)
class Live:
    """A webcam."""

    camera: Webcam
    rate_hz: float | None = None

    def fitting(self, width: int, height: int) -> Live:
        return self

    def frames(self, problem: Problem) -> Iterator[tuple[str, np.ndarray]]:
        for _, rgb in self.camera.pictures():
            yield self.camera.name, rgb
