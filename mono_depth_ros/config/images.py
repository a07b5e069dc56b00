# SPDX-License-Identifier: Apache-2.0
"""Options of the way from a message or file to RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mono_depth_ros.config.option import Config, option


def hfov_option() -> Any:
    """The field `hfov`, the same wherever a camera may be given."""
    return option(
        0.0,
        "The field of view across the width of the images as they are stored, if no calibration is known; 0 is none.",
        unit="deg",
        low=0.0,
        high=179.0,
    )


@dataclass(frozen=True)
class ImageConfig(Config):
    """Which images are decoded, and how."""

    max_image_pixels: int = option(
        64_000_000,
        "An image with more pixels than this, as its header says, is dropped undecoded.",
        unit="px",
        low=1,
        high=2**30,
        dynamic=True,
    )
    compressed_order: str = option(
        "standard",
        "The order of the colours in a JPEG or PNG whose format says 'compressed rgb8': standard is that of every JPEG "
        "and PNG; format swaps red and blue, as image_transport does.",
        choices=("standard", "format"),
        dynamic=True,
    )
    image_bits: int = option(
        0,
        "The bits of the values in images of 16 bits, such as 12 for mono16 of a 12-bit camera; 0 is the smallest of "
        "8, 10, 12, 14 and 16 that holds all values so far.",
        choices=(0, 8, 10, 12, 14, 16),
        dynamic=True,
    )
