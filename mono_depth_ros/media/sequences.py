# SPDX-License-Identifier: Apache-2.0
"""Images of a folder, a video file or a webcam, one after the other. Nothing here knows ROS."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from mono_depth_ros.errors import ConfigError, DataError, ImageError
from mono_depth_ros.media.images import SUFFIXES, images_in, read_image

FOLDER_RATE_HZ = 10.0

_WEBCAM = re.compile(r"(?:webcam|/dev/video)(?::?(\d+))?")

Problem = Callable[[str, str], None]
"""Told (reason, sentence) about an image that is left out."""


class Source(Protocol):
    """Images in order."""

    @property
    def rate_hz(self) -> float | None:
        """The source's own rate; None where it sets the pace itself (live)."""
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
    if webcam := _WEBCAM.fullmatch(text):
        return Webcam(int(webcam[1] or 0), rate_hz, width, height)
    path = Path(text).expanduser()
    if path.is_dir():
        return Files(tuple(images_in(path)), rate_hz or FOLDER_RATE_HZ)
    if not path.is_file():
        raise DataError(f"source {text} does not exist, expected a folder, a file, webcam or webcam:1")
    if path.suffix.lower() in SUFFIXES:
        return Files((path,), rate_hz or FOLDER_RATE_HZ)
    return Video.open(path, rate_hz)


@dataclass(frozen=True)
class Files:
    """Image files, decoded as compressed topics are, so that a file and a message give the same pixels."""

    paths: tuple[Path, ...]
    rate_hz: float | None

    def frames(self, problem: Problem) -> Iterator[tuple[str, np.ndarray]]:
        usable = False
        for path in self.paths:
            try:
                rgb = read_image(path)
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
    """A video file, read with OpenCV."""

    path: Path
    rate_hz: float | None

    @classmethod
    def open(cls, path: Path, rate_hz: float) -> Video:
        """Check that the file is a video; 0 Hz means the rate it states."""
        capture = _capture(str(path), f"{path} is no video that OpenCV can read")
        stated_hz = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        if not rate_hz and not (math.isfinite(stated_hz) and 0.0 < stated_hz <= 1000.0):
            raise ConfigError(f"{path} states a rate of {stated_hz:g} Hz: give the rate")
        return cls(path, rate_hz or stated_hz)

    def frames(self, problem: Problem) -> Iterator[tuple[str, np.ndarray]]:
        capture = _capture(str(self.path), f"{self.path} is no video that OpenCV can read")
        count = 0
        try:
            while (picture := _read(capture)) is not None:
                yield f"{self.path.name} image {count}", picture
                count += 1
        finally:
            capture.release()
        if not count:
            raise DataError(f"{self.path} holds no image that OpenCV can read")


class Webcam:
    """A camera of this machine, opened at once; the images come at its own pace."""

    rate_hz = None

    def __init__(self, index: int, rate_hz: float, width: int, height: int) -> None:
        self._name = f"webcam:{index}"
        found = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        sentence = f"{self._name} cannot be opened; cameras in /dev: {found}"
        self._capture = _capture(index, sentence)
        wishes = {cv2.CAP_PROP_FRAME_WIDTH: width, cv2.CAP_PROP_FRAME_HEIGHT: height, cv2.CAP_PROP_FPS: rate_hz}
        for key, value in wishes.items():
            if value:
                self._capture.set(key, value)

    def frames(self, problem: Problem) -> Iterator[tuple[str, np.ndarray]]:
        try:
            while (picture := _read(self._capture)) is not None:
                yield self._name, picture
        finally:
            self._capture.release()
        raise DataError(f"{self._name} gives no more images: is it unplugged, or used by another program?")


def _capture(what: str | int, sentence: str) -> cv2.VideoCapture:
    live = isinstance(what, int) and sys.platform == "linux"
    capture = cv2.VideoCapture(what, cv2.CAP_V4L2) if live else cv2.VideoCapture(what)
    if not capture.isOpened():
        raise DataError(sentence)
    # The calibration is that of the sensor's pixels, before any turning.
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    return capture


def _read(capture: cv2.VideoCapture) -> np.ndarray | None:
    good, picture = capture.read()
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if good else None
