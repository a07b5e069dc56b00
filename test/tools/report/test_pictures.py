# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from mono_depth_ros.tools.report.pictures import DepthScale, error_picture, error_scale, jpeg_uri


def test_a_tick_stands_where_its_colour_is():
    scale = DepthScale(low=0.1, high=1.0)
    bar = scale.scale()
    for place, text in bar.ticks:
        metres = float(text.removesuffix(" m"))
        colour = scale.picture(np.full((1, 1), metres, np.float32))[0, 0].astype(int)
        assert np.abs(bar.colours[round(place * 255)].astype(int) - colour).max() <= 8, text
    assert bar.ticks[0] == (pytest.approx(0.0), "1 m")


def test_ticks_do_not_run_into_each_other():
    for low, high in ((0.0, 1.0), (0.005, 0.4), (0.3, 0.5), (0.0, 5.0)):
        places = [place for place, _ in DepthScale(low, high).scale().ticks]
        assert places and min(np.diff(places), default=1) > 0.08


def test_one_scale_for_all_maps():
    plane = np.tile(np.linspace(2.0, 4.0, 64, dtype=np.float32), (48, 1))
    plane[0] = np.inf
    scale = DepthScale.of([plane, None, 2 * plane])
    assert scale.low == pytest.approx(1 / 8, rel=0.05) and scale.high == pytest.approx(1 / 2, rel=0.05)


def test_scale_of_nothing_known():
    empty = np.full((48, 64), np.nan, np.float32)
    assert DepthScale.of([empty]).picture(empty).max() == 0
    assert DepthScale.of([]) == DepthScale(0.0, 1.0)


def test_unknown_is_black_and_far_is_not():
    picture = DepthScale(0.1, 1.0).picture(np.array([[np.nan, np.inf, 2.0]], np.float32))
    assert picture[0, 0].max() == 0 and picture[0, 1].max() > 0 and picture[0, 2].max() > 0


def test_error_picture_is_grey_where_nothing_can_be_compared():
    truth = np.array([[2.0, 2.0, np.nan, np.inf, 2.0]], np.float32)
    depth = np.array([[2.0, 9.0, 2.0, 2.0, np.nan]], np.float32)
    picture = error_picture(depth, truth)
    colours = error_scale().colours
    np.testing.assert_array_equal(picture[0, 0], colours[0])
    np.testing.assert_array_equal(picture[0, 1], colours[-1])
    assert (picture[0, 2:] == picture[0, 2, 0]).all(), "grey"


def test_picture_as_a_uri():
    picture = np.full((100, 200, 3), (10, 100, 200), np.uint8)
    uri = jpeg_uri(picture, width=50)
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (25, 50, 3)
    np.testing.assert_allclose(decoded[12, 25].astype(int), (10, 100, 200), atol=4)
