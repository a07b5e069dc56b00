# SPDX-License-Identifier: Apache-2.0
"""Which camera_info goes with an image of a zoom camera, whatever comes first."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from mono_depth_ros.bags.messages import header_of, info_from
from mono_depth_ros.errors import CameraError, FrameError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.streams import cameras
from mono_depth_ros.streams.cameras import CameraInfos, by_preference, calibration_of

MS = 1_000_000
STEP = 33 * MS


def info(stamp_ns, focal_px=50.0, size=(40, 30)):
    header = header_of(SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=stamp_ns), frame_id="camera"))
    return info_from(Camera(*size, focal_px, focal_px, 20.0, 15.0), header)


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([10, 20, 30], [20, 10, 30]),  # its own; then the newest before; then the soonest after
        ([10, 19, 30], [19, 10, 30]),
        ([40, 30, 21], [21, 30, 40]),  # all later
        ([], []),
    ],
)
def test_the_same_stamp_then_the_newest_not_later_then_the_oldest_later(stamps, expected):
    for order in itertools.permutations(stamps):
        assert by_preference([(stamp, stamp) for stamp in order], 20) == expected


def test_one_without_a_size_is_of_the_image():
    message = info(20)
    message.width = message.height = 0
    assert calibration_of([message], 40, 30, rectified=False).camera == Camera(40, 30, 50.0, 50.0, 20.0, 15.0)
    rectified = calibration_of([message], 40, 30, rectified=True, rectify=True)
    assert (rectified.into.width, rectified.into.height) == (40, 30)


def test_of_two_with_one_stamp_the_last_counts():
    assert by_preference([(20, "first"), (20, "second")], 20)[0] == "second"


def test_one_of_another_size_is_passed_over():
    found = calibration_of([info(20, size=(80, 60)), info(10, 70.0)], 40, 30, rectified=False)
    assert found.camera.fx == 70.0 and found.message.header.stamp.nanosec == 10
    with pytest.raises(CameraError, match="40x30"):
        calibration_of([info(20, size=(80, 60))], 40, 30, rectified=False)
    with pytest.raises(FrameError, match="no camera_info has come yet") as error:
        calibration_of([], 40, 30, rectified=False)
    assert error.value.reason == "no_camera_info"


class Stream:
    """Images and camera_info as they come; images are looked up in another thread, as in a node."""

    def __init__(self):
        self.infos = CameraInfos(rectified=False, rectify=False)
        self._pool = ThreadPoolExecutor(1)

    def image(self, stamp_ns):
        """What gives the focal length of an image, once it is known."""
        found = self._pool.submit(lambda: self.infos.match(stamp_ns, 40, 30).camera.fx)
        time.sleep(0.002)  # so that it comes before what is sent next; either order must do
        return found

    def info(self, stamp_ns, focal_px):
        self.infos.add(info(stamp_ns, focal_px))


@pytest.fixture
def slow(monkeypatch):
    """Waiting takes as long as the test: who waits in vain fails."""
    monkeypatch.setattr(cameras, "_WAIT_S", 30.0)


@pytest.mark.parametrize("first", ["image", "camera_info", "either"])
def test_a_zoom_camera_has_the_k_of_each_image_whichever_comes_first(first, slow):
    stream = Stream()
    for index in range(10):
        if first == "camera_info" or (first == "either" and index % 3):
            stream.info(index * STEP, 50.0 + index)
            focal = stream.image(index * STEP)
        else:
            focal = stream.image(index * STEP)
            stream.info(index * STEP, 50.0 + index)
        assert focal.result(5) == 50.0 + index


def test_a_calibration_that_was_sent_once_is_waited_for_once():
    stream = Stream()
    stream.info(0, 50.0)
    assert stream.image(STEP).result(5) == 50.0
    start = time.monotonic()
    assert [stream.image(index * STEP).result(5) for index in range(2, 30)] == [50.0] * 28
    assert time.monotonic() - start < 1.0


def test_without_any_the_first_image_waits_a_moment_and_says_so():
    stream = Stream()
    for index in range(3):
        with pytest.raises(FrameError, match="no camera_info has come yet"):
            stream.image(index * STEP).result(5)


def test_one_that_is_lost_costs_one_image_its_own_k_and_no_more(slow):
    stream, found = Stream(), []
    for index in range(6):
        focal = stream.image(index * STEP)
        if index == 3:  # the next one says that it is lost
            stream.info((index + 1) * STEP, 54.0)
        elif index != 4:
            stream.info(index * STEP, 50.0 + index)
        found.append(focal.result(5))
    assert found == [50.0, 51.0, 52.0, 52.0, 54.0, 55.0]


def test_camera_info_that_ends_is_waited_for_twice(monkeypatch):
    stream = Stream()
    stream.info(0, 50.0)
    assert stream.image(0).result(5) == 50.0
    waits = []
    monkeypatch.setattr(stream.infos._came, "wait_for", lambda *_: waits.append(1))
    assert [stream.image(index * STEP).result(5) for index in range(1, 6)] == [50.0] * 5
    assert len(waits) == 2


def test_time_that_begins_anew_forgets_what_was():
    loop = CameraInfos(rectified=False, rectify=False)
    for message in (info(999 * MS, 50.0), info(0, 70.0)):
        message.header.stamp.sec = 5 if message.header.stamp.nanosec else 0
        loop.add(message)
    assert loop.match(STEP, 40, 30).camera.fx == 70.0


def test_a_camera_info_that_never_changes_is_not_waited_for_long(slow):
    stream = Stream()
    for index in range(8):
        stream.info(index * STEP, 50.0)
    late = [stream.image(8 * STEP), stream.image(9 * STEP)]  # whose camera_info is still on its way
    assert [found.result(5.0) for found in late] == [50.0, 50.0]


def test_a_zoom_that_has_begun_is_waited_for_again(slow):
    stream = Stream()
    for index in range(8):
        stream.info(index * STEP, 50.0)
    stream.image(7 * STEP).result(5.0)
    stream.info(8 * STEP, 60.0)
    assert stream.image(8 * STEP).result(5.0) == 60.0
    found = stream.image(9 * STEP)
    stream.info(9 * STEP, 70.0)
    assert found.result(5.0) == 70.0
