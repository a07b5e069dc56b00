# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mono_depth_ros.errors import CameraError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.camera_info import camera_from_info, fill_camera_info

CAMERAS = [
    Camera(640, 480, 500.0, 510.0, 320.5, 239.25),
    Camera(640, 480, 500.0, 510.0, 320.5, 239.25, "plumb_bob", (-0.3, 0.1, 0.001, -0.002, 0.02)),
    Camera(640, 480, 500.0, 510.0, 320.5, 239.25, "rational_polynomial", (1e-2, 0.2, 0.0, 0.0, 0.3, 0.4, 0.5, 0.6)),
    Camera(640, 480, 300.0, 300.0, 319.5, 239.5, "equidistant", (0.1, 0.01, 0.0, 0.0)),
]


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.model)
def test_round_trip(ros, camera: Camera) -> None:
    message = ros.info()
    fill_camera_info(message, camera)
    assert camera_from_info(message, rectified=False) == camera
    assert camera_from_info(message, rectified=True) == replace(camera, model="none", distortion=())
    assert list(message.r) == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert message.distortion_model == ("plumb_bob" if camera.rectified else camera.model)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.model)
def test_ros_1_names(ros1_messages, camera: Camera) -> None:
    message = ros1_messages.info()
    fill_camera_info(message, camera)
    assert message.K[0] == camera.fx and not hasattr(message, "k")
    assert camera_from_info(message, rectified=False) == camera


def test_messages_survive_the_wire(rclpy_messages, rosbags_messages) -> None:
    for source, sink in ((rclpy_messages, rosbags_messages), (rosbags_messages, rclpy_messages)):
        message = source.info()
        fill_camera_info(message, CAMERAS[1])
        received = sink.deserialize(source.serialize(message), "CameraInfo")
        assert camera_from_info(received, rectified=False) == CAMERAS[1]


def test_binning_and_region_of_interest(ros) -> None:
    message = ros.info()
    fill_camera_info(message, CAMERAS[0])
    message.binning_x = message.binning_y = 2
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = 100, 40, 200, 100
    camera = camera_from_info(message, rectified=False)
    assert (camera.width, camera.height, camera.fx, camera.fy) == (100, 50, 250.0, 255.0)
    # Half-pixel rule: the centre moves with the window, then pixel edges scale.
    assert camera.cx == pytest.approx((220.5 + 0.5) / 2 - 0.5)
    assert camera.cy == pytest.approx((199.25 + 0.5) / 2 - 0.5)


@pytest.mark.parametrize(
    ("k0", "reason"),
    [(0.0, "camera_uncalibrated"), (math.nan, "camera_uncalibrated"), (-500.0, "camera_uncalibrated")],
)
def test_uncalibrated(ros, k0: float, reason: str) -> None:
    message = ros.info()
    message.width, message.height = 640, 480
    message.k = np.array([k0, 0, 0, 0, k0, 0, 0, 0, 0], dtype=np.float64)
    with pytest.raises(CameraError, match="not calibrated") as caught:
        camera_from_info(message, rectified=False)
    assert caught.value.reason == reason


def test_unknown_model_is_named(ros) -> None:
    message = ros.info()
    fill_camera_info(message, CAMERAS[1])
    message.distortion_model = "double_sphere"
    with pytest.raises(CameraError, match="'double_sphere' is not known"):
        camera_from_info(message, rectified=False)
