# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/Image to RGB, and back into a message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.errors import ConfigError, ImageError, shown
from mono_depth_ros.media.bits import Scale, to_8bit
from mono_depth_ros.media.headers import Size
from mono_depth_ros.messages.bridge import cv_bridge
from mono_depth_ros.messages.buffers import set_data
from mono_depth_ros.messages.pixels import native, pixel_view
from mono_depth_ros.messages.planes import SEMI_PLANAR, decode_semi_planar


@dataclass(frozen=True)
class _Encoding:
    channels: int
    to_rgb: int | None  # OpenCV conversion code; None: it is RGB
    dtype: type[np.generic] = np.uint8
    pattern: tuple[int, int] = (1, 1)  # rows and columns a colour pattern spans
    in_cv_bridge: bool = True


# OpenCV names a Bayer pattern by the 2x2 block at (1, 1), ROS by the one at (0, 0): rggb is OpenCV's BG.
# This is the table of cv_bridge, src/cv_bridge.cpp, getConversionCodes.
BAYER_TO_RGB = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}

_ENCODINGS = {
    "rgb8": _Encoding(3, None),
    "bgr8": _Encoding(3, cv2.COLOR_BGR2RGB),
    "rgba8": _Encoding(4, cv2.COLOR_RGBA2RGB),
    "bgra8": _Encoding(4, cv2.COLOR_BGRA2RGB),
    "mono8": _Encoding(1, cv2.COLOR_GRAY2RGB),
    "rgb16": _Encoding(3, None, np.uint16),
    "bgr16": _Encoding(3, cv2.COLOR_BGR2RGB, np.uint16),
    "rgba16": _Encoding(4, cv2.COLOR_RGBA2RGB, np.uint16),
    "bgra16": _Encoding(4, cv2.COLOR_BGRA2RGB, np.uint16),
    "mono16": _Encoding(1, cv2.COLOR_GRAY2RGB, np.uint16),
    # cv_bridge writes OpenCV pictures under these names by default, and OpenCV pictures are BGR; it refuses to read
    # them as a colour.
    "8UC1": _Encoding(1, cv2.COLOR_GRAY2RGB, in_cv_bridge=False),
    "8UC3": _Encoding(3, cv2.COLOR_BGR2RGB, in_cv_bridge=False),
    "8UC4": _Encoding(4, cv2.COLOR_BGRA2RGB, in_cv_bridge=False),
    # The older and the newer names of sensor_msgs/image_encodings.hpp; cv_bridge knows the older ones.
    "yuv422": _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, pattern=(1, 2)),
    "yuv422_yuy2": _Encoding(2, cv2.COLOR_YUV2RGB_YUY2, pattern=(1, 2)),
    "uyvy": _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, pattern=(1, 2), in_cv_bridge=False),
    "yuyv": _Encoding(2, cv2.COLOR_YUV2RGB_YUY2, pattern=(1, 2), in_cv_bridge=False),
}
for _name, _code in BAYER_TO_RGB.items():
    _ENCODINGS[f"bayer_{_name}8"] = _Encoding(1, _code, np.uint8, (2, 2))
    _ENCODINGS[f"bayer_{_name}16"] = _Encoding(1, _code, np.uint16, (2, 2))

ENCODINGS = (*_ENCODINGS, *SEMI_PLANAR)
"""The names `decode_image` knows."""


def image_size(msg: Any) -> Size:
    """Width and height of a sensor_msgs/Image. Raises ImageError, reason `image_zero_size`, for one without pixels."""
    width, height = int(msg.width), int(msg.height)
    if width < 1 or height < 1:
        raise ImageError(f"image size is {width}x{height}, expected at least 1x1", "image_zero_size")
    return width, height


def decode_image(msg: Any, use_cv_bridge: bool | None = None, scale: Scale | None = None) -> np.ndarray:
    """RGB of a sensor_msgs/Image.

    16-bit values become 8-bit as in cv_bridge: v * 255 / 65535, that is v / 257, rounded to the nearest. Bayer
    patterns are interpolated bilinearly, YUV is ITU-R BT.601 with limited range; alpha is left out. 8UC1, 8UC3 and
    8UC4 are read as mono8, bgr8 and bgra8. nv12, nv21 and nv24 are as of `planes.decode_semi_planar`.

    Args:
        msg: any object with the fields of the message; any `step`, both byte orders.
        use_cv_bridge: None takes cv_bridge where it is installed and has no drawback, False never, True always.
        scale: from 16 bits to 8 in another way; without cv_bridge.

    Returns:
        (H, W, 3) uint8, C-contiguous. For rgb8 without row padding it is a view of the message: do not write to it.

    Raises:
        ImageError: reason `image_encoding`, `image_zero_size`, `image_step`, `image_truncated` or `image_payload`.
        ConfigError: cv_bridge is asked for and does not work here.
    """
    if msg.encoding in SEMI_PLANAR:
        return decode_semi_planar(msg)
    encoding = _ENCODINGS.get(msg.encoding)
    if encoding is None:
        raise ImageError(_unknown(msg.encoding), "image_encoding")
    pixels = pixel_view(msg, encoding.dtype, encoding.channels)
    check_pattern(msg.encoding, encoding.pattern, pixels)
    if use_cv_bridge is None:
        ours = scale is not None and encoding.dtype is not np.uint8
        use_cv_bridge = not ours and _suits_cv_bridge(msg, encoding) and cv_bridge() is not None
    if use_cv_bridge:
        bridge = cv_bridge()
        if bridge is None:
            raise ConfigError("cv_bridge is asked for, but it is not installed or does not work in this environment")
        return np.ascontiguousarray(bridge.imgmsg_to_cv2(msg, "rgb8"))
    if encoding.dtype is not np.uint8:
        pixels = native(pixels)
    rgb = np.ascontiguousarray(pixels) if encoding.to_rgb is None else cv2.cvtColor(pixels, encoding.to_rgb)
    return rgb if encoding.dtype is np.uint8 else (scale or to_8bit)(rgb)


def fill_image(msg: Any, pixels: np.ndarray, encoding: str) -> None:
    """Write an image into a sensor_msgs/Image: size, encoding, step, byte order and data, with one copy at most.

    Args:
        msg: the message to fill; its header is left alone. See `buffers.set_data` for who owns the memory.
        pixels: (H, W) or (H, W, C) in the order and dtype that `encoding` says, native byte order (little endian).
    """
    height, width = pixels.shape[:2]
    pixels = np.ascontiguousarray(pixels)
    msg.height, msg.width, msg.encoding = int(height), int(width), encoding
    msg.is_bigendian = 0
    msg.step = pixels.nbytes // height
    set_data(msg, pixels)


def check_pattern(name: str, pattern: tuple[int, int], pixels: np.ndarray) -> None:
    """Refuse sizes for which OpenCV fails (YUV of odd width) or returns black without a word (Bayer below 3x3)."""
    height, width = pixels.shape[:2]
    if pattern == (1, 2) and width % 2:
        raise ImageError(f"a {name} image is {width} pixels wide, expected an even width", "image_payload")
    if pattern == (2, 2) and min(width, height) < 3:
        raise ImageError(f"a {name} image is {width}x{height}, expected at least 3x3", "image_payload")


def _suits_cv_bridge(msg: Any, encoding: _Encoding) -> bool:
    """False where cv_bridge would copy in vain, cannot read the message, or reads it wrongly.

    It shears rows whose step is no multiple of the pixel size (its row length is step // pixel size), and under
    NumPy 2 its big-endian branch raises, for 8-bit images too (cv_bridge/core.py, imgmsg_to_cv2).
    """
    pixel_bytes = encoding.channels * np.dtype(encoding.dtype).itemsize
    copies_in_vain = msg.encoding == "rgb8"
    return encoding.in_cv_bridge and not copies_in_vain and not msg.is_bigendian and msg.step % pixel_bytes == 0


def _unknown(name: str) -> str:
    if name in ("16UC1", "32FC1"):
        return f"image encoding is '{name}', which is depth or raw data, expected a colour image: is the topic right?"
    found = f"image encoding is '{shown(name)}'"
    if re.fullmatch(r"(8|16|32)[SU]C\d*|(32|64)FC\d*", name):
        found += ", which tells the type of numbers and no colours"
    return f"{found}, expected one of: {', '.join(ENCODINGS)}"
