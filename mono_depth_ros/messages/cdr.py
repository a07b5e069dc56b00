# SPDX-License-Identifier: Apache-2.0
"""What can be read from a serialised message without deserialising it."""

from __future__ import annotations

import struct

from mono_depth_ros.errors import DataError

_ENCAPSULATION = 4  # bytes before the message: two of representation, the second 1 for little endian, two of options


def header_stamp_ns(data: bytes | memoryview) -> int:
    """The stamp, in nanoseconds, of a serialised message that begins with a std_msgs/Header.

    Follows OMG DDSI-RTPS 2.5, 10.2 (encapsulation) and builtin_interfaces/Time (int32 sec, uint32 nanosec).

    Raises:
        DataError: fewer bytes than a stamp has.
    """
    if len(data) < _ENCAPSULATION + 8:
        raise DataError(f"a serialised message has {len(data)} bytes, expected at least {_ENCAPSULATION + 8}")
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, _ENCAPSULATION)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
