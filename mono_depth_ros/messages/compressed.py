# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/CompressedImage to RGB, and RGB to JPEG."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mono_depth_ros.errors import ImageError, shown
from mono_depth_ros.media.bits import Scale, to_8bit
from mono_depth_ros.media.headers import Size
from mono_depth_ros.media.images import decode_picture, encoded_size, to_rgb
from mono_depth_ros.messages.buffers import bytes_of, set_data
from mono_depth_ros.messages.image import BAYER_TO_RGB, check_pattern, decode_image, image_size
from mono_depth_ros.messages.zstd import PackedImage

_VIDEO = ("h264", "h265", "hevc", "vp8", "vp9", "av1", "mpeg", "ffmpeg", "theora")
_CONVERTED = ("mono", "rgb", "bgr")  # a Bayer mosaic that is stored as one of these was interpolated before


def compressed_size(msg: Any) -> Size:
    """Width and height that a sensor_msgs/CompressedImage says it has; nothing is decoded.

    Raises:
        ImageError: reason `image_encoding` for compressedDepth and video, `image_zero_size` for an empty payload,
            `image_payload` or `image_truncated` for one whose header is broken.
    """
    data = _data(msg)
    return image_size(PackedImage.of(data)) if _packed(msg) else encoded_size(shown(msg.format), data)


def order_is_doubtful(msg: Any) -> bool:
    """Whether `format` says that red and blue are stored swapped, which some drivers write of an ordinary JPEG."""
    _, _, stored = str(msg.format).lower().partition(";")
    return "compressed rgb" in stored and "tiff" not in stored


def decode_compressed(msg: Any, order: str = "standard", scale: Scale = to_8bit) -> np.ndarray:
    """RGB of a sensor_msgs/CompressedImage: a format of `media.headers`, or the zstd transport.

    `format` is what image_transport's compressed plugin writes ("bgr8; jpeg compressed bgr8") or just "jpeg". It
    decides two things the payload does not tell: whether the channels are stored swapped (TIFF of an rgb image) and
    whether a grey picture is a Bayer mosaic, which ROS 1 and Foxy store as it is. Sixteen-bit channels are scaled as
    in `decode_image`.

    Args:
        order: of the channels of a JPEG or PNG that is called "compressed rgb8": "standard" is that of every JPEG and
            PNG; "format" is as image_transport reads it, red and blue swapped.
        scale: from 16 bits to 8.

    Returns:
        (H, W, 3) uint8, C-contiguous, memory of its own.

    Raises:
        ImageError: as `compressed_size`, and `image_truncated` or `image_payload` for broken pixels.
    """
    data = _data(msg)
    if _packed(msg):
        return decode_image(PackedImage.of(data), scale=scale)
    name = shown(msg.format)
    source, _, stored = (part.strip() for part in str(msg.format).lower().partition(";"))
    mosaic = _mosaic(source, stored)
    picture = decode_picture(name, data, unchanged=mosaic is not None)
    if mosaic and picture.ndim == 2:
        check_pattern(f"bayer_{mosaic}", (2, 2), picture)
        return to_rgb(name, cv2.cvtColor(picture, BAYER_TO_RGB[mosaic]), swapped=True, scale=scale)
    swapped = "tiff compressed" in stored and ("compressed rgb" in stored or source.startswith("rgb"))
    return to_rgb(name, picture, swapped or (order == "format" and order_is_doubtful(msg)), scale)


def fill_jpeg(msg: Any, rgb: np.ndarray, encoding: str, quality: int = 95) -> None:
    """Write a picture into a sensor_msgs/CompressedImage as image_transport's compressed plugin does, but the header.

    Args:
        rgb: (H, W, 3) uint8. encoding: that of the image this is the twin of, rgb8 or bgr8. quality: 1 to 100.
    """
    packed = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    msg.format = f"{encoding}; jpeg compressed bgr8"
    set_data(msg, packed)


def _data(msg: Any) -> np.ndarray:
    lower, name = str(msg.format).lower(), shown(msg.format)
    if "compresseddepth" in lower:
        raise ImageError(f"compressed format is '{name}', which is depth, expected a colour image", "image_encoding")
    if any(codec in lower for codec in _VIDEO):
        hint = "republish it as raw with image_transport"
        raise ImageError(
            f"compressed format is '{name}', which is video, expected jpeg or png: {hint}", "image_encoding"
        )
    return bytes_of(msg.data)


def _packed(msg: Any) -> bool:
    return str(msg.format).lower().rpartition(";")[2].strip().partition(" ")[0] == "zstd"


def _mosaic(source: str, stored: str) -> str | None:
    """The Bayer pattern of a picture stored without interpolation."""
    pattern = source.removeprefix("bayer_")[:4]
    as_it_is = source.startswith("bayer_") and not stored.rpartition("compressed")[2].strip().startswith(_CONVERTED)
    return pattern if as_it_is and pattern in BAYER_TO_RGB else None
