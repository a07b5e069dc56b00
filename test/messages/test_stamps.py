# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest

from mono_depth_ros.messages.stamps import sec_nanosec, stamp_ns


@pytest.mark.parametrize(("sec", "nanosec"), [(0, 0), (1_700_000_000, 123_456_789), (2, 999_999_999), (-1, 5)])
def test_there_and_back(sec: int, nanosec: int) -> None:
    ns = stamp_ns(SimpleNamespace(sec=sec, nanosec=nanosec))
    assert ns == sec * 10**9 + nanosec
    assert sec_nanosec(ns) == (sec, nanosec)


def test_stamps_of_messages(ros, rosbags_messages) -> None:
    assert stamp_ns(ros.image("mono8", 1, 1, 1, b"\0").header.stamp) in (0, 1_000_000_002)
    assert stamp_ns(rosbags_messages.header().stamp) == 1_000_000_002
