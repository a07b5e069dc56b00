# SPDX-License-Identifier: Apache-2.0
"""Which camera_info belongs to which image: one rule, for a node and for a recording of the same messages.

The camera_info with the very stamp of the image; else the newest one that is not later than the image; else, where all
are later, the oldest. One of another size than the image's, or one that cannot be used, is passed over.

So that a zoom camera, whose K changes from image to image, gets the right one whatever comes first, a node waits for
the camera_info of an image where it is likely to come: for the first image, and where one of the last two images had
one of its own stamp. It waits until one of its stamp or a later one has come, and a tenth of a second at most. Drivers
send the two together, so that this takes no time that could be noticed; one that was sent once is not waited for again.
Where the last ones said the same, a hundredth of a second must do: behind the large messages of a driver whose shared
memory is small, its camera_info may come several images late.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from mono_depth_ros.errors import CameraError, FrameError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rectify import IDENTITY, Rotation
from mono_depth_ros.messages.camera_info import camera_from_info, info_matrix
from mono_depth_ros.messages.stamps import stamp_ns

KEPT = 8  # camera_info messages that may belong to an image: what came before it, and with it
_PATIENCE = 2  # images without a camera_info of their own, one of which may have been lost, until none is waited for
_WAIT_S, _STEADY_WAIT_S = 0.1, 0.01
_STEADY = 5  # camera_info messages of one content, after which the next is expected to be the same
_JUMP_NS = 1_000_000_000  # so far back goes time only where it begins anew: those before are of another time

T = TypeVar("T")


@dataclass(frozen=True)
class Calibration:
    """The camera of one image, and the pinhole to rectify it into, if that is asked for."""

    camera: Camera
    into: Camera | None
    rotation: Rotation
    message: Any


def by_preference(infos: Iterable[tuple[int, T]], image_stamp_ns: int) -> list[T]:
    """What comes with stamps, in the order of their coming, in the order of this module's rule for an image."""
    newest_first = reversed(list(infos))  # of several with one stamp the last counts
    ordered = sorted(newest_first, key=lambda item: (item[0] > image_stamp_ns, abs(item[0] - image_stamp_ns)))
    return [thing for _, thing in ordered]


def calibration_of(
    messages: Iterable[Any], width: int, height: int, rectified: bool, rectify: bool = False
) -> Calibration:
    """The first of several camera_info messages that suits an image.

    Args:
        messages: by preference. rectified: the image is rectified already. rectify: it is to be rectified into P.

    Raises:
        FrameError: there is none. CameraError: what is wrong with the first; none of the others is any better.
    """
    problem: FrameError | None = None
    try:
        for message in messages:
            try:
                camera = camera_from_info(message, rectified, (width, height))
                camera.check_size(width, height)
                # A driver that leaves R zero has not said that the rectified camera is turned.
                rotation = info_matrix(message, "r") if rectify else IDENTITY
                into = camera_from_info(message, True, (width, height)) if rectify else None
                return Calibration(camera, into, rotation if any(rotation) else IDENTITY, message)
            except CameraError as error:
                problem = problem or error
        raise problem or FrameError("no camera_info has come yet", "no_camera_info")
    finally:
        del problem  # else it holds this call, and this call holds it: the caller's image would live on in the cycle


class CameraInfos:
    """The newest camera_info messages of one image topic.

    Args:
        rectified: the image topic is rectified already.
        rectify: images are to be rectified into the camera's P.
    """

    def __init__(self, rectified: bool, rectify: bool) -> None:
        self._rectified, self._rectify = rectified, rectify
        self._messages: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._came = threading.Condition()
        self._patience = 1  # images that are waited with, while none has a camera_info of its own
        self._image_ns = -1  # of the image looked up last
        self._content: tuple[Any, ...] = ()
        self._alike = 0  # messages of this content, one after the other

    def add(self, message: Any) -> None:
        """Keep a message."""
        stamp = stamp_ns(message.header.stamp)
        with self._came:
            if self._messages and stamp < self._messages[-1][0] - _JUMP_NS:
                self._messages.clear()
            self._messages.append((stamp, message))
            before, self._content = self._content, _content(message)
            self._alike = self._alike + 1 if self._content == before else 1
            if stamp == self._image_ns:
                self._patience = _PATIENCE
            self._came.notify_all()

    def known(self) -> bool:
        """Whether any has come."""
        return bool(self._messages)

    def match(self, image_stamp_ns: int, width: int, height: int) -> Calibration:
        """The calibration of an image, by the rule of this module; not in the thread of `add`, which is waited for.

        Raises:
            FrameError: none has come yet. CameraError: it is unusable, or none is of the image's size.
        """
        with self._came:
            self._image_ns = image_stamp_ns
            if self._patience > 0:
                wait_s = _STEADY_WAIT_S if self._alike >= _STEADY else _WAIT_S
                self._came.wait_for(lambda: any(stamp >= image_stamp_ns for stamp, _ in self._messages), wait_s)
            infos = list(self._messages)
            own = any(stamp == image_stamp_ns for stamp, _ in infos)
            self._patience = _PATIENCE if own else max(self._patience - 1, 0)
        return calibration_of(by_preference(infos, image_stamp_ns), width, height, self._rectified, self._rectify)


def _content(message: Any) -> tuple[Any, ...]:
    """All of a camera_info but its header."""
    numbers = (tuple(info_matrix(message, name)) for name in "krp")
    roi = message.roi
    window = (roi.x_offset, roi.y_offset, roi.width, roi.height, roi.do_rectify)
    size = (message.height, message.width, message.binning_x, message.binning_y)
    return (message.distortion_model, tuple(info_matrix(message, "d")), *numbers, size, window)
