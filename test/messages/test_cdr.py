# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from mono_depth_ros.errors import DataError
from mono_depth_ros.messages.cdr import header_stamp_ns


@pytest.mark.parametrize("little_endian", [True, False])
@pytest.mark.parametrize("sec, nanosec", [(1_700_000_000, 123_456_789), (0, 1), (-2, 500_000_000), (2**31 - 1, 0)])
def test_stamp_of_a_serialised_message(little_endian, sec, nanosec):
    types = get_typestore(Stores.ROS2_JAZZY)
    kinds = types.types
    stamp = kinds["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    header = kinds["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    image = kinds["sensor_msgs/msg/Image"](header, 1, 1, "mono8", 0, 1, np.zeros(1, np.uint8))
    data = types.serialize_cdr(image, "sensor_msgs/msg/Image", little_endian=little_endian)
    assert header_stamp_ns(bytes(data)) == sec * 1_000_000_000 + nanosec


def test_too_short():
    with pytest.raises(DataError, match="11 bytes, expected at least 12"):
        header_stamp_ns(bytes(11))
