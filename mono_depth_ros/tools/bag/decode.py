# SPDX-License-Identifier: Apache-2.0
"""From the message of an image to what the pipeline takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from mono_depth_ros.bags.messages import header_of
from mono_depth_ros.bags.reader import BagReader, Message
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.messages.compressed import decode_compressed
from mono_depth_ros.messages.image import decode_image
from mono_depth_ros.messages.kinds import COMPRESSED
from mono_depth_ros.pipeline import Shot
from mono_depth_ros.streams.cameras import calibration_of
from mono_depth_ros.tools.bag.frames import BagFrame, Batch


class Decoder:
    """Decodes the images of a bag, in the thread that reads it.

    Raises:
        ConfigError, CameraError: `--camera` is not usable.
    """

    def __init__(self, reader: BagReader, config: BagConfig) -> None:
        self._reader, self._rectified = reader, config.rectified
        self._camera = CameraArgument.parse(config.camera) if config.camera else None

    def decode(self, batch: Batch) -> Batch:
        """Give the frames of a batch their `shot` and `header`, or the `problem` with them."""
        for frame in batch.frames:
            try:
                self._decode(frame)
            except FrameError as error:
                frame.problem = error
            except DataError as error:
                frame.problem = FrameError(str(error), "message")
        return batch

    def _decode(self, frame: BagFrame) -> None:
        message = self._reader.decode(frame.message)
        frame.header = header_of(message.header)
        rgb = decode_compressed(message) if frame.message.kind == COMPRESSED else decode_image(message)
        height, width = rgb.shape[:2]
        if self._camera is not None:
            camera = self._camera.camera(width, height, self._rectified)
            camera.check_size(width, height)
        else:
            found = calibration_of(self._decoded(frame.infos), width, height, self._rectified)
            camera, frame.camera_info = found.camera, found.message
        frame.shot = Shot(rgb, camera)

    def _decoded(self, infos: list[Message]) -> Iterator[Any]:
        for message in infos:
            with suppress(DataError):
                yield self._reader.decode(message)
