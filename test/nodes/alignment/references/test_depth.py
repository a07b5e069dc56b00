# SPDX-License-Identifier: Apache-2.0
"""Depth and disparity images as references: registered, of another camera, of a rectified one; and bad ones."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from stereo_msgs.msg import DisparityImage

from mono_depth_ros.errors import ConfigError, FrameError, SamplesError
from mono_depth_ros.geometry.camera import Camera

CAMERA = Camera(80, 60, 70.0, 70.0, 40.0, 30.0)
DEPTH = np.full((60, 80), 3.0, np.float32)
DEPTH[:, 40:] = 5.0


def turn_y(angle_deg: float) -> np.ndarray:
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def disparity(messages, pixels, late_s=0.0, **changes):
    fields = {"f": 70.0, "t": 0.1, "min_disparity": 0.0, "max_disparity": 64.0, **changes}
    message = DisparityImage(**fields)
    message.image = messages.image(pixels.astype(np.float32), "32FC1")
    return messages.stamped(message, "camera", late_s)


@pytest.fixture
def depth(reference, no_tf2):
    """In the frame of the image: it needs no extrinsics."""
    return reference("depth", "reference/depth:=/rgbd/depth/image")


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_registered_depth_gives_its_pixels(depth, messages, encoding):
    pixels = DEPTH.copy() if encoding == "32FC1" else (1000 * DEPTH).astype(np.uint16)
    pixels[0, 0] = 0
    depth.deliver("/rgbd/depth/image", messages.image(pixels, encoding))
    found = depth.samples().samples
    assert len(found) == 60 * 80 - 1
    np.testing.assert_allclose(found.depth, DEPTH[found.rows, found.columns])


def test_camera_info_is_taken_from_beside_the_depth(depth, reference):
    assert depth.source.topics() == ["/rgbd/depth/image", "/rgbd/depth/camera_info"]
    assert depth.source.feed().topics == "/rgbd/depth/image"
    own = reference("depth", "reference/depth:=/d", "reference/camera_info:=/i")
    assert own.source.topics() == ["/d", "/i"]
    assert reference("depth").source.topics() == ["/reference/depth", "/reference/camera_info"]


def test_depth_of_another_camera_goes_through_both_lenses(reference, messages):
    rig = reference("depth", cam_from_reference="0.2 0 0 0 0 0 1")
    small = Camera(40, 30, 35.0, 35.0, 19.5, 14.5)
    pixels = np.full((30, 40), np.nan, np.float32)
    pixels[10, 20] = 4.0
    rig.deliver("/reference/camera_info", messages.info(small))
    rig.deliver("/reference/depth", messages.image(pixels, "32FC1", frame="depth_optical"))
    found = rig.samples().samples
    x, y = (20 - 19.5) / 35 * 4 + 0.2, (10 - 14.5) / 35 * 4
    assert (found.rows, found.columns) == ([round(70 * y / 4 + 30)], [round(70 * x / 4 + 40)])
    assert found.depth == pytest.approx(4.0)


def test_depth_of_another_size_or_frame_needs_its_camera_info(depth, messages, reference):
    depth.deliver("/rgbd/depth/image", messages.image(DEPTH[:30], "32FC1"))
    with pytest.raises(SamplesError, match=r"/rgbd/depth/camera_info, expected one: .* is 80x30") as error:
        depth.samples()
    assert error.value.reason == "reference_camera_info"
    given = reference("depth", cam_from_reference="0 0 0 0 0 0 1")
    given.deliver("/reference/depth", messages.image(DEPTH, "32FC1"))
    with pytest.raises(SamplesError, match="in the frame 'camera', the image is 80x60 in 'camera'"):
        given.samples()


def test_a_camera_info_that_is_announced_is_waited_for(depth, messages):
    publisher = depth.node.create_publisher(type(messages.info()), "/rgbd/depth/camera_info", 1)
    depth.deliver("/rgbd/depth/image", messages.image(DEPTH, "32FC1"))
    with pytest.raises(SamplesError, match="no camera_info has come"):
        depth.samples()
    depth.deliver("/rgbd/depth/camera_info", messages.info(CAMERA))
    assert len(depth.samples().samples) == 60 * 80
    depth.node.destroy_publisher(publisher)


def test_another_frame_without_extrinsics_is_no_identity(depth, messages):
    depth.deliver("/rgbd/depth/image", messages.image(DEPTH, "32FC1", frame="depth_optical"))
    with pytest.raises(SamplesError, match="from 'depth_optical' to 'camera' is not known: give the") as error:
        depth.samples()
    assert error.value.reason == "transform_missing"


def test_bad_depth(depth, messages):
    depth.deliver("/rgbd/depth/image", messages.image(np.zeros((60, 80, 3), np.uint8), "rgb8"))
    with pytest.raises(FrameError, match="'rgb8', expected 32FC1 or 16UC1"):
        depth.samples()
    depth.deliver("/rgbd/depth/image", messages.image(np.zeros((60, 80), np.float32), "32FC1", late_s=0.1))
    with pytest.raises(SamplesError, match="0 known pixels"):
        depth.samples(late_s=0.1)
    depth.deliver("/rgbd/depth/camera_info", messages.info(CAMERA.resized(20, 20)))
    depth.deliver("/rgbd/depth/image", messages.image(DEPTH, "32FC1", late_s=0.2))
    with pytest.raises(SamplesError, match="/rgbd/depth/camera_info: the image is 80x60, its camera is 20x20"):
        depth.samples(late_s=0.2)


def test_disparity(reference, messages, no_tf2):
    rig = reference("disparity")
    pixels = np.full((60, 80), -1.0)
    pixels[5, 7] = 3.5
    rig.deliver("/reference/disparity", disparity(messages, pixels))
    found = rig.samples().samples
    assert (found.rows, found.columns) == ([5], [7]) and found.depth == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"t": 0.0}, "disparity_baseline", "baseline t of the disparity is 0"),
        ({"f": -1.0}, "disparity_focal", "focal length f"),
        ({"min_disparity": 9.0, "max_disparity": 3.0}, "disparity_limits", "min_disparity is 9"),
    ],
)
def test_bad_disparity(reference, messages, changes, reason, words):
    rig = reference("disparity", cam_from_reference="0 0 0 0 0 0 1")
    rig.deliver("/reference/camera_info", messages.info(CAMERA))
    rig.deliver("/reference/disparity", disparity(messages, DEPTH, **changes))
    with pytest.raises(SamplesError, match=words) as error:
        rig.samples()
    assert error.value.reason == reason


def test_a_raw_image_is_turned_against_the_rectified_disparity(reference, messages, no_tf2):
    # The same frame_id, and yet R of the calibration lies between their axes.
    rig, R = reference("disparity"), turn_y(5.0)
    pixels = np.full((60, 80), -1.0)
    pixels[30, 40] = 3.5  # straight ahead in the rectified image, at 2 m
    rig.deliver("/reference/camera_info", messages.info(CAMERA, R=R))
    rig.deliver("/reference/disparity", disparity(messages, pixels))
    raw = Camera(80, 60, 70.0, 70.0, 40.0, 30.0, "plumb_bob", (0.01, 0.0, 0.0, 0.0, 0.0))
    ahead = R.T @ [0, 0, 2.0]
    found = rig.samples(camera=raw).samples
    assert found.columns == [round(40 + 70 * ahead[0] / ahead[2])] and found.columns != [40]
    assert found.depth == pytest.approx(ahead[2])
    # In the rectified image itself nothing is turned.
    assert rig.samples(camera=CAMERA).samples.columns == [40]


def test_messages_that_are_not_installed(reference, no_tf2, monkeypatch):
    monkeypatch.setitem(sys.modules, "stereo_msgs.msg", None)
    with pytest.raises(ConfigError, match="stereo_msgs/msg/DisparityImage is not installed"):
        reference("disparity")
