# SPDX-License-Identifier: Apache-2.0
"""The camera's own motion as the reference: odometry of the robot or transforms, and a wall 2 m away."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TransformStamped
from nav_msgs.msg import Odometry

from mono_depth_ros.errors import ConfigError, MonoDepthError, SamplesError
from mono_depth_ros.geometry.camera import Camera

CAMERA = Camera(160, 120, 130.0, 130.0, 80.0, 60.0)
TEXTURE = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (600, 900), dtype=np.uint8), (0, 0), 2)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)
ROWS, COLUMNS = np.indices((CAMERA.height, CAMERA.width)).astype(np.float32)
IMAGES = 10
# Points of a base (x forward, y left, z up) in a camera that looks forward from where the base is.
CAM_FROM_BASE = "0 0 0 0.5 -0.5 0.5 0.5"


def wall(way_m):
    """(H, W, 3) RGB of a camera that has gone this far to its right."""
    x, y = (COLUMNS - 80) / 130 * 2 + way_m, (ROWS - 60) / 130 * 2
    return np.repeat(cv2.remap(TEXTURE, x * 130 + 300, y * 130 + 300, cv2.INTER_LINEAR)[..., None], 3, axis=2)


def odometry(messages, late_s, x=0.0, y=0.0, child="base"):
    message = Odometry(child_frame_id=child)
    message.pose.pose.position.x, message.pose.pose.position.y = x, y
    message.pose.pose.orientation.w = 1.0
    return messages.stamped(message, "odom", late_s)


def pose(messages, kind, late_s, x=0.0):
    message = kind()
    if kind is TransformStamped:
        message.child_frame_id = "camera"
        message.transform.translation.x, message.transform.rotation.w = x, 1.0
        return messages.stamped(message, "map", late_s)
    own = message.pose.pose if kind is PoseWithCovarianceStamped else message.pose
    own.position.x, own.orientation.w = x, 1.0
    return messages.stamped(message, "map", late_s)


def drive(rig, say, frame="camera"):
    """What the last image of a drive to the right gives; 4 cm and .1 s an image."""
    found = None
    for i in range(IMAGES):
        say(0.1 * i, 0.04 * i)
        try:
            found = rig.samples(late_s=0.1 * i, camera=CAMERA, rgb=wall(0.04 * i), frame=frame)
        except MonoDepthError as error:
            found = error
    return found


def is_right(match):
    assert not isinstance(match, Exception), match
    np.testing.assert_allclose(np.median(match.samples.depth), 2.0, rtol=0.02)
    return len(match.samples) > 20 and match.fresh and match.local


def test_odometry_of_a_robot_and_where_the_camera_is_on_it(reference, messages, no_tf2):
    rig = reference("motion", cam_from_reference=CAM_FROM_BASE)
    assert rig.source.topics() == ["/odom"]

    def say(late_s, way_m):  # to the right is -y of the base; one before the image and one after
        for d in (-0.02, 0.02):
            rig.deliver("/odom", odometry(messages, late_s + d, y=-(way_m + 0.4 * d)))

    assert is_right(drive(rig, say))


def test_visual_odometry_of_the_camera_itself_needs_no_transform(reference, messages, no_tf2):
    rig = reference("motion")
    assert is_right(drive(rig, lambda t, x: rig.deliver("/odom", odometry(messages, t, x=x, child="/camera"))))


@pytest.mark.parametrize("kind", [PoseStamped, PoseWithCovarianceStamped])
def test_poses_of_which_a_parameter_says_whose_they_are(reference, messages, no_tf2, kind):
    rig = reference("motion", pose_frame="camera")
    add = rig.source.reference.add
    assert is_right(drive(rig, lambda t, x: add("odom", pose(messages, kind, t, x))))


def test_poses_never_count_as_the_cameras_by_themselves(reference, messages, no_tf2):
    rig = reference("motion")
    rig.source.reference.add("odom", pose(messages, PoseStamped, 0.0))
    with pytest.raises(SamplesError, match=r"/odom does not say .*: give pose_frame or camera_from_pose") as error:
        rig.samples(camera=CAMERA, rgb=wall(0.0))
    assert error.value.reason == "odom_body"


def test_a_transform_says_whose_it_is(reference, messages, no_tf2):
    rig = reference("motion")
    add = rig.source.reference.add
    assert is_right(drive(rig, lambda t, x: add("odom", pose(messages, TransformStamped, t, x))))


def test_the_first_pose_after_an_image_is_waited_for_but_not_where_the_poses_have_ended(reference, messages, no_tf2):
    rig = reference("motion", tf_timeout=5.0)
    rig.deliver("/odom", odometry(messages, -0.1, child="camera"))
    later = threading.Timer(0.2, rig.deliver, ("/odom", odometry(messages, 0.1, child="camera")))
    later.start()
    with pytest.raises(SamplesError, match="has not moved yet"):
        rig.samples(camera=CAMERA, rgb=wall(0.0))
    begin = time.monotonic()
    with pytest.raises(SamplesError, match="the last pose is 2"):
        rig.samples(camera=CAMERA, rgb=wall(0.0), late_s=2.1)
    assert time.monotonic() - begin < 2.0


def test_camera_from_pose_and_what_is_wrong_with_it(reference, messages, no_tf2):
    rig = reference("motion", camera_from_pose=CAM_FROM_BASE)
    assert is_right(drive(rig, lambda t, x: rig.deliver("/odom", odometry(messages, t, y=-x))))
    with pytest.raises(ConfigError, match="camera_from_pose: the transform is '1 2': found 2 numbers"):
        reference("motion", camera_from_pose="1 2")


def test_a_camera_that_slides_on_a_rail_while_the_robot_drives(reference, messages, tf2):
    """Its place on the robot is asked for at the stamp of each image."""
    rig = reference("motion")

    def say(late_s, way_m):
        # The base moves along x by half of the way, and the camera on it, which looks as the base does, by the rest.
        cam_from_base = np.eye(4)
        cam_from_base[0, 3] = -way_m / 2
        tf2.buffer.set("camera", "base", cam_from_base)
        rig.deliver("/odom", odometry(messages, late_s, x=way_m / 2))

    assert is_right(drive(rig, say))


def test_another_world_begins_anew(reference, messages, no_tf2):
    rig = reference("motion")
    rig.deliver("/odom", odometry(messages, -0.1, child="camera"))
    moved = odometry(messages, 0.1, x=50.0, child="camera")
    moved.header.frame_id = "map"
    rig.deliver("/odom", moved)
    with pytest.raises(SamplesError, match=r"the first pose is 0\.1 s after the image"):
        rig.samples(camera=CAMERA, rgb=wall(0.0))


def test_poses_by_tf2(reference, tf2):
    rig = reference("motion", odom_frame="odom")
    assert rig.source.topics() == []

    def say(late_s, way_m):
        odom_from_camera = np.eye(4)
        odom_from_camera[0, 3] = way_m
        tf2.buffer.set("odom", "camera", odom_from_camera)

    assert is_right(drive(rig, say))


def test_a_camera_that_is_not_on_the_robot(reference, messages, tf2):
    rig = reference("motion")
    found = drive(rig, lambda t, x: rig.deliver("/odom", odometry(messages, t, x=x)))
    assert "base" in str(found) and "camera" in str(found)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (dict(late_s=1e6), "odom_time"),
        (dict(late_s=0.0, child=""), "odom_body"),
    ],
)
def test_what_cannot_be_used_is_told(reference, messages, no_tf2, message, reason):
    rig = reference("motion")
    rig.deliver("/odom", odometry(messages, **message))
    with pytest.raises(SamplesError) as error:
        rig.samples(camera=CAMERA, rgb=wall(0.0))
    assert error.value.reason == reason


def test_without_an_image_and_without_odometry(reference, messages, no_tf2):
    rig = reference("motion")
    assert rig.source.samples(rig.view(camera=CAMERA, rgb=wall(0.0))) is None
    rig.deliver("/odom", odometry(messages, 0.0, child="camera"))
    with pytest.raises(SamplesError, match="the image of this depth"):
        rig.samples(camera=CAMERA)


def test_odom_frame_needs_tf2(reference, no_tf2):
    with pytest.raises(ConfigError, match="odom_frame is 'odom', but tf2_ros is not installed"):
        reference("motion", odom_frame="odom")


def test_a_quaternion_of_zeros_is_told(reference, messages, no_tf2):
    rig = reference("motion")
    message = odometry(messages, 0.0, child="camera")
    message.pose.pose.orientation.w = 0.0
    rig.deliver("/odom", message)
    with pytest.raises(SamplesError, match="/odom: the quaternion") as error:
        rig.samples(camera=CAMERA, rgb=wall(0.0))
    assert error.value.reason == "odom_invalid"
    rig.deliver("/odom", odometry(messages, 0.0, child="camera"))
    with pytest.raises(SamplesError, match="has not moved yet"):
        rig.samples(camera=CAMERA, rgb=wall(0.0))
