# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/LaserScan: to points, and from ranges."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import SamplesError

Floats = NDArray[np.float32]


def fill_scan(msg: Any, angles: tuple[float, float, float], limits: tuple[float, float], ranges: Floats) -> None:
    """Write a scan of a moment into a LaserScan; the header is left alone.

    Args:
        msg: of rclpy or rosbags. angles: angle_min, angle_max and angle_increment, radians. limits: range_min and
            range_max, metres. ranges: (N,) float32 metres; +inf free, NaN unknown (REP 117).
    """
    msg.angle_min, msg.angle_max, msg.angle_increment = angles
    msg.range_min, msg.range_max = limits
    msg.time_increment = msg.scan_time = 0.0
    # Anything else than its own kind of array is looked at value by value in a message of rclpy.
    msg.ranges = array.array("f", ranges.tobytes()) if isinstance(msg.ranges, array.array) else ranges


def scan_points(msg: Any) -> Floats:
    """The returns of a scan as points of its frame: x forward, y left, z = 0, where angle 0 looks along x.

    Beam i looks at `angle_min + i * angle_increment`; `angle_max` is not used, since drivers are one beam off in it.
    Left out are NaN, infinite and negative ranges and those outside `range_min` to `range_max`, as the message's
    definition asks. `time_increment` is ignored: the scanner is taken to stand still during a turn.

    Args:
        msg: of rclpy or rosbags.

    Returns:
        (N, 3) float32 metres; N may be 0.

    Raises:
        SamplesError: reason `scan_angles` for angles that are not finite, an increment of zero or beams that go more
            than once around; `scan_limits` for range limits that are NaN or hold nothing.
    """
    ranges = np.asarray(msg.ranges, dtype=np.float32).reshape(-1)
    start, step = float(msg.angle_min), float(msg.angle_increment)
    low, high = float(msg.range_min), float(msg.range_max)
    if not (math.isfinite(start) and math.isfinite(step)):
        found = f"angle_min is {start:g} and angle_increment {step:g}"
        raise SamplesError(f"{found} in the scan, expected finite radians", "scan_angles")
    if len(ranges) > 1:
        if step == 0.0:
            found = f"angle_increment is 0 in a scan of {len(ranges)} ranges"
            raise SamplesError(f"{found}, expected the angle between two beams in radians", "scan_angles")
        # A full turn has one beam less than this; a rounded increment may add a beam or two.
        turn = abs(step) * (len(ranges) - 3)
        if turn > 2 * math.pi:
            found = f"{len(ranges)} beams {step:g} rad apart go {math.degrees(abs(step) * len(ranges)):.0f} degrees"
            raise SamplesError(f"{found}, expected 360 at most: is angle_increment in radians?", "scan_angles")
    if math.isnan(low) or math.isnan(high) or high <= max(low, 0.0):
        found = f"range_min is {low:g} and range_max {high:g} in the scan"
        raise SamplesError(f"{found}, expected metres, range_min below range_max", "scan_limits")
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(ranges) & (ranges > 0) & (ranges >= np.float32(low)) & (ranges <= np.float32(high))
    angle = start + step * np.flatnonzero(seen)
    r = ranges[seen].astype(np.float64)
    return np.stack((r * np.cos(angle), r * np.sin(angle), np.zeros_like(r)), axis=-1).astype(np.float32)
