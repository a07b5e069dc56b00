# SPDX-License-Identifier: Apache-2.0
"""The depth node over rclpy and DDS: every bad input is one drop with its reason, and the node goes on."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CompressedImage, Image

from mono_depth_ros.streams import images


def as_array(message):
    return np.frombuffer(bytes(message.data), np.float32).reshape(message.height, message.width)


BAD_IMAGES = {
    "image_zero_size": {"width": 0, "height": 0, "data": b"", "step": 0},
    "image_truncated": {"data": b"\0" * 100},
    "image_step": {"step": 10},
    "image_encoding": {"encoding": "yuv999"},
    "camera_info_size": {"width": 32, "step": 96, "data": b"\0" * 32 * 48 * 3},
}


@pytest.mark.parametrize("reason", BAD_IMAGES)
def test_a_bad_image_is_dropped_with_a_reason_and_the_node_goes_on(ros, rig, reason):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: r.drops().get(reason), poll=lambda: r.send(r.image(**BAD_IMAGES[reason])))
    assert not depth
    ros.wait(lambda: depth, poll=r.send)


@pytest.mark.parametrize("focal", [0.0, -60.0, math.nan])
def test_an_uncalibrated_camera_is_said_in_diagnostics(ros, rig, focal):
    r = rig(diagnostics_period=0.1)
    depth, status = ros.listen(Image, "/depth/image"), ros.listen(DiagnosticArray, "/diagnostics")
    bad = [focal, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]
    ros.wait(
        lambda: any("not calibrated" in s.status[0].message for s in status),
        poll=lambda: r.send(info=r.info(k=bad)),
    )
    assert r.drops()["camera_uncalibrated"] and not depth


def test_a_missing_camera_info_is_said_and_a_late_one_is_enough(ros, rig):
    r = rig(diagnostics_period=0.1)
    depth, status = ros.listen(Image, "/depth/image"), ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(
        lambda: any("no camera_info" in s.status[0].message for s in status), poll=lambda: r.images.publish(r.image())
    )
    ros.wait(lambda: r.drops().get("no_camera_info"))
    assert not depth
    ros.wait(lambda: depth, poll=r.send)


def test_resolution_and_encoding_may_change_in_mid_stream(ros, rig):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: depth, poll=r.send)
    small = {"width": 32, "height": 24}

    def send_small():
        pixels = np.full((24, 32), 70, np.uint8).tobytes()
        info = r.info(**small, k=[30.0, 0, 15.5, 0, 30, 11.5, 0, 0, 1])
        r.send(r.image(**small, encoding="mono8", step=32, data=pixels), info)

    ros.wait(lambda: depth[-1].width == 32, poll=send_small)
    assert as_array(depth[-1])[0, 0] == 7.0


def test_time_jumping_back_drops_one_frame_and_goes_on(ros, rig):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    ros.wait(lambda: len(depth) > 2, poll=r.send)
    r.ahead_ns -= 60 * 10**9
    heard = len(depth)
    ros.wait(lambda: len(depth) > heard + 2, poll=r.send)
    assert r.drops()["time_backwards"] == 1


def test_a_failing_network_costs_a_frame_and_not_the_node(ros, rig):
    r = rig()
    depth = ros.listen(Image, "/depth/image")
    good, r.model.predict = r.model.predict, lambda *_: 1 / 0
    ros.wait(lambda: r.drops().get("internal_error"), poll=r.send)
    r.model.predict = good
    ros.wait(lambda: depth, poll=r.send)


def test_an_image_of_another_size_than_the_camera_is_not_decoded(ros, rig, monkeypatch):
    """A header of 4 kB may promise gigabytes: the size is compared first."""
    decoded = []
    decode = images.decode_compressed
    monkeypatch.setattr(images, "decode_compressed", lambda *given: decoded.append(given) or decode(*given))
    r = rig(image_transport="compressed")
    depth = ros.listen(Image, "/depth/image")
    jpeg = bytearray(cv2.imencode(".jpg", np.full((48, 64, 3), 50, np.uint8))[1].tobytes())

    def send():
        image = r.image()
        r.send(CompressedImage(header=image.header, format="jpeg", data=bytes(jpeg)), r.info())

    ros.wait(lambda: depth, poll=send)
    at = jpeg.find(b"\xff\xc0") + 5
    jpeg[at : at + 4] = (7000).to_bytes(2, "big") * 2
    ros.wait(lambda: r.drops().get("camera_info_size"), poll=send)
    jpeg[at : at + 4] = (16000).to_bytes(2, "big") * 2
    decoded.clear()
    ros.wait(lambda: r.drops().get("image_too_large"), poll=send)
    assert not decoded
