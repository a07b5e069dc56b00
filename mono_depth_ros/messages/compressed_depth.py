# SPDX-License-Identifier: Apache-2.0
"""Depth packed for wifi and recordings as compressed_depth_image_transport writes it, so that its subscribers read it.

Source: compressed_depth_image_transport/src/codec.cpp of ros-perception's image_transport_plugins.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.messages.buffers import set_data
from mono_depth_ros.messages.depth import encode_depth

_HEADER = struct.Struct("<iff")  # ConfigHeader: INV_DEPTH, depthQuantA, depthQuantB
_INV_DEPTH = 0
_QUANTIZATION = 100.0 * (100.0 + 1.0)  # depthQuantA of the plugin's default: a step is .1 mm at 1 m, 1 cm at 10 m
_MOST = 65535
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)  # beyond it a tenth is saved, for three times the time


def fill_compressed_depth(message: Any, depth: np.ndarray, encoding: str) -> None:
    """Write depth into a sensor_msgs/CompressedImage, all but the header.

    16UC1 is exact: a PNG of millimetres. 32FC1 is stored as 1/d in 16 bits, from the farthest depth of the image to
    15 cm, the least that it can say; what is unknown or beyond range is NaN for those who read it, which the format
    cannot tell apart.

    Args:
        depth: (H, W) float32 metres; NaN unknown, +inf beyond range. encoding: 32FC1 or 16UC1, as of `encode_depth`.

    Raises:
        ConfigError: `encoding` is neither.
    """
    a = b = 0.0
    pixels = encode_depth(depth, encoding)
    if encoding == "32FC1":
        known = np.isfinite(pixels) & (pixels > 0)
        inverse = np.divide(1.0, pixels, out=np.zeros(pixels.shape, np.float32), where=known)
        farthest = float(inverse.min(where=known, initial=np.inf)) if known.any() else 0.0
        a, b = _QUANTIZATION, 1.0 - _QUANTIZATION * farthest
        steps = np.rint(np.float32(a) * inverse + np.float32(b))
        pixels = np.where(known, np.clip(steps, 1, _MOST), 0).astype(np.uint16)
    packed = cv2.imencode(".png", pixels, _PNG)[1]
    message.format = f"{encoding}; compressedDepth png"
    set_data(message, np.concatenate((np.frombuffer(_HEADER.pack(_INV_DEPTH, a, b), np.uint8), packed.ravel())))
