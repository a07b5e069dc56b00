# SPDX-License-Identifier: Apache-2.0
"""YUV of two planes, as phones' and network cameras' chips have it: nv12, nv21 and nv24 to RGB."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mono_depth_ros.errors import ImageError
from mono_depth_ros.messages.buffers import bytes_of

SEMI_PLANAR = ("nv12", "nv21", "nv24")
"""nv21 and nv24 are in sensor_msgs/image_encodings.hpp, nv12 in the drivers of OAK cameras and libcamera."""

_TO_RGB = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}


def decode_semi_planar(msg: Any) -> np.ndarray:
    """RGB of a sensor_msgs/Image of full-size luma and interleaved chroma: U and V, in nv21 V and U.

    Chroma has half the columns and rows in nv12 and nv21, all of them in nv24. ITU-R BT.601 with limited range, by
    OpenCV. Rows of luma are `step` bytes apart, or as long as the image is wide: drivers differ in what they put there.

    Returns:
        (H, W, 3) uint8, C-contiguous.

    Raises:
        ImageError: reason `image_zero_size`, `image_truncated` or `image_payload` (trailing bytes, or an odd size).
    """
    width, height, step, full = int(msg.width), int(msg.height), int(msg.step), msg.encoding == "nv24"
    if width < 1 or height < 1:
        raise ImageError(f"image size is {width}x{height}, expected at least 1x1", "image_zero_size")
    if not full and (width % 2 or height % 2):
        found = f"a {msg.encoding} image is {width}x{height}"
        raise ImageError(f"{found}, expected an even width and height", "image_payload")
    data = bytes_of(msg.data)
    rows = 3 * height if full else height + height // 2  # of luma's length
    stride = step if step >= width and data.size == step * rows else width
    if data.size != stride * rows:
        found, expected = f"a {width}x{height} {msg.encoding} image has {data.size} bytes of data", width * rows
        reason = "image_truncated" if data.size < expected else "image_payload"
        raise ImageError(f"{found}, expected {expected}, or {rows} rows of step {step}", reason)
    planes = data.reshape(rows, stride)
    if not full:
        return cv2.cvtColor(np.ascontiguousarray(planes[:, :width]), _TO_RGB[msg.encoding])
    luma, chroma = planes[:height, :width], planes[height:].reshape(height, 2 * stride)[:, : 2 * width]
    u, v = chroma[:, 0::2], chroma[:, 1::2]
    # OpenCV has no name for it: each pixel becomes a pair of YUY2 that shares its chroma, of which one is taken.
    pairs = np.stack((luma, u, luma, v), axis=-1).reshape(height, 2 * width, 2)
    return np.ascontiguousarray(cv2.cvtColor(pairs, cv2.COLOR_YUV2RGB_YUY2)[:, ::2])
