# SPDX-License-Identifier: Apache-2.0
"""Depth images: float metres inside, REP 118 messages outside (32FC1 metres or 16UC1 millimetres)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mono_depth_ros.errors import ConfigError, ImageError, shown
from mono_depth_ros.messages.pixels import pixel_view

_MM_PER_M = 1000.0
_MAX_MM = 65535


def decode_depth(msg: Any) -> np.ndarray:
    """Depth of a sensor_msgs/Image in 32FC1 (metres) or 16UC1 (millimetres, 0 unknown); any step and byte order.

    Returns:
        (H, W) float32 metres along the optical axis, C-contiguous, memory of its own. NaN is unknown, +inf beyond
        range (REP 117). Zero and negative floats, -inf included, are no depth and become NaN.

    Raises:
        ImageError: as `image.decode_image`.
    """
    if msg.encoding == "32FC1":
        metres = pixel_view(msg, np.float32, 1)
        return np.where(metres > 0, metres, np.float32(np.nan)).astype(np.float32, copy=False)
    if msg.encoding == "16UC1":
        millimetres = pixel_view(msg, np.uint16, 1)
        metres = np.divide(millimetres, _MM_PER_M, dtype=np.float32)
        metres[millimetres == 0] = np.nan
        return metres
    raise ImageError(f"depth encoding is '{shown(msg.encoding)}', expected 32FC1 or 16UC1", "image_encoding")


def encode_depth(depth: np.ndarray, encoding: str) -> np.ndarray:
    """The pixels of a depth image, for `image.fill_image(msg, pixels, encoding)`.

    Args:
        depth: (H, W) float32 metres; NaN unknown, +inf beyond range.
        encoding: "32FC1" returns `depth` itself, without a copy. "16UC1" returns millimetres rounded to the nearest,
            0 where there is none to give: NaN, infinite, not positive, or more than 65535 mm. No NaN is ever cast.

    Returns:
        (H, W) float32 or uint16, C-contiguous.

    Raises:
        ConfigError: `encoding` is neither.
    """
    if encoding == "32FC1":
        return np.ascontiguousarray(depth, dtype=np.float32)
    if encoding != "16UC1":
        raise ConfigError(f"depth encoding is '{encoding}', expected 32FC1 or 16UC1")
    millimetres = np.rint(np.asarray(depth, dtype=np.float32) * np.float32(_MM_PER_M))
    known = (millimetres >= 1) & (millimetres <= _MAX_MM)
    return np.where(known, millimetres, np.float32(0)).astype(np.uint16)


def depth_in_mm(depth: torch.Tensor) -> torch.Tensor:
    """`encode_depth` in 16UC1, to the bit, of depth on a GPU: (H, W) int16 whose bits are those of the uint16."""
    millimetres = torch.round(depth * _MM_PER_M)
    known = (millimetres >= 1) & (millimetres <= _MAX_MM)
    return torch.where(known, millimetres, 0.0).to(torch.int32).to(torch.int16)  # not every torch knows uint16
