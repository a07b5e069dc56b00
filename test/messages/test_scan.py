# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
import pytest

from mono_depth_ros.errors import SamplesError
from mono_depth_ros.messages.scan import scan_points


def scan(ros: Any, ranges: list[float], **changes: float) -> Any:
    """Of rclpy or of rosbags: beams a quarter turn apart, from the right (-90 degrees) on."""
    fields = {
        "angle_min": -math.pi / 2,
        "angle_max": math.pi,
        "angle_increment": math.pi / 2,
        "time_increment": 0.0,
        "scan_time": 0.1,
        "range_min": 0.1,
        "range_max": 10.0,
    } | changes
    if hasattr(ros, "store"):
        kind = ros.store.types["sensor_msgs/msg/LaserScan"]
        values = np.array(ranges, dtype=np.float32)
        return kind(header=ros.header(), ranges=values, intensities=np.zeros(0, np.float32), **fields)
    return ros.msg.LaserScan(ranges=array.array("f", ranges), **fields)


def test_beams_turn_from_x_to_y(ros):
    found = scan_points(scan(ros, [1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(found, [[0, -1, 0], [2, 0, 0], [0, 3, 0], [-4, 0, 0]], atol=1e-6)
    assert found.dtype == np.float32


def test_beams_may_turn_the_other_way(ros):
    found = scan_points(scan(ros, [1.0, 2.0, 3.0], angle_min=math.pi / 2, angle_increment=-math.pi / 2))
    np.testing.assert_allclose(found, [[0, 1, 0], [2, 0, 0], [0, -3, 0]], atol=1e-6)


def test_beams_without_a_range_leave_a_gap_and_shift_no_other(ros):
    nan, inf = float("nan"), float("inf")
    ranges = [nan, inf, -inf, -1.0, 0.0, 0.0999, 0.1, 10.0, 10.01, 5.0]
    found = scan_points(scan(ros, ranges, angle_min=0.0, angle_increment=0.1))
    expected = [(r * math.cos(0.1 * k), r * math.sin(0.1 * k), 0) for k, r in ((6, 0.1), (7, 10.0), (9, 5.0))]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("ranges", [[], [float("nan")] * 4, [float("inf")] * 4])
def test_a_scan_that_sees_nothing_has_no_points(ros, ranges):
    assert scan_points(scan(ros, ranges)).shape == (0, 3)


def test_one_beam_needs_no_increment(ros):
    np.testing.assert_allclose(scan_points(scan(ros, [2.0], angle_min=0.0, angle_increment=0.0)), [[2, 0, 0]])


def test_a_full_turn_with_the_last_beam_on_the_first_is_taken(ros):
    assert len(scan_points(scan(ros, [1.0] * 361, angle_min=0.0, angle_increment=math.radians(1)))) == 361


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"angle_increment": 0.0}, "scan_angles", "angle_increment is 0 in a scan of 4 ranges"),
        ({"angle_increment": float("nan")}, "scan_angles", "angle_increment nan"),
        ({"angle_min": float("inf")}, "scan_angles", "angle_min is inf"),
        ({"angle_increment": 60.0}, "scan_angles", "expected 360 at most: is angle_increment in radians"),
        ({"range_max": float("nan")}, "scan_limits", "range_max nan"),
        ({"range_min": 10.0}, "scan_limits", "range_min is 10 and range_max 10"),
        ({"range_min": -2.0, "range_max": -1.0}, "scan_limits", "range_max -1"),
        ({"range_max": 0.0}, "scan_limits", "expected metres, range_min below range_max"),
    ],
)
def test_angles_and_limits_that_make_no_sense_are_refused(ros, changes, reason, words):
    with pytest.raises(SamplesError, match=words) as error:
        scan_points(scan(ros, [1.0] * 4, **changes))
    assert error.value.reason == reason
