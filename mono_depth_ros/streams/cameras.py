# SPDX-License-Identifier: Apache-2.0
"""Which calibration belongs to which image."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from mono_depth_ros.errors import CameraError, FrameError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rectify import IDENTITY, Rotation
from mono_depth_ros.messages.camera_info import camera_from_info
from mono_depth_ros.messages.stamps import stamp_ns

_KEPT = 8  # a driver may send camera_info before or after its image, and both may change in mid-stream


@dataclass(frozen=True)
class Calibration:
    """The camera of one image, and the pinhole to rectify it into, if that is asked for."""

    camera: Camera
    into: Camera | None
    rotation: Rotation
    message: Any


class CameraInfos:
    """The newest camera_info messages of one image topic.

    Args:
        rectified: the image topic is rectified already.
        rectify: images are to be rectified into the camera's P.
    """

    def __init__(self, rectified: bool, rectify: bool) -> None:
        self._rectified, self._rectify = rectified, rectify
        self._messages: deque[Any] = deque(maxlen=_KEPT)

    def add(self, message: Any) -> None:
        self._messages.append(message)

    def known(self) -> bool:
        """Whether any has come."""
        return bool(self._messages)

    def match(self, image_stamp_ns: int, width: int, height: int) -> Calibration:
        """The calibration of an image: the message with its very stamp, else the newest one of its size.

        Raises:
            FrameError: none has come yet. CameraError: it is unusable, or none is of the image's size.
        """
        messages = list(self._messages)
        if not messages:
            raise FrameError("no camera_info has come yet", "no_camera_info")
        same_stamp = [m for m in messages if stamp_ns(m.header.stamp) == image_stamp_ns]
        problem: CameraError | None = None
        for message in (*same_stamp, *reversed(messages)):
            try:
                camera = camera_from_info(message, self._rectified)
                camera.check_size(width, height)
                return self._calibration(camera, message)
            except CameraError as error:
                problem = problem or error
        assert problem is not None
        raise problem

    def _calibration(self, camera: Camera, message: Any) -> Calibration:
        if not self._rectify:
            return Calibration(camera, None, IDENTITY, message)
        rotation = tuple(float(value) for value in message.r)
        # A driver that leaves R zero has not said that the rectified camera is turned.
        into = camera_from_info(message, rectified=True)
        return Calibration(camera, into, rotation if any(rotation) else IDENTITY, message)
