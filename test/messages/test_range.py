# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mono_depth_ros.errors import SamplesError
from mono_depth_ros.messages.range import range_points


def message(ros: Any, distance: float, low: float = 0.2, high: float = 4.0, radiation: int = 0) -> Any:
    fields = {"radiation_type": radiation, "field_of_view": 0.4, "min_range": low, "max_range": high, "range": distance}
    if hasattr(ros, "store"):
        kind = ros.store.types["sensor_msgs/msg/Range"]
        more = {"variance": 0.0} if "variance" in kind.__dataclass_fields__ else {}
        return kind(header=ros.header(), **fields, **more)
    return ros.msg.Range(**fields)


@pytest.mark.parametrize("radiation", [0, 1])
@pytest.mark.parametrize("distance", [0.2, 1.5, 4.0])
def test_the_point_is_on_the_axis_of_the_beam(ros, distance, radiation):
    found = range_points(message(ros, distance, radiation=radiation))
    np.testing.assert_array_equal(found, np.float32([[distance, 0, 0]]))
    assert found.dtype == np.float32


@pytest.mark.parametrize("distance", [0.19, 4.01, 0.0, -1.0, float("nan"), float("inf"), float("-inf")])
def test_nothing_seen_is_no_point(ros, distance):
    assert range_points(message(ros, distance)).shape == (0, 3)


def test_a_ranger_of_near_and_far_measures_nothing(ros):
    with pytest.raises(SamplesError, match=r"both 0\.5: the ranger tells near from far") as error:
        range_points(message(ros, float("-inf"), 0.5, 0.5))
    assert error.value.reason == "range_limits"


@pytest.mark.parametrize(("low", "high"), [(2.0, 1.0), (float("nan"), 4.0), (0.1, float("nan")), (-2.0, -1.0)])
def test_limits_that_hold_nothing_are_refused(ros, low, high):
    with pytest.raises(SamplesError, match="expected metres, min_range below max_range"):
        range_points(message(ros, 1.0, low, high))
