# SPDX-License-Identifier: Apache-2.0
"""The pixels of an Image message as a view of its bytes, once its layout has been checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from mono_depth_ros.errors import ImageError
from mono_depth_ros.messages.buffers import bytes_of


def pixel_view(msg: Any, dtype: type[np.generic], channels: int) -> np.ndarray:
    """View the data of a sensor_msgs/Image as pixels, without a copy.

    Args:
        msg: the message; `step` may hold any row padding.
        dtype: of one channel; the byte order is taken from `is_bigendian`.
        channels: per pixel.

    Returns:
        (H, W) for one channel, else (H, W, channels), rows `step` bytes apart; not to be written to.

    Raises:
        ImageError: reason `image_zero_size`, `image_step`, `image_truncated` or, for trailing bytes, `image_payload`.
    """
    width, height, step = int(msg.width), int(msg.height), int(msg.step)
    if width < 1 or height < 1:
        raise ImageError(f"image size is {width}x{height}, expected at least 1x1", "image_zero_size")
    kind = np.dtype(dtype).newbyteorder(">" if msg.is_bigendian else "<")
    row_bytes = width * channels * kind.itemsize
    if step < row_bytes:
        found = f"step is {step} bytes in a {width} pixel wide {msg.encoding} image"
        raise ImageError(f"{found}, expected at least {row_bytes}", "image_step")
    data = bytes_of(msg.data)
    expected = height * step
    if data.size != expected:
        found = f"a {width}x{height} {msg.encoding} image has {data.size} bytes of data"
        reason = "image_truncated" if data.size < expected else "image_payload"
        raise ImageError(f"{found}, expected {expected} ({height} rows of {step})", reason)
    shape: tuple[int, ...] = (height, width)
    strides: tuple[int, ...] = (step, channels * kind.itemsize)
    if channels > 1:
        shape, strides = (*shape, channels), (*strides, kind.itemsize)
    return np.ndarray(shape, kind, data.data, strides=strides)


def native(pixels: np.ndarray) -> np.ndarray:
    """The pixels in the byte order of this machine and C-contiguous; no copy where they are both already."""
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
