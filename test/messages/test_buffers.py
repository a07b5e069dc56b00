# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import array
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from mono_depth_ros.errors import DataError
from mono_depth_ros.messages.buffers import bytes_of, set_data


@pytest.mark.parametrize(
    "data", [array.array("B", b"abc"), b"abc", bytearray(b"abc"), memoryview(b"abc"), np.frombuffer(b"abc", np.uint8)]
)
def test_bytes_are_shared(data) -> None:
    flat = bytes_of(data)
    assert flat.dtype == np.uint8 and flat.tobytes() == b"abc"
    assert np.shares_memory(flat, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("data", [array.array("B"), b"", [], np.empty(0, np.uint8)])
def test_no_bytes(data) -> None:
    assert bytes_of(data).shape == (0,)


@pytest.mark.parametrize("data", [None, 3, [256], [-1], ["a"]])
def test_what_are_no_bytes(data) -> None:
    with pytest.raises(DataError, match="message data is a"):
        bytes_of(data)


def test_rclpy_data_is_written_with_one_copy(rclpy_messages) -> None:
    values = np.random.default_rng(0).random((480, 640, 4), dtype=np.float32)
    message = rclpy_messages.cloud()
    tracemalloc.start()
    set_data(message, values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values.nbytes <= peak < 1.2 * values.nbytes
    assert isinstance(message.data, array.array) and message.data.tobytes() == values.tobytes()


def test_rclpy_memory_is_used_again(rclpy_messages) -> None:
    message = rclpy_messages.cloud()
    set_data(message, np.full(100_000, 1.0))
    values = np.full(100_000, 2.0)
    tracemalloc.start()
    set_data(message, values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.1 * values.nbytes
    assert set(np.frombuffer(message.data)) == {2.0}


def test_rclpy_data_that_somebody_looks_at(rclpy_messages) -> None:
    message = rclpy_messages.cloud()
    set_data(message, np.arange(4, dtype=np.uint8))
    seen = bytes_of(message.data)
    set_data(message, np.arange(9, dtype=np.uint8))
    assert seen.tolist() == [0, 1, 2, 3] and list(message.data) == list(range(9))


def test_rosbags_data_is_the_array() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    message = SimpleNamespace(data=np.empty(0, np.uint8))
    set_data(message, values)
    assert np.shares_memory(message.data, values) and message.data.dtype == np.uint8
