# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.plausible import doubt


def camera(fx: float = 500.0, cx: float = 319.5, cy: float = 239.5, model: str = "none", d: tuple = ()) -> Camera:
    return Camera(640, 480, fx, fx, cx, cy, model, d)


GOOD = (
    camera(),
    camera(193),
    camera(3199),
    camera(cx=160),
    camera(cy=358),
    camera(100, model="equidistant", d=(0.0,) * 4),
)


@pytest.mark.parametrize("good", GOOD)
def test_nothing_is_said_of_ordinary_cameras(good):
    assert doubt(good) == ""


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (camera(cx=158), "(158, 240) is outside the middle half of the 640x480 image"),
        (camera(cy=361), "(320, 361) is outside"),
        (camera(191), "191 px, 0.3 widths of the 640x480 image, expected 0.3 to 5"),
        (camera(3201), "3201 px, 5 widths"),
        (camera(90, model="equidistant", d=(0.0,) * 4), "90 px, 0.14 widths of the 640x480 image, expected 0.15 to 5"),
    ],
)
def test_what_can_hardly_be_right_is_said(bad, words):
    assert words in doubt(bad)


def test_a_part_of_a_sensor_has_its_centre_anywhere():
    assert doubt(camera(cx=-100), window=True) == "" and doubt(camera(100, cx=-100), window=True)
