# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from mono_depth_ros.errors import ImageError, SamplesError
from mono_depth_ros.messages.disparity import disparity_depth

NAN, INF = float("nan"), float("inf")


def message(ros: Any, disparity: Any, window=(0, 0, 0, 0), encoding="32FC1", **changes: float) -> Any:
    """f = 500 px, T = 0.1 m: Z = 50 / d. `window`: x, y, width, height."""
    values = np.array(disparity, dtype=np.float32)
    height, width = values.shape
    image = ros.image(encoding, width, height, 4 * width, values.tobytes())
    numbers = {"f": 500.0, "t": 0.1, "min_disparity": 1.0, "max_disparity": 64.0, "delta_d": 0.0625} | changes
    x, y, w, h = window
    if not hasattr(ros, "store"):
        module = pytest.importorskip("stereo_msgs.msg", reason="stereo_msgs is not installed")
        roi = importlib.import_module("sensor_msgs.msg").RegionOfInterest(x_offset=x, y_offset=y, width=w, height=h)
        return module.DisparityImage(image=image, valid_window=roi, **numbers)
    roi = ros.store.types["sensor_msgs/msg/RegionOfInterest"](x, y, h, w, False)
    kind = ros.store.types["stereo_msgs/msg/DisparityImage"]
    if "T" in kind.__dataclass_fields__:
        numbers["T"] = numbers.pop("t")
    return kind(header=ros.header(), image=image, valid_window=roi, **numbers)


def test_depth_is_f_t_over_d(ros):
    found = disparity_depth(message(ros, [[50.0, 25.0, 1.0], [64.0, 12.5, 10.0]]))
    np.testing.assert_allclose(found, [[1, 2, 50], [50 / 64, 4, 5]], rtol=1e-6)
    assert found.dtype == np.float32


def test_ros_1_names_the_baseline_in_a_capital(ros1_messages):
    np.testing.assert_allclose(disparity_depth(message(ros1_messages, [[10.0]])), [[5]])


def test_what_the_matcher_did_not_find_is_unknown(ros):
    found = disparity_depth(message(ros, [[0.0, 0.99, 64.1, NAN, INF, -INF, -3.0, 5.0]]))
    np.testing.assert_array_equal(found, np.float32([[NAN, NAN, NAN, NAN, NAN, NAN, NAN, 10.0]]))


def test_limits_of_zero_are_not_set_but_disparity_is_positive(ros):
    found = disparity_depth(message(ros, [[0.0, -1.0, 0.5, 500.0]], min_disparity=0.0, max_disparity=0.0))
    np.testing.assert_array_equal(found, np.float32([[NAN, NAN, 100.0, 0.1]]))


def test_negative_limits_never_let_a_negative_disparity_through(ros):
    found = disparity_depth(message(ros, [[-5.0, 0.0, 5.0]], min_disparity=-16.0))
    np.testing.assert_array_equal(found, np.float32([[NAN, NAN, 10.0]]))


def test_outside_the_valid_window_is_unknown(ros):
    found = disparity_depth(message(ros, np.full((4, 5), 10.0), window=(1, 2, 3, 1)))
    expected = np.full((4, 5), NAN)
    expected[2, 1:4] = 5.0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"t": 0.0}, "disparity_baseline", "baseline t of the disparity is 0, expected metres, more than 0"),
        ({"t": NAN}, "disparity_baseline", "baseline t of the disparity is nan"),
        ({"t": -0.1}, "disparity_baseline", "baseline t of the disparity is -0.1"),
        ({"f": 0.0}, "disparity_focal", "focal length f of the disparity is 0, expected pixels"),
        ({"f": INF}, "disparity_focal", "focal length f of the disparity is inf"),
        ({"max_disparity": 0.5}, "disparity_limits", "min_disparity is 1 and max_disparity 0.5"),
        ({"min_disparity": NAN}, "disparity_limits", "min_disparity is nan"),
        ({"window": (3, 0, 3, 4)}, "disparity_window", r"valid_window is 3x4 at \(3, 0\), expected inside the 5x4"),
    ],
)
def test_what_makes_no_depth_is_refused(ros, changes, reason, words):
    with pytest.raises(SamplesError, match=words) as error:
        disparity_depth(message(ros, np.full((4, 5), 10.0), **changes))
    assert error.value.reason == reason


def test_other_encodings_and_short_data_are_refused(ros):
    with pytest.raises(ImageError, match="disparity encoding is '16UC1', expected 32FC1"):
        disparity_depth(message(ros, [[1.0]], encoding="16UC1"))
    short = message(ros, [[1.0, 2.0]])
    short.image.data = ros.as_data(bytes(4))
    with pytest.raises(ImageError, match="has 4 bytes of data, expected 8"):
        disparity_depth(short)
