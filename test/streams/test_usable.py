# SPDX-License-Identifier: Apache-2.0
"""What makes depth unusable, or doubtful, although it is published."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.streams.usable import Usable, covered

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)


def header(frame_id: str = "camera") -> SimpleNamespace:
    return SimpleNamespace(frame_id=frame_id)


def info(d: tuple[float, ...] = (), frame_id: str = "camera") -> SimpleNamespace:
    return SimpleNamespace(d=d, header=header(frame_id))


def sized(width: int = 640, height: int = 480, window: int = 0) -> SimpleNamespace:
    return SimpleNamespace(width=width, height=height, roi=SimpleNamespace(width=window))


def good() -> Usable:
    usable = Usable()
    for _ in range(9):
        usable.picture(NOISE)
        usable.lens(Camera.from_fov((640, 480), 60), sized())
        usable.camera_info(info((-0.2, 0.1, 0, 0, 0)), "/cam/image_raw", header(), False)
        usable.depth(0.9)
        usable.published(10**18, 0.08, 0.05)
    return usable


def concern(usable: Usable, timeout_s: float = 2.0) -> str:
    return usable.concern(0.05, timeout_s)


def test_nothing_is_said_of_good_depth() -> None:
    assert (good().nothing(), concern(good())) == ("", "")
    assert (Usable().nothing(), concern(Usable())) == ("", ""), "nothing was seen yet"


def test_no_depth_at_all_and_little_of_it() -> None:
    usable = good()
    for _ in range(8):
        usable.depth(0.0)
    assert not usable.nothing(), "one of the last nine had some"
    assert "only 0.0% of the pixels" in concern(usable)
    usable.depth(0.0)
    assert "not one pixel of the last 9 images has a finite depth" in usable.nothing()
    for _ in range(5):
        usable.depth(0.04)
    assert not usable.nothing() and "only 4.0% of the pixels have a finite depth" in concern(usable)
    for _ in range(5):
        usable.depth(0.06)
    assert not concern(usable)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (NOISE // 64, "nearly black (mean 2 of 255)"),
        (255 - NOISE // 64, "nearly white (mean 253 of 255)"),
        (120 + NOISE // 128, "without contrast (standard deviation 0.5 of 255)"),
        (np.full((3, 3, 3), (9, 90, 200), np.uint8), "without contrast (standard deviation 0.0"),
    ],
)
def test_pictures_that_show_nothing(picture: np.ndarray, words: str) -> None:
    usable = good()
    for _ in range(4):
        usable.picture(picture)
    assert not concern(usable), "not yet most of the latest"
    usable.picture(picture)
    assert words in concern(usable)


def test_a_lens_model_that_folds_inside_the_image() -> None:
    folding = Camera(640, 480, 400.0, 400.0, 320.0, 240.0, "plumb_bob", (-0.9, 0.0, 0.0, 0.0, 0.0))
    assert 0.2 < covered(folding) < 0.3 and covered(Camera.from_fov((640, 480), 60)) == 1.0
    usable = good()
    usable.lens(folding)
    assert f"covers {covered(folding):.0%} of the image" in concern(usable)
    usable.lens(Camera(640, 480, 40.0, 40.0, 900.0, 900.0, "plumb_bob", (-9.0, 0.0, 0.0, 0.0, 0.0)))
    for _ in range(9):
        usable.depth(0.0)
    assert "no ray for any pixel" in usable.nothing()


@pytest.mark.parametrize(
    ("camera", "message", "words"),
    [
        (Camera(640, 480, 500.0, 500.0, 100.0, 240.0), sized(), "the principal point (100, 240) is outside the middle"),
        (Camera(640, 480, 500.0, 500.0, 100.0, 240.0), sized(window=300), ""),
        (Camera(640, 480, 500.0, 500.0, 100.0, 240.0), None, "the principal point (100, 240) is outside the middle"),
        (Camera(640, 480, 180.0, 180.0, 320.0, 240.0), sized(), "the focal length is 180 px, 0.28 widths"),
        (Camera(640, 480, 3300.0, 3300.0, 320.0, 240.0), sized(), "the focal length is 3300 px, 5.2 widths"),
        (
            Camera(640, 480, 500.0, 500.0, 320.0, 240.0),
            sized(0, 0),
            "camera_info gives no size (width and height are 0)",
        ),
    ],
)
def test_intrinsics_that_can_hardly_be_right_and_a_missing_size(camera, message, words) -> None:
    usable = good()
    usable.lens(camera, message)
    assert concern(usable).startswith(words) and bool(words) == bool(concern(usable))


@pytest.mark.parametrize(
    ("topic", "d", "rectified", "said"),
    [
        ("/cam/image_rect", (0.1, 0, 0, 0, 0), False, True),
        ("/cam/image_rect_color", (0.1, 0, 0, 0, 0), False, True),
        ("/cam/image_rect", (0.1, 0, 0, 0, 0), True, False),
        ("/cam/image_rect_raw", (0, 0, 0, 0, 0), False, False),
        ("/rectangle/image_raw", (0.1, 0, 0, 0, 0), False, False),
    ],
)
def test_images_that_are_undistorted_twice(topic: str, d: tuple[float, ...], rectified: bool, said: bool) -> None:
    usable = good()
    usable.camera_info(info(d), topic, header(), rectified)
    assert ("set rectified:=true" in concern(usable)) is said


def test_a_camera_info_of_another_frame() -> None:
    usable = good()
    usable.camera_info(info(frame_id="left\n"), "/cam/image_raw", header("/right"), False)
    assert "it has 'left\\n', the image 'right'" in concern(usable)
    usable.camera_info(info(frame_id="camera"), "/cam/image_raw", header("/camera"), False)
    assert not concern(usable), "a slash before a name is no other name"


@pytest.mark.parametrize(
    ("stamp_ns", "age_s", "latency_s", "words"),
    [
        (0, 1.7e9, 0.05, "stamps of the images are zero"),
        (10**18, -3.0, 0.05, "3.0 s in the future"),
        (10**18, 3 * 31_557_600.0, 0.05, "3.0 years old when they arrive"),
        (10**18, 3.0, 0.1, "2.9 s old when they arrive"),
        (10**18, 7.0, 6.9, "7.0 s old when it is published: choose a smaller model"),
        (10**18, 1.5, 1.4, ""),
        (10**18, -0.02, 0.05, ""),
    ],
)
def test_clocks_and_ages(stamp_ns: int, age_s: float, latency_s: float, words: str) -> None:
    usable = good()
    for _ in range(9):
        usable.published(stamp_ns, age_s, latency_s)
    found = concern(usable)
    assert words in found and bool(found) is bool(words)
