# SPDX-License-Identifier: Apache-2.0
"""The images before as the reference: predictions whose scale jumps, and odometry that comes and goes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from nav_msgs.msg import Odometry

from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera

CAMERA = Camera(160, 120, 130.0, 130.0, 80.0, 60.0)
TEXTURE = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (600, 900), dtype=np.uint8), (0, 0), 2)
TEXTURE = cv2.normalize(TEXTURE, None, 0, 255, cv2.NORM_MINMAX)
ROWS, COLUMNS = np.indices((CAMERA.height, CAMERA.width)).astype(np.float32)
WALL_M = 2.0
JUMPS = 3.0 * np.exp(0.2 * np.random.default_rng(2).standard_normal(40))


def image(rig, messages, index, odometry=False):
    """Samples of an image from a camera that goes to its right, 4 cm in .1 s; what is predicted is off by JUMPS."""
    if odometry:
        message = Odometry(child_frame_id="camera")
        message.pose.pose.position.x, message.pose.pose.orientation.w = 0.04 * index, 1.0
        rig.deliver("/odom", messages.stamped(message, "odom", 0.1 * index))
    x, y = (COLUMNS - 80) / 130 * WALL_M + 0.04 * index, (ROWS - 60) / 130 * WALL_M
    gray = cv2.remap(TEXTURE, x * 130 + 300, y * 130 + 300, cv2.INTER_LINEAR)
    values = np.full(gray.shape, WALL_M * JUMPS[index], np.float32)
    return rig.samples(late_s=0.1 * index, camera=CAMERA, values=values, rgb=np.repeat(gray[..., None], 3, axis=2))


def test_memory_by_itself_needs_no_topic_and_claims_no_metres(reference, messages, no_tf2):
    rig = reference("memory")
    assert rig.source.topics() == []
    found = [image(rig, messages, i) for i in range(8)]
    depths = [float(np.median(match.samples.depth)) for match in found]
    assert depths[0] == pytest.approx(WALL_M * JUMPS[0], rel=1e-3)
    assert np.abs(np.diff(np.log(depths))).max() < 0.05
    assert not any(match.metric for match in found) and all(match.each for match in found)


def test_memory_goes_on_with_the_metres_of_odometry_that_ends(reference, messages, no_tf2):
    rig = reference("motion,memory")
    assert not image(rig, messages, 0, odometry=True).metric  # it has not moved yet
    with_odometry = [image(rig, messages, i, odometry=True) for i in range(1, 12)][-1]
    without = [image(rig, messages, i) for i in range(12, 18)][-1]
    for match in (with_odometry, without):
        assert match.metric and np.median(match.samples.depth) == pytest.approx(WALL_M, rel=0.03)
    assert (with_odometry.each, without.each) == (False, True)
    assert "motion gives nothing, the others go on" in rig.source.problem


def test_memory_needs_the_image(reference, no_tf2):
    with pytest.raises(SamplesError, match="the image of this depth"):
        reference("memory").samples(camera=CAMERA)
