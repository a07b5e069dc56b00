# SPDX-License-Identifier: Apache-2.0
"""The zstd transport of image_transport: a raw image, packed whole, in a sensor_msgs/CompressedImage.

Its data is the layout of the image and then the pixels, as zstd_image_transport writes them
(ros-perception/image_transport_plugins, zstd_publisher.cpp); its first releases pack with zlib under the same name.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mono_depth_ros.errors import ImageError

_LAYOUT = struct.Struct("<IIBII")  # height, width, is_bigendian, step, length of the encoding
_PIXEL_BYTES = 16  # twice what any encoding takes, for padding


@dataclass(frozen=True, eq=False)
class PackedImage:
    """The fields of the sensor_msgs/Image, and its pixels packed."""

    height: int
    width: int
    is_bigendian: int
    step: int
    encoding: str
    packed: np.ndarray

    @classmethod
    def of(cls, data: np.ndarray) -> PackedImage:
        """Of the data of a message, (N,) uint8. Raises ImageError, reason `image_truncated`, where it is too short."""
        try:
            height, width, big, step, length = _LAYOUT.unpack_from(data.data)
        except struct.error:
            length = data.size
        end = _LAYOUT.size + length
        if end > data.size:
            raise ImageError(f"'zstd' payload has {data.size} bytes, expected at least {end}", "image_truncated")
        encoding = data[_LAYOUT.size : end].tobytes().decode(errors="replace")
        return cls(height, width, big, step, encoding, data[end:])

    @cached_property
    def data(self) -> bytes:
        """The pixels, unpacked.

        Raises:
            ImageError: reason `image_payload`: broken, or more than an image of this size can have.
        """
        try:
            import zstandard
        except ImportError:
            found = "the zstd transport needs the Python package zstandard, which is not installed"
            raise ImageError(f"{found}: set image_transport to raw or compressed", "image_encoding") from None
        limit, packed = self.height * self.width * _PIXEL_BYTES, self.packed.tobytes()
        try:
            if packed[:1] in (b"\x78", b"\x1f"):  # zlib, gzip
                return zlib.decompressobj(wbits=47).decompress(packed, max(limit, 1))
            claimed = zstandard.frame_content_size(packed)
            if claimed > limit:
                raise ValueError(f"it claims {claimed} bytes for {self.width}x{self.height} pixels")
            return zstandard.ZstdDecompressor().decompress(packed, max_output_size=limit)
        except (zstandard.ZstdError, zlib.error, ValueError) as error:
            found = f"'zstd' payload of {self.packed.size} bytes cannot be unpacked"
            raise ImageError(f"{found}: {error}", "image_payload") from None
