# SPDX-License-Identifier: Apache-2.0
"""Video files and webcams as pictures with their times. Nothing here knows ROS."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.containers import read_container

# Decoders would print a line for each broken block: what is lost is said in one sentence, by `VideoFile.lost`.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

_MAX_RATE_HZ = 1000.0
_DEFAULT_RATE_HZ = 30.0


@dataclass(frozen=True)
class VideoFile:
    """A video file, read with OpenCV.

    Attributes:
        width, height: of its pictures as `pictures` gives them. turned: by how many degrees, clockwise, these were
            turned against the stored ones, as the file says that they are to be shown; phones store them as the sensor
            lies.
        rate_hz: the mean that the file states; NaN where it states none.
        estimate: of the number of its pictures, 0 where there is none. count: the same for sure, by its index, or None.
        fault: of the file, "" for none.
    """

    path: Path
    width: int
    height: int
    turned: int
    rate_hz: float
    estimate: int
    count: int | None
    fault: str

    @classmethod
    def open(cls, path: Path) -> VideoFile:
        """Raises DataError where the file is no video that OpenCV can read."""
        try:
            container = read_container(path)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        why = f": {container.fault}" if container.fault else ""
        capture = _opened(str(path), f"{path} is no video that OpenCV can read{why}")
        rate_hz, images = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        stated = math.isfinite(rate_hz) and 0.0 < rate_hz <= _MAX_RATE_HZ
        width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        turned = int(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        capture.release()
        return cls(
            path,
            width,
            height,
            turned,
            rate_hz if stated else math.nan,
            container.count or max(0, int(images)),
            container.count,
            container.fault,
        )

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height of the pictures before they are turned."""
        return (self.height, self.width) if self.turned % 180 else (self.width, self.height)

    def as_stored(self) -> VideoFile:
        """The same video without any turning."""
        width, height = self.stored_size
        return replace(self, width=width, height=height, turned=0)

    def pictures(self) -> Iterator[tuple[int, np.ndarray]]:
        """(time in ns, (H, W, 3) uint8 RGB) of every picture, in order; the first is at 0 and time never goes back.

        Raises:
            DataError: there is none.
        """
        first = last = 0.0
        step = 1e3 / (self.rate_hz if math.isfinite(self.rate_hz) else _DEFAULT_RATE_HZ)
        count = 0
        with _released(self._capture()) as capture:
            while (rgb := _read(capture)) is not None:
                stated = capture.get(cv2.CAP_PROP_POS_MSEC)
                first = stated if count == 0 else first
                known = math.isfinite(stated) and (count == 0 or stated - first > last)
                last = stated - first if known else last + step  # as in streams without any times
                yield round(last * 1e6), rgb
                count += 1
        if not count:
            raise DataError(f"{self.path} holds no image that OpenCV can read" + (self.fault and f": {self.fault}"))

    def sample(self, number: int) -> Iterator[np.ndarray]:
        """Up to `number` pictures (H, W, 3) uint8 RGB, about evenly spread; fewer where the file cannot be searched."""
        with _released(self._capture()) as capture:
            images = capture.get(cv2.CAP_PROP_FRAME_COUNT)
            for k in range(number):
                capture.set(cv2.CAP_PROP_POS_FRAMES, int((k + 0.5) / number * images))
                if (rgb := _read(capture)) is not None:
                    yield rgb

    def lost(self, count: int, last_ns: int) -> str:
        """What is missing of the video after `count` pictures, the last at a time, in a sentence; "" for nothing."""
        said = f"{count} of {self.count} images" if self.count and count < self.count else f"{count} images"
        if self.fault:
            return f"{self.path} is damaged: {self.fault}; {said} could be read, the last at {last_ns / 1e9:.2f} s"
        if self.count and count < self.count:
            return f"{self.path} is damaged: {said} could be read, the last at {last_ns / 1e9:.2f} s"
        return ""

    def _capture(self) -> cv2.VideoCapture:
        return _opened(str(self.path), f"{self.path} is no video that OpenCV can read", upright=self.turned != 0)


class Webcam:
    """A camera of this machine, opened at once; the pictures come at its own pace.

    Args:
        index: of the camera. rate_hz, width, height: asked of it, 0 for its own choice.

    Attributes:
        name: such as "webcam:1".

    Raises:
        DataError: it cannot be opened; the sentence names the cameras that there are.
    """

    def __init__(self, index: int, rate_hz: float = 0.0, width: int = 0, height: int = 0) -> None:
        self.name = f"webcam:{index}"
        there = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        self._capture = _opened(index, f"{self.name} cannot be opened; cameras in /dev: {there}")
        wishes = {cv2.CAP_PROP_FRAME_WIDTH: width, cv2.CAP_PROP_FRAME_HEIGHT: height, cv2.CAP_PROP_FPS: rate_hz}
        for key, value in wishes.items():
            if value:
                self._capture.set(key, value)

    @property
    def width(self) -> int:
        """Of its pictures."""
        return int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))

    @property
    def height(self) -> int:
        """Of its pictures."""
        return int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))

    def pictures(self) -> Iterator[tuple[int, np.ndarray]]:
        """As `VideoFile.pictures`, at the time of their arrival.

        Raises:
            DataError: it gives no more.
        """
        first: int | None = None
        with _released(self._capture) as capture:
            while (rgb := _read(capture)) is not None:
                now = time.monotonic_ns()
                first = now if first is None else first
                yield now - first, rgb
        raise DataError(f"{self.name} gives no more images: is it unplugged, or used by another program?")


def _opened(what: str | int, sentence: str, upright: bool = True) -> cv2.VideoCapture:
    live = isinstance(what, int) and sys.platform == "linux"
    capture = cv2.VideoCapture(what, cv2.CAP_V4L2) if live else cv2.VideoCapture(what)
    if not capture.isOpened():
        raise DataError(sentence)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, float(upright))
    return capture


@contextmanager
def _released(capture: cv2.VideoCapture) -> Iterator[cv2.VideoCapture]:
    try:
        yield capture
    finally:
        capture.release()


def _read(capture: cv2.VideoCapture) -> np.ndarray | None:
    good, picture = capture.read()
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if good else None
