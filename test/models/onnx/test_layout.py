# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from mono_depth_ros.errors import ImageError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.onnx.layout import Layout, layout
from mono_depth_ros.models.onnx.parts import InputContract, Padding, SizeRule
from mono_depth_ros.models.resample import lower_bound_size


def place(width: int, height: int, where: str = "centre", **rule: Any) -> Layout:
    pad = Padding(where) if "fit" in rule else None
    return layout(width, height, InputContract("image", SizeRule(**rule), "linear", 255, pad))


@pytest.mark.parametrize(
    ("source", "rule", "expected"),
    [
        ((640, 480), {"fixed": (384, 512)}, (384, 512)),
        ((640, 480), {"source": True}, (640, 480)),
        ((641, 479), {"source": True, "multiple": 32, "rounding": "down"}, (640, 448)),
        ((641, 479), {"source": True, "multiple": 32, "rounding": "up"}, (672, 480)),
        ((660, 470), {"source": True, "multiple": 32}, (672, 480)),  # 20.6 and 14.7 steps
        ((1280, 720), {"longer_side": 504, "multiple": 14}, (504, 280)),  # 20.25 steps
        ((720, 1280), {"longer_side": 504, "multiple": 14}, (280, 504)),
        ((640, 480), {"longer_side": 504, "multiple": 14}, (504, 378)),
        ((640, 480), {"longer_side": 500, "multiple": 14}, (490, 378)),  # 504 is nearest to 500 but past it
        ((640, 480), {"shorter_side": 100, "rounding": "down"}, (133, 100)),
        ((640, 480), {"shorter_side": 100, "rounding": "up"}, (134, 100)),
        ((100, 300), {"shorter_side": 33}, (33, 99)),
        ((100, 100), {"shorter_side": 520, "multiple": 14}, (532, 532)),  # 518 is nearest to 520 but short of it
    ],
)
def test_sizes(source: tuple[int, int], rule: dict[str, Any], expected: tuple[int, int]) -> None:
    found = place(*source, **rule)
    assert found.content == found.canvas == expected
    assert not found.padded
    assert found.scale == (expected[0] / source[0], expected[1] / source[1])


def test_shorter_side_is_the_rule_of_depth_anything() -> None:
    for width in range(300, 2000, 7):
        for height in (375, 480, 533, 720, 1081):
            assert place(width, height, shorter_side=518, multiple=14).content == lower_bound_size(width, height)


@pytest.mark.parametrize("source", [(1242, 375), (640, 480), (375, 1242), (616, 616), (1064, 616), (333, 777)])
def test_fit_is_the_rule_of_metric3d(source: tuple[int, int]) -> None:
    """As its `do_test.py`: int() of both sides, then half of what is left, rounded down, goes left and above."""
    found = place(*source, fit=(1064, 616), rounding="down")
    scale = min(616 / source[1], 1064 / source[0])
    content = (int(source[0] * scale), int(source[1] * scale))
    assert (found.content, found.canvas, found.scale) == (content, (1064, 616), (scale, scale))
    assert (found.left, found.top) == ((1064 - content[0]) // 2, (616 - content[1]) // 2)
    assert found.padded == (source != (1064, 616))


def test_right_and_bottom() -> None:
    found = place(640, 480, "right_bottom", fit=(1064, 616))
    assert (found.left, found.top, found.content) == (0, 0, (821, 616))  # 821.33


def test_the_camera_of_the_canvas() -> None:
    camera = Camera(640, 480, 500.0, 520.0, 330.0, 230.0)
    stretched = place(640, 480, fixed=(320, 480)).camera(camera)
    assert stretched == camera.resized(320, 480)
    padded = place(640, 480, fit=(1000, 960)).camera(camera)  # twice 480 would be 1280 wide: 1.5625 times
    assert (padded.width, padded.height) == (1000, 960)
    assert (padded.fx, padded.fy) == (500 * 1.5625, 520 * 1.5625)
    assert padded.cx == 330.5 * 1.5625 - 0.5
    assert padded.cy == 230.5 * 1.5625 - 0.5 + 105


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ((640, 5), {"source": True, "multiple": 32, "rounding": "down"}),
        ((4000, 2), {"longer_side": 504, "multiple": 14}),
        ((20000, 10), {"shorter_side": 518, "multiple": 14}),
        ((4000, 1), {"fit": (504, 504), "rounding": "down"}),
    ],
)
def test_shapes_that_are_too_extreme(source: tuple[int, int], rule: dict[str, Any]) -> None:
    with pytest.raises(
        ImageError, match=f"the image is {source[0]}x{source[1]} and would be read at .*less extreme"
    ) as e:
        place(*source, **rule)
    assert e.value.reason == "image_shape"
