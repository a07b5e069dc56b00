# SPDX-License-Identifier: Apache-2.0
"""Where an image lies in the network's input, and what the network gets, pixel by pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from mono_depth_ros.errors import ImageError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models import preprocess
from mono_depth_ros.models.preprocess import Layout, camera_input, image_input, layout
from mono_depth_ros.models.processing import CameraInput, ImageInput, Outputs, Padding, Processing, SizeRule

RGB = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8))
SAME = SizeRule(source=True)


def given(
    rgb: Tensor = RGB, size: SizeRule = SAME, resample: str = "linear", range: int = 255, **fields: Any
) -> Tensor:
    contract = ImageInput("image", size, resample, range, **fields)
    return image_input(rgb, contract, layout(rgb.shape[2], rgb.shape[1], contract))


def test_as_it_is() -> None:
    assert torch.equal(given(), RGB.permute(0, 3, 1, 2).float())


def test_layouts() -> None:
    assert torch.equal(given(layout="nhwc"), RGB.float())
    assert torch.equal(given(layout="n1chw"), RGB.permute(0, 3, 1, 2)[:, None].float())


def test_channels() -> None:
    assert torch.equal(given(channels="bgr", layout="nhwc"), RGB.flip(-1).float())


def test_range_mean_and_std() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    expected = (RGB.double() / 255 - torch.tensor(mean).double()) / torch.tensor(std).double()
    assert torch.allclose(given(range=1, mean=mean, std=std, layout="nhwc").double(), expected, atol=1e-6)
    mean, std = (123.0, 116.0, 103.0), (58.0, 57.0, 56.0)
    expected = (RGB.double() - torch.tensor(mean).double()) / torch.tensor(std).double()
    assert torch.allclose(given(mean=mean, std=std, layout="nhwc").double(), expected, atol=1e-6)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_the_arithmetic_of_other_devices(channels: str) -> None:
    """On a GPU grey levels are scaled and shifted, on the CPU looked up."""
    fields = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "channels": channels}
    image = ImageInput("image", SAME, "linear", 1, **fields)
    scale, shift = preprocess._scale_shift(image, "cpu")
    found = torch.addcmul(shift, RGB.float(), scale)
    torch.testing.assert_close(found, preprocess.normalised(RGB, image), rtol=0, atol=2e-6)


def test_mean_is_in_the_networks_order() -> None:
    expected = RGB.flip(-1).double() - torch.tensor((1.0, 2.0, 3.0))
    assert torch.equal(given(mean=(1.0, 2.0, 3.0), channels="bgr", layout="nhwc").double(), expected)


@pytest.mark.parametrize(("where", "left", "top"), [("centre", 1, 2), ("right_bottom", 0, 0)])
def test_padding(where: str, left: int, top: int) -> None:
    """An odd pixel goes right and below; the value is in the network's order and normalised like the image."""
    pad = Padding(where, (10.0, 20.0, 30.0))
    size = SizeRule(fit=(12 + 3, 8 + 5))
    found = given(size=size, pad=pad, mean=(1.0, 2.0, 3.0), channels="bgr", layout="nhwc")
    assert found.shape == (2, 13, 15, 3)
    small = cv2.resize(RGB[0].float().numpy(), (15, 10), interpolation=cv2.INTER_LINEAR)
    top = 1 if where == "centre" else 0
    expected = np.full((13, 15, 3), (10, 20, 30), np.float32)
    expected[top : top + 10] = small[..., ::-1]
    np.testing.assert_allclose(found[0].numpy(), expected - (1, 2, 3), atol=1e-4)
    found = given(RGB[:, :, :8], size=SizeRule(fit=(8 + 3, 8)), pad=pad)
    column = left if where == "centre" else 0
    assert torch.equal(found[:, :, :, column : column + 8], RGB[:, :, :8].permute(0, 3, 1, 2).float())
    filled = [i for i in range(11) if not column <= i < column + 8]
    for channel, value in enumerate((10.0, 20.0, 30.0)):
        assert (found[:, channel, :, filled] == value).all()


@pytest.mark.parametrize("size", [(24, 16), (5, 3), (18, 4)])
@pytest.mark.parametrize("resample", ["linear", "cubic", "area"])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_kernels_are_those_of_opencv(size: tuple[int, int], resample: str, dtype: str) -> None:
    kernels = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA}
    kernel = kernels[resample] if resample != "area" or size == (5, 3) else cv2.INTER_CUBIC
    expected = cv2.resize(RGB[1].numpy().astype(dtype), size, interpolation=kernel)
    found = given(size=SizeRule(fixed=size), resample=resample, resample_dtype=dtype, layout="nhwc")
    np.testing.assert_allclose(found[1].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("resample", ["linear", "cubic"])
def test_antialiased_kernels_are_those_of_pillow(resample: str) -> None:
    Image = pytest.importorskip("PIL.Image")
    kernel = {"linear": Image.Resampling.BILINEAR, "cubic": Image.Resampling.BICUBIC}[resample]
    rgb = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, 60, 80, 3), dtype=np.uint8))
    expected = np.asarray(Image.fromarray(rgb[0].numpy()).resize((30, 20), kernel)).astype(np.float32)
    fields = {"size": SizeRule(fixed=(30, 20)), "resample": resample, "resample_dtype": "uint8", "layout": "nhwc"}
    found = given(rgb, antialias=True, **fields)[0].numpy()
    assert np.abs(found - expected).max() == 0
    unrounded = given(rgb, antialias=True, **{**fields, "resample_dtype": "float32"})[0].numpy()
    assert 0 < np.abs(unrounded - expected).mean() < 0.4
    assert np.abs(given(rgb, **fields)[0].numpy() - expected).max() > 20


def test_uint8_is_whole_grey_levels() -> None:
    found = given(size=SizeRule(fixed=(7, 5)), resample="cubic", dtype="uint8")
    assert torch.equal(found, found.round())
    assert 0 <= found.min() <= found.max() <= 255


@pytest.mark.parametrize(
    ("form", "rank", "shape"),
    [
        ("focal_px", 0, ()),
        ("focal_px", 1, (1,)),
        ("focal_px", 2, (1, 1)),
        ("matrix", 2, (3, 3)),
        ("matrix", 3, (1, 3, 3)),
    ],
)
def test_the_camera_in_the_shape_of_the_graph(form: str, rank: int, shape: tuple[int, ...]) -> None:
    contract = Processing("metric", ImageInput("image", SAME, "linear", 255), Outputs("linear", "depth"))
    camera = Camera(12, 8, 100.0, 120.0, 5.0, 4.0)
    found = camera_input([camera], rank, CameraInput("K", form), contract)
    assert found.shape == shape
    assert found.dtype == torch.float32
    expected = camera.matrix.ravel().tolist() if form == "matrix" else [100.0]
    assert found.flatten().tolist() == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("resample", ["linear", "cubic", "area"])
def test_the_same_on_cuda(resample: str) -> None:
    fields = {"size": SizeRule(fixed=(5, 3)), "resample": resample, "range": 1, "mean": (0.1, 0.2, 0.3)}
    torch.testing.assert_close(given(RGB.cuda(), **fields).cpu(), given(**fields), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ((640, 480), (686, 518)),
        ((480, 640), (518, 686)),
        ((640, 360), (924, 518)),
        ((1280, 720), (924, 518)),
        ((1920, 1080), (924, 518)),
        ((1242, 375), (1722, 518)),
        ((518, 518), (518, 518)),
        ((37, 37), (518, 518)),
        ((1036, 532), (1008, 518)),  # 72.05 steps
        ((1001, 1000), (518, 518)),  # 518.518 is nearest to 518
        ((1036, 1022), (532, 518)),  # 37.507 steps: up
        ((1022, 1000), (532, 518)),  # 37.81 steps
    ],
)
def test_size_rule_of_the_authors(source: tuple[int, int], expected: tuple[int, int]) -> None:
    assert place(*source, shorter_side=518, multiple=14).content == expected


@pytest.mark.parametrize(
    ("source", "first", "content"),
    [
        ((640, 480), (504, 378), (504, 378)),
        ((1242, 375), (504, 152), (504, 154)),
        ((1280, 720), (504, 284), (504, 280)),
        ((1920, 1080), (504, 284), (504, 280)),
        ((504, 301), (504, 301), (504, 308)),  # 21.5 steps: up
        ((100, 504), (100, 504), (98, 504)),
    ],
)
def test_two_steps(source: tuple[int, int], first: tuple[int, int], content: tuple[int, int]) -> None:
    """Sizes of Depth Anything 3, and that the second step is of the first one's picture, by OpenCV on grey levels."""
    rule = SizeRule(longer_side=504, multiple=14, rounding="half_up", two_steps=True)
    declared = ImageInput("x", rule, "area", 255, resample_dtype="uint8")
    place = layout(*source, declared)
    assert (place.first, place.content) == (first, content)
    assert place.scale == (content[0] / source[0], content[1] / source[1])
    image = np.random.default_rng(0).integers(0, 256, (source[1], source[0], 3), dtype=np.uint8)
    expected = image
    for size in (first, content):
        grows = size[0] > expected.shape[1] or size[1] > expected.shape[0]
        if size != expected.shape[1::-1]:
            expected = cv2.resize(expected, size, interpolation=cv2.INTER_CUBIC if grows else cv2.INTER_AREA)
    found = image_input(torch.from_numpy(image)[None], declared, place)
    assert np.array_equal(found[0].permute(1, 2, 0).numpy(), expected.astype(np.float32))
    if max(content) == 504:  # an export at this size
        fixed = replace(declared, size=SizeRule(fixed=content, two_steps=True))
        assert layout(*source, fixed) == place


def test_halves_round_to_even() -> None:
    assert place(3, 2, shorter_side=5, multiple=5).content == (10, 5)  # 1.5 steps -> 2
    assert place(5, 2, shorter_side=5, multiple=5).content == (10, 5)  # 2.5 steps -> 2


def test_below_the_target_rounds_up() -> None:
    assert place(100, 100, shorter_side=520, multiple=14).content == (532, 532)  # 37.14 steps -> 37 is 518 < 520


def place(width: int, height: int, where: str = "centre", **rule: Any) -> Layout:
    pad = Padding(where) if "fit" in rule else None
    return layout(width, height, ImageInput("image", SizeRule(**rule), "linear", 255, pad))


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
