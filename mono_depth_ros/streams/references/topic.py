# SPDX-License-Identifier: Apache-2.0
"""References that are messages of a sensor: buffered by stamp, and samples of an image made from the nearest."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.streams.pairing import Nearest
from mono_depth_ros.streams.references.base import Context, Reference, ReferenceMatch, View
from mono_depth_ros.streams.references.extrinsics import Extrinsics

_KEPT = 10  # messages: a second of a lidar's


class TopicReference(Reference):
    """Buffers the messages of its first input; a child says how one becomes samples.

    That is done once for each message, unless the camera has moved against the sensor since.

    Attributes:
        elsewhere: the sensor is never in the camera's own frame, so that its extrinsics are needed.
    """

    elsewhere = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._extrinsics = Extrinsics(context, required=self.elsewhere)
        self._buffer: Nearest[Any] = Nearest(_KEPT)
        self._made: tuple[Any, Samples] | None = None

    @property
    def topic(self) -> str:
        """Of the first input."""
        return self.context.topic(self.inputs[0].name)

    @abstractmethod
    def convert(self, message: Any, view: View, config: ReferenceConfig, place: np.ndarray) -> Samples:
        """The samples of one message in an image with the camera and frame of `view`.

        Args:
            place: (4, 4) cam_from_reference, at the stamp of the image.

        Raises:
            FrameError, DataError: it gives none.
        """

    def add(self, name: str, message: Any) -> None:
        if self._buffer.add(stamp_ns(message.header.stamp), message):
            self.given_ns = None

    def samples(self, view: View) -> ReferenceMatch | None:
        if not len(self._buffer):
            return None
        config = self.context.options(ReferenceConfig)
        match = self._buffer.nearest(view.stamp_ns, config.tolerance)
        if match is None:
            raise SamplesError(self._buffer.why_none(view.stamp_ns, config.tolerance), "reference_time")
        found = self._samples_of(match.thing, view, config)
        fresh, self.given_ns = match.stamp_ns != self.given_ns, match.stamp_ns
        return ReferenceMatch(found, match.stamp_ns, match.offset_s, fresh, self.local, self.lone)

    def _samples_of(self, message: Any, view: View, config: ReferenceConfig) -> Samples:
        """Several images in a row may have the same message: a camera is faster than a lidar."""
        place = self._extrinsics.cam_from(message.header, view)
        key = (view.camera, view.frame, config, place.tobytes())
        if self._made is not None and self._made[0][0] is message and self._made[0][1] == key:
            return self._made[1]
        found = self.convert(message, view, config, place).thinned(config.reference_samples)
        self._made = ((message, key), found)
        return found
