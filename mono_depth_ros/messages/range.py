# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/Range to a point: sonars, infrared and time-of-flight rangers with a single beam."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import SamplesError


def range_points(msg: Any) -> NDArray[np.float32]:
    """The one point a ranger sees, in its frame, x forward (REP 103): on the centre ray of its beam.

    The beam is a cone (`field_of_view`), and the ranger answers with the nearest thing in it, wherever that is. So the
    point is right where the beam meets one surface, and too near where something sticks into its rim; a narrow beam,
    or one at a wall, is what fixes a scale. How the beam is radiated makes no difference.

    Args:
        msg: of rclpy or rosbags.

    Returns:
        (1, 3) float32 metres, or (0, 3): nothing seen (NaN, infinite, outside min_range to max_range).

    Raises:
        SamplesError: reason `range_limits` for limits that are NaN, hold nothing, or are equal: a ranger that only
            says whether something is near (min_range = max_range, range -inf or +inf) measures no distance.
    """
    distance, low, high = float(msg.range), float(msg.min_range), float(msg.max_range)
    if low == high:
        found = f"min_range and max_range are both {low:g}: the ranger tells near from far and measures no distance"
        raise SamplesError(f"{found}, expected min_range below max_range", "range_limits")
    if math.isnan(low) or math.isnan(high) or high <= max(low, 0.0):
        found = f"min_range is {low:g} and max_range {high:g}"
        raise SamplesError(f"{found}, expected metres, min_range below max_range", "range_limits")
    if not math.isfinite(distance) or distance <= 0 or not low <= distance <= high:
        return np.empty((0, 3), dtype=np.float32)
    return np.array([[distance, 0.0, 0.0]], dtype=np.float32)
