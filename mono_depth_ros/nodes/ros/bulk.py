# SPDX-License-Identifier: Apache-2.0
"""Messages whose `data` is large, published as bytes of our own: without rclpy's copy of it, and without Python's lock.

rclpy copies such a message into a C structure before it is serialised, and holds the lock of the interpreter until the
middleware has it: for a cloud of 33 MB some 14 ms, in which no other thread would go on.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message


class Serialized(ctypes.Structure):
    """rcutils_uint8_array_t of rcutils/types/uint8_array.h."""

    _fields_ = [
        ("buffer", ctypes.c_void_p),
        ("buffer_length", ctypes.c_size_t),
        ("buffer_capacity", ctypes.c_size_t),
        ("allocator", ctypes.c_void_p * 5),
    ]


def c_function(library: str, name: str) -> Any:
    """Of a library that rclpy has loaded; None where it has another name."""
    with contextlib.suppress(OSError, AttributeError):
        return getattr(ctypes.CDLL(library), name)
    return None


_PUBLISH = c_function("librcl.so", "rcl_publish_serialized_message")
RESET_ERROR = c_function("librcutils.so", "rcutils_reset_error")
if _PUBLISH is not None:
    _PUBLISH.argtypes, _PUBLISH.restype = [ctypes.c_void_p, ctypes.POINTER(Serialized), ctypes.c_void_p], ctypes.c_int


_NONE = np.empty(0, np.uint8)


class BulkMessage:
    """A message of a type whose last fields are `data` (uint8[]) and at most booleans, to be filled by attribute.

    Its bytes are kept from one message to the next: fresh pages for a cloud cost more than filling them.
    """

    data: np.ndarray
    _message: Any
    _tail: int
    _bytes: np.ndarray

    def __init__(self, kind: type) -> None:
        names = list(kind.get_fields_and_field_types())  # type: ignore[attr-defined]
        tail = len(names) - 1 - names.index("data")
        self.__dict__.update(data=_NONE, _message=kind(), _tail=tail, _bytes=_NONE)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            self.__dict__[name] = value
        else:
            setattr(self._message, name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)

    def publish(self, publisher: Any) -> None:
        """By a publisher of the type. The message must not be written meanwhile."""
        content = self._serialized()
        given = Serialized(content.ctypes.data, len(content), len(content))
        if _PUBLISH is not None:
            with publisher.handle:
                if _PUBLISH(publisher.handle.pointer, ctypes.byref(given), None) == 0:
                    return
            if RESET_ERROR is not None:
                RESET_ERROR()
        publisher.publish(content.tobytes())  # of which rclpy says what is wrong with it

    def _serialized(self) -> np.ndarray:
        """As the middleware serialises it (CDR): the fields before `data`, its length, itself, and the booleans."""
        fields = np.frombuffer(serialize_message(self._message), np.uint8)
        begin = len(fields) - self._tail
        end = begin + len(self.data)
        if len(self._bytes) != end + self._tail:
            self._bytes = np.empty(end + self._tail, np.uint8)
        self._bytes[: begin - 4], self._bytes[end:] = fields[: begin - 4], fields[begin:]
        self._bytes[begin - 4 : begin] = np.frombuffer(len(self.data).to_bytes(4, _order(fields)), np.uint8)
        self._bytes[begin:end] = self.data
        self.data = _NONE
        return self._bytes


def _order(serialized: np.ndarray) -> Any:
    """Of its bytes, which the second one says: CDR_BE or CDR_LE."""
    return "little" if serialized[1] & 1 else "big"
