# SPDX-License-Identifier: Apache-2.0
"""Image and CompressedImage messages to RGB, for a node and for a recording: first the size, then the pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mono_depth_ros.config import ImageConfig
from mono_depth_ros.errors import ImageError, MonoDepthError, shown
from mono_depth_ros.media.bits import BitDepth
from mono_depth_ros.media.headers import Size
from mono_depth_ros.media.images import check_pixels
from mono_depth_ros.messages.compressed import compressed_size, decode_compressed, order_is_doubtful
from mono_depth_ros.messages.image import decode_image, image_size


class ImageReader:
    """Reads the images of one topic.

    Args:
        options: the configuration at this moment. tell: gets a sentence for people, each once.

    Attributes:
        bits: of images of 16 bits.
    """

    def __init__(self, options: Callable[[], ImageConfig], tell: Callable[[str], None]) -> None:
        self._options, self._tell, self._told = options, tell, False
        self.bits = BitDepth(lambda: options().image_bits, tell)

    def size(self, message: Any) -> Size:
        """Width and height, by the header: before anything is decoded they are to be compared with the camera's.

        Raises:
            ImageError: it has none, or more pixels than `max_image_pixels`.
        """
        width, height = compressed_size(message) if _is_compressed(message) else image_size(message)
        check_pixels(width, height, self._options().max_image_pixels)
        return width, height

    def rgb(self, message: Any) -> np.ndarray:
        """(H, W, 3) uint8, of `size`; it may be a view of the message.

        Raises:
            ImageError: whatever is wrong with it, and whichever library says so.
        """
        width, height = self.size(message)
        try:
            found = self._compressed(message) if _is_compressed(message) else decode_image(message, scale=self.bits)
        except MonoDepthError:
            raise
        except Exception as error:
            raise ImageError(f"the image cannot be decoded: {type(error).__name__}: {error}", "image_payload") from None
        if found.shape[:2] != (height, width):
            got = f"{found.shape[1]}x{found.shape[0]}"
            raise ImageError(f"the image is {got}, expected {width}x{height} as its header says", "image_payload")
        return found

    def _compressed(self, message: Any) -> np.ndarray:
        order = self._options().compressed_order
        if not self._told and order == "standard" and order_is_doubtful(message):
            self._told = True
            self._tell(
                f"the format of the images is '{shown(message.format)}', by which image_transport swaps red and blue; "
                "they are read as ordinary pictures: if their colours are wrong, set compressed_order to format"
            )
        return decode_compressed(message, order, self.bits)


def _is_compressed(message: Any) -> bool:
    return hasattr(message, "format")
