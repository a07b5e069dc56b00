# SPDX-License-Identifier: Apache-2.0
"""Options of the way from a message or file to RGB."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.config.option import Config, option


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
