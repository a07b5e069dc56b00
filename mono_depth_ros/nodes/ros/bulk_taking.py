# SPDX-License-Identifier: Apache-2.0
"""Images taken as bytes, into memory that is kept: without rclpy's copies of them, and without Python's lock.

rclpy takes an image into a C structure and copies that into an array, both in fresh memory and with the lock of the
interpreter held. Of a camera that is faster than the network most images are dropped, and each costs as much: the
network's thread stands still meanwhile, and the heap grows wherever something small comes to lie between two images.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from mono_depth_ros.nodes.ros.bulk import RESET_ERROR, Serialized, c_function

_NO_MESSAGE = 401  # RCL_RET_SUBSCRIPTION_TAKE_FAILED of rcl/types.h
_UNKNOWN = 2**64 - 1  # RMW_MESSAGE_INFO_SEQUENCE_NUMBER_UNSUPPORTED
_SPARE = 4  # buffers that are kept though nobody uses them
_UNUSED = 3  # references to a buffer that nobody uses: of the list, of the loop over it, and of the call that counts
_PARTS = {"std_msgs/Header": ("uint32", "uint32", "string")}
_SIZES = {"uint8": 1, "boolean": 1, "uint32": 4}


class _Info(ctypes.Structure):
    """rmw_message_info_t of rmw/types.h, with room to spare."""

    _fields_ = [
        ("source_timestamp", ctypes.c_int64),
        ("received_timestamp", ctypes.c_int64),
        ("publication_sequence_number", ctypes.c_uint64),
        ("reception_sequence_number", ctypes.c_uint64),
        ("implementation_identifier", ctypes.c_void_p),
        ("publisher", ctypes.c_uint8 * 16),
        ("rest", ctypes.c_uint8 * 64),
    ]


class _Allocator(ctypes.Structure):
    """rcutils_allocator_t of rcutils/allocator.h."""

    _fields_ = [("pointers", ctypes.c_void_p * 5)]


_TAKE = c_function("librcl.so", "rcl_take_serialized_message")
_FREE = c_function("librcutils.so", "rcutils_uint8_array_fini")
_ALLOCATOR = c_function("librcutils.so", "rcutils_get_default_allocator")
_AVAILABLE = None not in (_TAKE, _FREE, _ALLOCATOR, RESET_ERROR)
if _AVAILABLE:
    _TAKE.argtypes = [ctypes.c_void_p, ctypes.POINTER(Serialized), ctypes.POINTER(_Info), ctypes.c_void_p]
    _FREE.argtypes = [ctypes.POINTER(Serialized)]
    _ALLOCATOR.restype = _Allocator


class _Buffer:
    """Memory that the middleware writes a message into, and makes larger where it must; arrays of it keep it."""

    def __init__(self) -> None:
        self.array = Serialized(allocator=_ALLOCATOR().pointers)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3,
            "typestr": "|u1",
            "shape": (self.array.buffer_length,),
            "data": (self.array.buffer, False),
        }

    def __del__(self) -> None:
        _FREE(self.array)


class BulkTaker:
    """Takes the messages of a subscription, which must be of a `supported` type."""

    def __init__(self, kind: type) -> None:
        self._kind = kind
        fields: dict[str, str] = kind.get_fields_and_field_types()  # type: ignore[attr-defined]
        self._parts = [part for name in fields.values() for part in _PARTS.get(name, (name,))][
            :-1
        ]  # the last is `data`
        self.buffers: list[_Buffer] = []

    @staticmethod
    def supported(kind: type) -> bool:
        """Whether messages of the type can be taken so."""
        return _AVAILABLE and kind in (Image, CompressedImage)

    def take(self, handle: Any) -> tuple[Any, dict[str, Any]] | None:
        """The next message of a subscription's handle and what is known of it, named as rclpy does; None for none.

        Its `data` is an array (N,) uint8. The memory of it is written again once nothing refers to it any more.

        Raises:
            ValueError, RuntimeError: the message cannot be read.
        """
        buffer, info = self._unused(), _Info()
        with handle:
            code = _TAKE(handle.pointer, buffer.array, info, None)
            if code != 0:
                RESET_ERROR()
                return None if code == _NO_MESSAGE else handle.take_message(self._kind, False)  # which says what it is
        number = info.publication_sequence_number
        found = {
            "source_timestamp": info.source_timestamp,
            "publication_sequence_number": None if number == _UNKNOWN else number,
            "publisher_gid": {"data": bytes(info.publisher)},
        }
        return self._message(np.asarray(buffer)), found

    def _unused(self) -> _Buffer:
        unused = [buffer for buffer in self.buffers if sys.getrefcount(buffer) == _UNUSED]
        for buffer in unused[_SPARE:]:
            self.buffers.remove(buffer)
        if not unused:
            unused.append(_Buffer())
            self.buffers += unused
        return unused[0]

    def _message(self, content: np.ndarray) -> Any:
        """Its fields are read by rclpy, from a message without `data`, which is the last of them."""
        at = 4
        try:
            number = struct.Struct("<I" if content[1] & 1 else ">I")  # CDR_LE or CDR_BE
            for part in self._parts:
                size = _SIZES.get(part, 4)
                at += -at % size + size
                if part == "string":
                    at += number.unpack_from(content.data, at - 4)[0]
            at += -at % 4
            (length,) = number.unpack_from(content.data, at)
        except (struct.error, IndexError) as error:
            raise ValueError(f"a message of {len(content)} bytes ends before its data: {error}") from None
        data = content[at + 4 : at + 4 + length]
        if len(data) != length:
            raise ValueError(f"a message has {len(data)} bytes of data, expected {length}, as it says")
        message = deserialize_message(content[:at].tobytes() + bytes(4), self._kind)
        message._data = data  # by its own name rclpy would copy it, byte by byte
        return message
