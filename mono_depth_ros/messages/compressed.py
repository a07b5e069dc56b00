# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/CompressedImage to RGB."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mono_depth_ros.errors import ImageError
from mono_depth_ros.messages.buffers import bytes_of
from mono_depth_ros.messages.image import BAYER_TO_RGB, check_pattern, to_8bit

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"
_VIDEO = ("h264", "h265", "hevc", "vp8", "vp9", "av1", "mpeg", "ffmpeg", "theora")

# Orientation tags are ignored: camera_info describes the picture as the sensor delivered it.
_DECODE = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION


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
    _check_complete(name, data)
    source, _, stored = name.lower().partition(";")
    mosaic = _mosaic(source.strip(), stored)
    picture = _imdecode(name, data, cv2.IMREAD_UNCHANGED if mosaic else _DECODE)
    if mosaic and picture.ndim == 2:
        check_pattern(f"bayer_{mosaic}", (2, 2), picture)
        rgb = cv2.cvtColor(picture, BAYER_TO_RGB[mosaic])
    elif picture.ndim == 3 and picture.shape[2] == 3:
        swapped = "compressed rgb" in stored or ("tiff compressed" in stored and source.strip().startswith("rgb"))
        rgb = picture if swapped else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    else:
        raise ImageError(f"'{name}' holds a picture of shape {picture.shape}, expected colour", "image_payload")
    if rgb.dtype == np.uint8:
        return rgb
    if rgb.dtype == np.uint16:
        return to_8bit(rgb)
    raise ImageError(f"'{name}' holds {rgb.dtype} pixels, expected 8 or 16 bits", "image_payload")


def _imdecode(name: str, data: np.ndarray, flags: int) -> np.ndarray:
    try:
        picture = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise ImageError(f"'{name}' payload of {data.size} bytes is broken: {error.err}", "image_payload") from error
    if picture is None or picture.size == 0:
        start = data[:4].tobytes().hex(" ")
        found = f"'{name}' payload of {data.size} bytes starting with {start} cannot be decoded"
        raise ImageError(f"{found}, expected a JPEG, PNG or TIFF picture", "image_payload")
    return picture


def _check_format(name: str) -> None:
    lower = name.lower()
    if "compresseddepth" in lower:
        raise ImageError(f"compressed format is '{name}', which is depth, expected a colour image", "image_encoding")
    if any(codec in lower for codec in _VIDEO):
        hint = "republish it as raw with image_transport"
        raise ImageError(
            f"compressed format is '{name}', which is video, expected jpeg or png: {hint}", "image_encoding"
        )


def _check_complete(name: str, data: np.ndarray) -> None:
    """OpenCV before 4.11 fills the missing rest of a cut JPEG with grey and says nothing; later ones print."""
    if data.size == 0:
        raise ImageError(f"'{name}' payload is empty, expected a picture", "image_zero_size")
    head = data[:4].tobytes()
    for start, end, kind in ((_JPEG_START, _JPEG_END, "JPEG"), (_PNG_START, _PNG_END, "PNG")):
        if head.startswith(start) and data.tobytes().rfind(end) < 0:
            found = f"'{name}' payload of {data.size} bytes is cut off"
            raise ImageError(f"{found}, expected the end marker of a {kind}", "image_truncated")


def _mosaic(source: str, stored: str) -> str | None:
    """The Bayer pattern of a picture stored without interpolation. JPEG is interpolated to grey before."""
    raw = "png compressed" in stored or "tiff compressed" in stored
    pattern = source.removeprefix("bayer_")[:4]
    return pattern if raw and source.startswith("bayer_") and pattern in BAYER_TO_RGB else None
