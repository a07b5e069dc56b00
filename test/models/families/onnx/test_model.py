# SPDX-License-Identifier: Apache-2.0
"""Graphs whose answer is known by arithmetic, through the whole model."""

from __future__ import annotations

import math

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.postprocess import postprocess
from mono_depth_ros.models.preprocess import layout
from mono_depth_ros.models.processing import Processing
from mono_depth_ros.prediction import DepthKind

RGB = torch.arange(4 * 6 * 3, dtype=torch.uint8).reshape(1, 4, 6, 3) + 10
RED = RGB[0, ..., 0].float()
IMAGE = "float[N, 3, H, W] image"
FIRST = "depth = Slice(image, first, second, axis)"
PLANE = "float[N, 1, H, W]"


def constant(name: str, value: float) -> str:
    """A plane of `value` as large as the image."""
    return f"{name}_c = Constant<value_float={float(value)}>() {name}_r = Slice(image, first, second, axis) " + (
        f"{name}_z = Sub({name}_r, {name}_r) {name} = Add({name}_z, {name}_c)"
    )


def test_red_comes_back_as_metres(model, camera) -> None:
    found = model()
    (prediction,) = found.predict(RGB, [camera(6, 4)])
    assert prediction.kind is DepthKind.METRIC
    assert torch.equal(prediction.values, RED)
    assert prediction.confidence is prediction.normals is None
    assert found.engine == "onnxruntime fp32"


def test_what_the_contract_says_of_the_model(model) -> None:
    found = model(family="someones_net", licence="MIT", outputs={"range_m": [0.1, 80.0]})
    spec = found.spec
    assert (spec.family, spec.licence, spec.max_depth_m, spec.kind) == ("someones_net", "MIT", 80.0, DepthKind.METRIC)
    assert spec.name.endswith("model.onnx")
    assert not spec.needs_camera
    assert model(kind="canonical", focal_px=1000).spec.needs_camera
    for kind in DepthKind:
        assert model(kind=kind.value).spec.kind is kind


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": "metric"}, 5.0),
        ({"kind": "canonical", "focal_px": 1000}, 5.0 * 300 / 1000),
        ({"kind": "canonical", "focal_px": 1000, "focal": "mean"}, 5.0 * 400 / 1000),
        ({"kind": "inverse_metric"}, 1 / 5),
        ({"kind": "inverse_canonical", "focal_px": 1500}, 300 / (1500 * 5)),
        ({"kind": "inverse_affine"}, 5.0),
        ({"kind": "affine"}, 5.0),
        ({"kind": "scale"}, 5.0),
        # at the processed size the image is half as wide and as high as it was, and so is f
        ({"kind": "canonical", "focal_px": 1000, "input": {"size": {"fixed": [3, 2]}}}, 5.0 * 150 / 1000),
        ({"kind": "canonical", "focal_px": 1000, "input": {"size": {"fixed": [3, 4]}}}, 5.0 * 150 / 1000),
        (
            {"kind": "canonical", "focal_px": 1000, "focal": "mean", "input": {"size": {"fixed": [3, 4]}}},
            5.0 * (150 + 500) / 2 / 1000,
        ),
    ],
)
def test_kinds_and_focal_lengths(model, camera, changes, expected: float) -> None:
    (prediction,) = model(constant("depth", 5.0), **changes).predict(RGB, [camera(6, 4, fx=300.0, fy=500.0)])
    assert prediction.values.shape == (4, 6)
    assert torch.allclose(prediction.values, torch.full((4, 6), expected), rtol=1e-6)


def test_a_canonical_camera_in_a_padded_frame_uses_the_exact_scale(model, camera) -> None:
    size = {"size": {"fit": [9, 9], "rounding": "down"}, "pad": {"where": "centre"}}
    found = model(constant("depth", 2.0), kind="canonical", focal_px=100, input=size)
    (prediction,) = found.predict(RGB[:, :, :5], [camera(5, 4, fx=50.0)])  # 9/5: 9x7.2, read as 9x7
    assert torch.allclose(prediction.values, torch.tensor(2.0 * 50 * 9 / 5 / 100))


@pytest.mark.parametrize("value", [0.0, -1.0])
@pytest.mark.parametrize(("kind", "known"), [("metric", False), ("scale", False), ("affine", True)])
def test_no_distance_is_unknown(model, camera, value: float, kind: str, known: bool) -> None:
    (prediction,) = model(constant("depth", value), kind=kind).predict(RGB, [camera(6, 4)])
    assert torch.equal(prediction.values.nan_to_num(9), torch.full((4, 6), value if known else 9.0))


def test_a_network_that_gives_no_numbers_is_refused(model) -> None:
    with pytest.raises(ModelError, match=r"gives no number at all \(NaN\) on the test images.*another export") as error:
        model(constant("zero", 0.0) + " depth = Div(zero, zero)")
    assert "engine:=" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "changes", "known"),
    [
        (-1.0, {}, False),
        (0.0, {"kind": "inverse_metric"}, False),
        (5000.0, {"outputs": {"range_m": [0, 80]}}, False),
        (-1.0, {"kind": "inverse_affine"}, True),
        (-1.0, {"kind": "affine"}, True),
        (-1.0, {"kind": "scale"}, False),
        (-1.0, {"kind": "log_metric"}, True),
        (5000.0, {"outputs": {"range_m": [0, 80], "factor": 0.001}}, True),
    ],
)
def test_a_graph_without_any_depth_is_warned_of(model, caplog, value: float, changes: dict, known: bool) -> None:
    model(constant("depth", value), **changes)
    assert ("gives no depth at all on two test images" in caplog.text) is not known


@pytest.mark.parametrize(("value", "expected"), [(0.0, math.inf), (-1.0, math.nan), (0.5, 2.0)])
def test_inverse_depth(model, camera, value: float, expected: float) -> None:
    (prediction,) = model(constant("depth", value), kind="inverse_metric").predict(RGB, [camera(6, 4)])
    assert torch.equal(prediction.values.nan_to_num(-9), torch.full((4, 6), expected).nan_to_num(-9))


def test_outside_the_range_is_unknown(model, camera) -> None:
    (prediction,) = model(outputs={"range_m": [13.0, 70.0]}).predict(RGB, [camera(6, 4)])
    inside = (RED >= 13) & (RED <= 70)
    assert 0 < inside.sum() < inside.numel()
    assert torch.equal(prediction.values[inside], RED[inside])
    assert prediction.values[~inside].isnan().all()


@pytest.mark.parametrize("kind", ["metric", "affine", "scale"])
@pytest.mark.parametrize(("key", "above"), [("sky_above", True), ("sky_below", False)])
def test_sky(model, camera, key: str, above: bool, kind: str) -> None:
    outputs = {"sky": "score", key: 40.0}
    found = model(f"{FIRST} score = Identity(depth)", f"{PLANE} depth, {PLANE} score", outputs=outputs, kind=kind)
    (prediction,) = found.predict(RGB, [camera(6, 4)])
    expected = RED > 40 if above else RED < 40
    assert 0 < expected.sum() < expected.numel()
    assert torch.equal(prediction.values.isinf(), expected)
    assert torch.equal(prediction.values[~expected], RED[~expected])


def test_sky_of_a_relative_model_keeps_its_inverse_depth(model, camera) -> None:
    outputs = {"sky": "score", "sky_above": 40}
    body = f"{FIRST} score = Identity(depth)"
    found = model(body, f"{PLANE} depth, {PLANE} score", outputs=outputs, kind="inverse_affine")
    (prediction,) = found.predict(RGB, [camera(6, 4)])
    assert torch.equal(prediction.values, RED)


def test_a_mask_makes_everything_unknown(model, camera) -> None:
    body = f"""{FIRST} seventy = Constant<value_float=70.0>() mask = Div(depth, seventy) score = Identity(depth)
        sure = Div(mask, mask) normals = Div(image, image)"""
    gives = f"{PLANE} depth, {PLANE} mask, {PLANE} score, {PLANE} sure, float[N, 3, H, W] normals"
    outputs = {"mask": "mask", "sky": "score", "sky_below": 20, "confidence": "sure", "normals": "normals"}
    (prediction,) = model(body, gives, outputs=outputs).predict(RGB, [camera(6, 4)])
    unknown = RED <= 35  # 0.5 of 70
    assert 0 < unknown.sum() < unknown.numel()
    for values in (prediction.values, prediction.confidence, prediction.normals[..., 1]):
        assert torch.equal(values.isnan(), unknown)
    assert not prediction.values.isinf().any()  # there is some below 20, all of it masked
    strict = model(body, gives, outputs={**outputs, "mask_above": 0.8})
    assert torch.equal(strict.predict(RGB, [camera(6, 4)])[0].values.isnan(), RED <= 56)


@pytest.mark.parametrize("axes", ["axes=[1, 2, 3], keepdims=0", "axes=[1, 2, 3], keepdims=1"])
def test_scale_multiplies(model, camera, axes: str) -> None:
    """The scale is the mean of the image: each image of the batch has its own."""
    sides = "N" if "keepdims=0" in axes else "N, 1, 1, 1"
    found = model(
        f"{FIRST} scale = ReduceMean<{axes}>(image)", f"{PLANE} depth, float[{sides}] scale", outputs={"scale": "scale"}
    )
    batch = torch.cat([RGB, RGB + 7])
    predictions = found.predict(batch, [camera(6, 4)] * 2)
    for image, prediction in zip(batch.float(), predictions, strict=True):
        assert torch.allclose(prediction.values, image[..., 0] * image.mean())


def test_normals_turned_into_our_axes_and_of_unit_length(model, camera) -> None:
    body = f"{FIRST} normals = Identity(image)"
    outputs = {"normals": "normals", "normals_signs": [1, -1, -1]}
    (prediction,) = model(body, f"{PLANE} depth, float[N, 3, H, W] normals", outputs=outputs).predict(
        RGB, [camera(6, 4)]
    )
    expected = RGB[0].double() * torch.tensor([1, -1, -1])
    expected /= expected.norm(dim=-1, keepdim=True)
    assert torch.allclose(prediction.normals.double(), expected, atol=1e-6)


@pytest.mark.parametrize("layout", ["channels last", "a fourth channel"])
def test_normals_in_other_layouts(model, camera, layout: str) -> None:
    if layout == "channels last":
        body, gives = "normals = Transpose<perm=[0, 2, 3, 1]>(image)", "float[N, H, W, 3] normals"
    else:
        body, gives = "normals = Concat<axis=1>(image, depth)", "float[N, 4, H, W] normals"
    found = model(f"{FIRST} {body}", f"{PLANE} depth, {gives}", outputs={"normals": "normals"})
    (prediction,) = found.predict(RGB, [camera(6, 4)])
    expected = torch.nn.functional.normalize(RGB[0].float(), dim=-1)
    assert torch.allclose(prediction.normals, expected, atol=1e-6)


def test_confidence(model, camera) -> None:
    body = f"{FIRST} c = Constant<value_float=255.0>() sure = Div(depth, c)"
    (prediction,) = model(body, f"{PLANE} depth, {PLANE} sure", outputs={"confidence": "sure"}).predict(
        RGB, [camera(6, 4)]
    )
    assert torch.allclose(prediction.confidence, RED / 255)


def test_a_confidence_that_is_none_is_refused(model) -> None:
    with pytest.raises(
        ModelError, match=r"gives sure from 0 to 255 on a test image, expected a confidence from 0 to 1"
    ):
        model(f"{FIRST} sure = Identity(depth)", f"{PLANE} depth, {PLANE} sure", outputs={"confidence": "sure"})


@pytest.mark.parametrize("last", [True, False])
def test_points_give_their_z(model, camera, last: bool) -> None:
    body = "points = Transpose<perm=[0, 2, 3, 1]>(image)" if last else "points = Identity(image)"
    gives = "float[N, H, W, 3] points" if last else "float[N, 3, H, W] points"
    found = model(body, gives, outputs={"depth": None, "points": "points"})
    (prediction,) = found.predict(RGB, [camera(6, 4)])
    assert torch.equal(prediction.values, RGB[0, ..., 2].float())


def test_points_without_their_shift(model, camera) -> None:
    """MoGe: a tilted plane of metres / 2, moved along z, comes back at the place where it projects to its pixels."""
    width, height, focal = 40, 30, 35.0
    v, u = torch.meshgrid(torch.arange(height) - 14.5, torch.arange(width) - 19.5, indexing="ij")
    z = 1 / (0.25 + 0.002 * u - 0.004 * v)
    points = torch.stack([u / focal * z, v / focal * z, z - 2.5], -1) / 2 + torch.tensor([0.0, 0.0, 1.7])
    numbers = ", ".join(f"{value:.9g}" for value in points.flatten().tolist())
    body = f"""map = Constant<value_floats=[{numbers}]>() shape = Constant<value_ints=[1, {height}, {width}, 3]>()
        whole = Reshape(map, shape) low = ReduceMin<axes=[0, 1, 2, 3], keepdims=0>(image) none = Sub(low, low)
        points = Add(whole, none) two = Constant<value_floats=[2.0]>() scale = Add(two, none)"""
    found = model(
        body,
        f"float[1, {height}, {width}, 3] points, float[1] scale",
        "float[1, 3, H, W] image",
        input={"size": {"fixed": [width, height]}},
        outputs={"depth": None, "points": "points", "points_shift": True, "scale": "scale"},
    )
    assert found.spec.needs_camera
    image = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    (prediction,) = found.predict(image, [camera(width, height, fx=focal)])
    assert torch.allclose(prediction.values, z, rtol=1e-4)
    (double,) = found.predict(torch.zeros(1, 60, 80, 3, dtype=torch.uint8), [camera(80, 60, fx=2 * focal)])
    assert double.values[29, 39].item() == pytest.approx(z[14, 19].item(), rel=0.01)


def test_what_the_mask_leaves_out_does_not_move_the_points(camera) -> None:
    """Half of the points are nonsense; the mask says so, with a threshold of its own."""
    v, u = torch.meshgrid(torch.arange(30) - 14.5, torch.arange(40) - 19.5, indexing="ij")
    points = torch.stack([u / 35 * 4, v / 35 * 4, torch.full_like(u, 4.0 - 3.0)], -1)
    points[:, 20:, :2] *= 3
    mask = torch.where(u < 0, 0.9, 0.7)
    contract = Processing.parse(
        {
            "kind": "metric",
            "input": {"name": "i", "size": {"source": True}, "resample": "linear", "range": 1},
            "outputs": {"points": "p", "points_shift": True, "mask": "m", "mask_above": 0.8, "resize": "linear"},
        },
        "m.yaml",
    )
    place = layout(40, 30, contract.input)
    found = postprocess({"points": points, "mask": mask}, contract, camera(40, 30, fx=35.0), place).values
    assert torch.allclose(found[:, :20], torch.tensor(4.0), rtol=1e-4)
    assert found[:, 20:].isnan().all()
