# SPDX-License-Identifier: Apache-2.0
"""The bytes of a message: read without a copy, written with one."""

from __future__ import annotations

import array
from typing import Any

import numpy as np

from mono_depth_ros.errors import DataError


def bytes_of(data: Any) -> np.ndarray:
    """The `data` of a message as (N,) uint8, sharing its memory.

    Takes what messages carry: array.array (rclpy), numpy arrays (rosbags), bytes, bytearray, memoryview. Lists of
    integers, as written by hand in tests, are copied. The result may be read-only and must not be written to.

    Raises:
        DataError: `data` is none of these.
    """
    if isinstance(data, np.ndarray):
        return np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    if isinstance(data, list | tuple):
        try:
            return np.array(bytearray(data), dtype=np.uint8)  # which refuses 256: NumPy 1 takes it for 0
        except (TypeError, ValueError) as error:
            raise DataError(f"message data is a {type(data).__name__} with {error}, expected bytes 0 to 255") from error
    try:
        return np.frombuffer(data, dtype=np.uint8)
    except ValueError:  # numpy refuses a buffer without bytes
        return np.empty(0, dtype=np.uint8)
    except (TypeError, BufferError) as error:
        raise DataError(f"message data is a {type(data).__name__}, expected bytes or an array") from error


def set_data(msg: Any, values: np.ndarray) -> None:
    """Set `msg.data` to the bytes of `values` (C-contiguous, any dtype and shape).

    rclpy messages: one memcpy into the array.array the message already has. Assigning another one would be a second
    copy when field checks are off, and anything else is checked element by element when they are on. Where the size
    is unchanged the memory is reused, so a message kept between frames costs no new pages.
    rosbags messages: the array itself, no copy; it must not be changed afterwards.
    """
    flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    data = msg.data
    if not (isinstance(data, array.array) and data.typecode == "B"):
        msg.data = flat
        return
    source = flat.data
    if len(data) != len(source):
        try:
            del data[:]
            data.frombytes(source)
        except BufferError:  # somebody holds a view of the old data, and keeps it
            msg.data = array.array("B", source.tobytes())
        return
    memoryview(data)[:] = source
