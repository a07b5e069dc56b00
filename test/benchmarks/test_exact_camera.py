# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest

import exact_camera
from mono_depth_ros.geometry.camera import Camera

CAMERA = Camera(160, 120, 130.0, 130.0, 79.5, 59.5)


def test_what_is_right_already_does_not_change_and_what_is_rough_does() -> None:
    assert exact_camera._moge(CAMERA) < 1e-6 < 1e-2 < exact_camera._moge(replace(CAMERA, cx=95.5))
    assert 0.5 / 130 < 3 * exact_camera._unidepth(CAMERA) < 0.1
    assert exact_camera._depth_anything(CAMERA) == 0
    wide = replace(CAMERA, fy=2 * CAMERA.fx)
    assert exact_camera._depth_anything(wide) == pytest.approx(1.5 / 2**0.5 - 1)
