# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/CompressedImage to RGB."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mono_depth_ros.errors import ImageError
from mono_depth_ros.media.images import decode_picture, to_rgb
from mono_depth_ros.messages.buffers import bytes_of
from mono_depth_ros.messages.image import BAYER_TO_RGB, check_pattern

_VIDEO = ("h264", "h265", "hevc", "vp8", "vp9", "av1", "mpeg", "ffmpeg", "theora")


def decode_compressed(msg: Any) -> np.ndarray:
    """RGB of a sensor_msgs/CompressedImage: JPEG, PNG, TIFF and whatever else OpenCV decodes.

    `format` is what image_transport's compressed plugin writes ("bgr8; jpeg compressed bgr8") or just "jpeg". It
    decides two things the payload does not tell: whether the channels are stored swapped ("compressed rgb8"; TIFF of
    an rgb image) and whether a grey PNG or TIFF is a Bayer mosaic. Sixteen-bit channels are scaled as in
    `decode_image`.

    Returns:
        (H, W, 3) uint8, C-contiguous, memory of its own.

    Raises:
        ImageError: reason `image_encoding` for compressedDepth and video, `image_zero_size` for an empty payload,
            `image_truncated` or `image_payload` for a broken one.
    """
    name = str(msg.format)
    _check_format(name)
    data = bytes_of(msg.data)
    source, _, stored = name.lower().partition(";")
    mosaic = _mosaic(source.strip(), stored)
    picture = decode_picture(name, data, unchanged=mosaic is not None)
    if mosaic and picture.ndim == 2:
        check_pattern(f"bayer_{mosaic}", (2, 2), picture)
        return to_rgb(name, cv2.cvtColor(picture, BAYER_TO_RGB[mosaic]), swapped=True)
    swapped = "compressed rgb" in stored or ("tiff compressed" in stored and source.strip().startswith("rgb"))
    return to_rgb(name, picture, swapped)


def _check_format(name: str) -> None:
    lower = name.lower()
    if "compresseddepth" in lower:
        raise ImageError(f"compressed format is '{name}', which is depth, expected a colour image", "image_encoding")
    if any(codec in lower for codec in _VIDEO):
        hint = "republish it as raw with image_transport"
        raise ImageError(
            f"compressed format is '{name}', which is video, expected jpeg or png: {hint}", "image_encoding"
        )


def _mosaic(source: str, stored: str) -> str | None:
    """The Bayer pattern of a picture stored without interpolation. JPEG is interpolated to grey before."""
    raw = "png compressed" in stored or "tiff compressed" in stored
    pattern = source.removeprefix("bayer_")[:4]
    return pattern if raw and source.startswith("bayer_") and pattern in BAYER_TO_RGB else None
