# SPDX-License-Identifier: Apache-2.0
"""From the message of an image to what the pipeline takes."""

from __future__ import annotations

from mono_depth_ros.bags.messages import header_of
from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.messages.camera_info import camera_from_info
from mono_depth_ros.messages.compressed import decode_compressed
from mono_depth_ros.messages.image import decode_image
from mono_depth_ros.messages.kinds import COMPRESSED
from mono_depth_ros.pipeline import Shot
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
        camera = self._camera_of(frame, width, height)
        camera.check_size(width, height)
        frame.shot = Shot(rgb, camera)

    def _camera_of(self, frame: BagFrame, width: int, height: int) -> Camera:
        if self._camera is not None:
            return self._camera.camera(width, height, self._rectified)
        if frame.camera_info is None:
            raise FrameError("no camera_info came within a second of recording time", "no_camera_info")
        return camera_from_info(frame.camera_info, self._rectified)
