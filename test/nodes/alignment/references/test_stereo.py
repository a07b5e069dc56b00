# SPDX-License-Identifier: Apache-2.0
"""A stereo pair as the reference: a textured wall at a known distance."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera

CAMERA = Camera(160, 120, 140.0, 140.0, 80.0, 60.0)
BASELINE_M, DISPARITY_PX = 0.2, 14  # of a wall at 2 m


@pytest.fixture(scope="module")
def pair():
    """(left, right), each (120, 160, 3) uint8."""
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(0, 255, (60, 100), np.uint8), (200, 120), interpolation=cv2.INTER_CUBIC)
    wall = np.repeat(wall[..., None], 3, axis=2)
    return wall[:, :160].copy(), wall[:, DISPARITY_PX : DISPARITY_PX + 160].copy()


@pytest.fixture
def stereo(reference, no_tf2):
    rig = reference("stereo", "left:=/s/left/image_rect", "right:=/s/right/image_rect", stereo_downscale=1)
    rig.camera = CAMERA
    return rig


def send(rig, messages, pair, late_s=0.0, tx=-140.0 * BASELINE_M, apart_s=0.0):
    rig.deliver("/s/left/camera_info", messages.info(CAMERA, late_s=late_s))
    rig.deliver("/s/right/camera_info", messages.info(CAMERA, tx=tx, late_s=late_s))
    rig.deliver("/s/right/image_rect", messages.image(pair[1], "rgb8", late_s=late_s + apart_s))
    rig.deliver("/s/left/image_rect", messages.image(pair[0], "rgb8", late_s=late_s))


def test_the_wall_is_where_it_is(stereo, messages, pair):
    send(stereo, messages, pair)
    found = stereo.samples().samples
    assert len(found) > 5000 and np.median(found.depth) == pytest.approx(2.0, rel=0.01)
    assert stereo.source.topics() == [
        "/s/left/image_rect",
        "/s/right/image_rect",
        "/s/left/camera_info",
        "/s/right/camera_info",
    ]


def test_a_pair_is_matched_once(stereo, messages, pair, monkeypatch):
    import mono_depth_ros.streams.references.stereo as module

    calls, match = [], module.stereo_depth
    monkeypatch.setattr(module, "stereo_depth", lambda *given: calls.append(1) or match(*given))
    send(stereo, messages, pair)
    assert [stereo.samples(late_s=late_s).fresh for late_s in (0.0, 0.03, 0.05)] == [True, False, False]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"tx": 0.0}, "stereo_baseline", "a baseline of 0 m"),
        ({"tx": 28.0}, "stereo_baseline", "are left and right swapped"),
        ({"apart_s": 0.02}, "stereo_pair", "within 5 ms of the one of /s/left/image_rect"),
    ],
)
def test_what_is_no_pair_is_refused(stereo, messages, pair, changes, reason, words):
    send(stereo, messages, pair, **changes)
    with pytest.raises(SamplesError, match=words) as error:
        stereo.samples()
    assert error.value.reason == reason


def test_without_camera_info_or_with_another_frame(stereo, messages, pair):
    stereo.deliver("/s/right/image_rect", messages.image(pair[1], "rgb8"))
    stereo.deliver("/s/left/image_rect", messages.image(pair[0], "rgb8"))
    with pytest.raises(SamplesError, match="/s/left/camera_info: no camera_info has come yet"):
        stereo.samples()
    send(stereo, messages, pair, late_s=0.1)
    with pytest.raises(SamplesError, match="from 'camera' to 'other' is not known"):
        stereo.samples(late_s=0.1, frame="other")


def test_names_that_are_not_remapped(reference):
    rig = reference("stereo")
    assert rig.source.topics() == ["/left", "/right", "/left/camera_info", "/right/camera_info"]
    assert rig.source.feed().topics == "/left, /right, /left/camera_info, /right/camera_info"
