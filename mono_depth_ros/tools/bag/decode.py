# SPDX-License-Identifier: Apache-2.0
"""From the message of an image to what the pipeline takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from mono_depth_ros.bags.messages import header_of
from mono_depth_ros.bags.reader import BagReader, Message
from mono_depth_ros.config import BagConfig, ImageConfig
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.models.memory import History
from mono_depth_ros.pipeline import Shot
from mono_depth_ros.streams.cameras import calibration_of
from mono_depth_ros.streams.images import ImageReader
from mono_depth_ros.streams.usable import Usable
from mono_depth_ros.tools.bag.frames import BagFrame, Batch


class Decoder:
    """Decodes the images of a bag, in the thread that reads it.

    Args:
        topic: of the images. images: how they are decoded. tell: gets sentences for people.
        usable: sees every image and its camera. history: of them, for a video model.

    Attributes:
        bits: of images of 16 bits.

    Raises:
        ConfigError, CameraError: `--camera` or `--hfov` is not usable.
    """

    def __init__(
        self,
        reader: BagReader,
        topic: str,
        config: BagConfig,
        images: ImageConfig,
        tell: Callable[[str], None],
        usable: Usable,
        history: History | None = None,
    ) -> None:
        self._reader, self._topic, self._rectified, self._usable = reader, topic, config.rectified, usable
        self._history = history
        self._images = ImageReader(lambda: images, tell)
        self.bits = self._images.bits
        self._camera = CameraArgument.given(config.camera, config.hfov)

    def decode(self, batch: Batch) -> Batch:
        """Give the frames of a batch their `shot` and `header`, or the `problem` with them."""
        for frame in batch.frames:
            try:
                self._decode(frame)
            except FrameError as error:
                # Not the error itself: its traceback holds the image, and would hold it in a cycle with the frame.
                frame.problem = FrameError(str(error), error.reason)
            except DataError as error:
                frame.problem = FrameError(str(error), "message")
        batch.image_bits = self.bits.found
        return batch

    def _decode(self, frame: BagFrame) -> None:
        message = self._reader.decode(frame.message)
        frame.header = header_of(message.header)
        width, height = self._images.size(message)
        if self._camera is not None:
            camera = self._camera.camera(width, height, self._rectified)
            camera.check_size(width, height)
        else:
            found = calibration_of(self._decoded(frame.infos), width, height, self._rectified)
            camera, frame.camera_info = found.camera, found.message
            self._usable.camera_info(found.message, self._topic, frame.header, self._rectified)
        self._usable.lens(camera, frame.camera_info)
        rgb = self._images.rgb(message)
        self._usable.picture(rgb)
        memory = None if self._history is None else self._history.at(width, height, frame.stamp_ns)
        frame.shot = Shot(rgb, camera, memory=memory)

    def _decoded(self, infos: list[Message]) -> Iterator[Any]:
        for message in infos:
            with suppress(DataError):
                yield self._reader.decode(message)
