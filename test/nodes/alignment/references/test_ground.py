# SPDX-License-Identifier: Apache-2.0
"""The floor as the reference: who tells the height and which way is up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sensor_msgs.msg import Imu

from mono_depth_ros.errors import ConfigError, FitError, SamplesError
from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.prediction import DepthKind

HEIGHT_M, PITCH_DEG = 1.2, 10.0
ROWS, COLUMNS = np.indices((60, 80))
_C, _S = math.cos(math.radians(PITCH_DEG)), math.sin(math.radians(PITCH_DEG))
FALL = _C * (ROWS - 30) / 70 + _S
with np.errstate(divide="ignore"):
    FLOOR = np.where(FALL > 0.02, HEIGHT_M / FALL, 30.0).astype(np.float32)  # and a wall far behind it
UP = np.array([0, -_C, -_S])
# Of a camera that looks along x of its base, pitched down; z of the base is up.
BASE_FROM_CAM = np.eye(4)
BASE_FROM_CAM[:3, :3] = [[0, -_S, _C], [-1, 0, 0], UP]
BASE_FROM_CAM[:3, 3] = (0.3, 0, HEIGHT_M)


def imu(messages, late_s=0.0, frame="imu", **changes):
    """At rest and level: z up."""
    message = Imu()
    message.orientation.w, message.linear_acceleration.z = 1.0, 9.81
    for name, value in changes.items():
        setattr(message, name, value)
    return messages.stamped(message, frame, late_s)


def right(match):
    truth = FLOOR[match.samples.rows, match.samples.columns]
    np.testing.assert_allclose(match.samples.depth, truth, rtol=0.02)
    return len(match.samples) > 500


def test_the_height_and_the_floor_itself(reference, no_tf2):
    rig = reference("ground", camera_height=HEIGHT_M)
    match = rig.samples(values=0.6 * FLOOR)
    assert right(match) and match.fresh and not match.local and match.offset_s == 0
    assert rig.samples(values=0.6 * FLOOR, late_s=0.03).fresh, "every image is its own reference"
    assert rig.source.topics() == ["/imu"] and rig.source.feed().topics == ""


def test_a_relative_prediction_needs_the_pitch(reference, no_tf2):
    with pytest.raises(FitError, match="pitch"):
        reference("ground", camera_height=HEIGHT_M).samples(values=2 / FLOOR, kind=DepthKind.INVERSE_AFFINE)
    given = reference("ground", camera_height=HEIGHT_M, pitch_deg=str(PITCH_DEG))
    assert right(given.samples(values=2 / FLOOR, kind=DepthKind.INVERSE_AFFINE))
    assert given.source.topics() == [], "who knows the pitch needs no imu"


def test_height_and_pitch_by_tf2(reference, tf2):
    rig = reference("ground", base_frame="base_footprint")
    with pytest.raises(SamplesError, match="from 'camera' to 'base_footprint'"):
        rig.samples(values=FLOOR)
    tf2.buffer.set("base_footprint", "camera", BASE_FROM_CAM)
    assert right(rig.samples(values=2 / FLOOR, kind=DepthKind.INVERSE_AFFINE))
    below = BASE_FROM_CAM.copy()
    below[2, 3] = -0.2
    tf2.buffer.set("base_footprint", "camera", below)
    with pytest.raises(SamplesError, match=r"-0\.2 m above 'base_footprint'") as error:
        rig.samples(values=FLOOR)
    assert error.value.reason == "ground_height"


def test_height_and_pitch_by_hand_need_no_tf2(reference, no_tf2):
    pose = " ".join(map(str, (*BASE_FROM_CAM[:3, 3], *quaternion(BASE_FROM_CAM[:3, :3]))))
    rig = reference("ground", base_frame="base_footprint", base_from_camera=pose)
    assert right(rig.samples(values=2 / FLOOR, kind=DepthKind.INVERSE_AFFINE))


def test_the_given_height_goes_before_tf2(reference, tf2):
    rig = reference("ground", base_frame="base_footprint", camera_height=2 * HEIGHT_M)
    tf2.buffer.set("base_footprint", "camera", BASE_FROM_CAM)
    found = rig.samples(values=FLOOR).samples
    np.testing.assert_allclose(found.depth, 2 * FLOOR[found.rows, found.columns], rtol=0.02)


@pytest.mark.parametrize("knows", ["orientation", "acceleration"])
def test_an_imu_tells_which_way_is_up(reference, no_tf2, messages, knows):
    # cam_from_imu: the axes of BASE_FROM_CAM, turned around.
    text = " ".join(f"{value:.9f}" for value in np.linalg.inv(BASE_FROM_CAM).ravel())
    rig = reference("ground", camera_height=HEIGHT_M, cam_from_reference=text)
    covariance = [-1.0 if knows == "acceleration" else 0.0] + [0.0] * 8
    rig.deliver("/imu", imu(messages, orientation_covariance=covariance))
    assert right(rig.samples(values=2 / FLOOR, kind=DepthKind.INVERSE_AFFINE))


def test_an_imu_that_is_of_no_use(reference, no_tf2, messages):
    rig = reference("ground", camera_height=HEIGHT_M)
    rig.deliver("/imu", imu(messages))
    with pytest.raises(SamplesError, match="from 'imu' to 'camera' is not known"):
        rig.samples(values=FLOOR)
    with pytest.raises(SamplesError, match="the imu message nearest in time is 5 s before") as error:
        rig.samples(values=FLOOR, late_s=5.0)
    assert error.value.reason == "imu_time"
    bad = imu(messages, late_s=0.5, frame="camera")
    bad.orientation.w = 7.0
    rig.deliver("/imu", bad)
    with pytest.raises(SamplesError, match="imu: the orientation is") as error:
        rig.samples(values=FLOOR, late_s=0.5)
    assert error.value.reason == "imu_invalid"


def test_no_floor(reference, no_tf2):
    with pytest.raises(FitError):
        reference("ground", camera_height=HEIGHT_M).samples(values=np.full((60, 80), 3.0))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "give camera_height in metres, or base_frame"),
        ({"base_frame": "base"}, "base_frame is 'base', but tf2_ros is not installed"),
        ({"camera_height": 1.0, "base_frame": "base"}, "base_frame is 'base', but tf2_ros is not installed"),
        ({"camera_height": 1.0, "pitch_deg": "down"}, "pitch_deg is 'down', expected degrees from -90 to 90"),
        ({"camera_height": 1.0, "pitch_deg": "nan"}, "pitch_deg is 'nan'"),
    ],
)
def test_what_cannot_start_says_why(reference, no_tf2, parameters, words):
    with pytest.raises(ConfigError, match=words):
        reference("ground", **parameters)
