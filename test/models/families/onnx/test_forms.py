# SPDX-License-Identifier: Apache-2.0
"""Inputs and outputs of every form, through the whole model, on graphs whose answer is known by arithmetic."""

from __future__ import annotations

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.families.depth_anything_v2 import RELATIVE
from mono_depth_ros.models.preprocess import camera_input
from mono_depth_ros.models.processing import CameraInput

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


def test_padding_is_cut_off_the_outputs(model, camera) -> None:
    """Read at twice the size in the middle of a wider frame: what comes back is the image, not the frame."""
    for where, fit in (("centre", [24, 8]), ("centre", [12, 15]), ("right_bottom", [17, 8]), ("right_bottom", [12, 9])):
        found = model(input={"size": {"fit": fit}, "pad": {"where": where, "value": [200, 0, 0]}})
        small = torch.full((1, 4, 6, 3), 50, dtype=torch.uint8)
        (prediction,) = found.predict(small, [camera(6, 4)])
        assert torch.equal(prediction.values, torch.full((4, 6), 50.0))


def test_the_network_sees_the_padding(model, camera) -> None:
    body = "depth_m = ReduceMax<axes=[2, 3], keepdims=1>(image) d = Slice(depth_m, first, second, axis) " + constant(
        "o", 0
    )
    found = model(
        body + " depth = Add(o, d)", input={"size": {"fit": [8, 8]}, "pad": {"where": "centre", "value": [199, 0, 0]}}
    )
    assert found.predict(RGB, [camera(6, 4)])[0].values.unique().tolist() == [199.0]


@pytest.mark.parametrize(("how", "expected"), [("linear", [0.0, 1.0, 3.0, 4.0]), ("corners", [0.0, 4 / 3, 8 / 3, 4.0])])
def test_back_to_the_size_of_the_image(model, camera, how: str, expected: list[float]) -> None:
    """The graph gives 0 and 4 m side by side."""
    body = """two = Constant<value_floats=[0.0, 4.0]>() shape = Constant<value_ints=[1, 1, 2]>()
        pair = Reshape(two, shape) low = ReduceMin<axes=[1, 2, 3], keepdims=0>(image) none = Sub(low, low)
        depth = Add(pair, none)"""
    found = model(
        body, "float[1, 1, 2] depth", "float[1, 3, H, W] image", outputs={"resize": how}, kind="inverse_affine"
    )
    (prediction,) = found.predict(torch.zeros(1, 1, 4, 3, dtype=torch.uint8), [camera(4, 1)])
    assert prediction.values[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("uint8[N, H, W, 3]", {"layout": "nhwc", "dtype": "uint8"}),
        ("uint8[1, 3, H, W]", {"dtype": "uint8", "channels": "bgr"}),
        ("float16[N, 3, H, W]", {"dtype": "float16"}),
        ("float[N, 1, 3, H, W]", {"layout": "n1chw"}),
        ("float[N, 3, 4, 6]", {"size": {"fixed": [6, 4]}}),
        ("float[N, H, W, 3]", {"layout": "nhwc", "channels": "bgr"}),
    ],
)
def test_inputs_of_every_type(model, camera, type_: str, fields: dict) -> None:
    """The first channel comes back: red, or blue of a network that reads BGR."""
    axis = {"nchw": 1, "nhwc": 3, "n1chw": 2}[fields.get("layout", "nchw")]
    body = f"""x = Constant<value_ints=[{axis}]>() some = Slice(image, first, second, x)
        flat = Squeeze(some, x) depth = Cast<to=1>(flat)"""
    found = model(
        body,
        "float[N, H, W] depth" if axis < 2 or axis == 3 else "float[N, 1, H, W] depth",
        f"{type_} image",
        input=fields,
    )
    (prediction,) = found.predict(RGB, [camera(6, 4)])
    assert torch.equal(prediction.values, RGB[0, ..., 2 if "channels" in fields else 0].float())


@pytest.mark.parametrize("side", ["1", "N"])
def test_batches(model, camera, side: str) -> None:
    """The answer to each image and camera is its own, whether the graph takes them at once or one after another."""
    calls = []
    found = model(
        FIRST, f"float[{side}, 1, H, W] depth", f"float[{side}, 3, H, W] image", kind="canonical", focal_px=100
    )
    engine = found.run
    found.run = lambda *inputs: calls.append(len(inputs[0])) or engine(*inputs)
    batch = torch.cat([RGB, RGB + 50, RGB + 90])
    predictions = found.predict(batch, [camera(6, 4, fx=focal) for focal in (100.0, 200.0, 300.0)])
    assert calls == ([3] if side == "N" else [1, 1, 1])
    for i, prediction in enumerate(predictions):
        assert torch.allclose(prediction.values, batch[i, ..., 0].float() * (i + 1))


@pytest.mark.parametrize(
    ("form", "type_", "picked", "expected"),
    [
        ("focal_px", "float[N]", "camera", [50.0, 250.0]),
        ("focal_px", "float[N, 1]", "camera", [50.0, 250.0]),
        ("focal_px", "float[1]", "camera", [50.0, 250.0]),
        ("focal_px", "float", "camera", [50.0, 250.0]),
        ("matrix", "float[N, 3, 3]", "K01", [0.0, 0.0]),
        ("matrix", "float[N, 3, 3]", "K00", [50.0, 250.0]),
        ("matrix", "float[N, 3, 3]", "K11", [40.0, 200.0]),
        ("matrix", "float[N, 3, 3]", "K02", [0.5 * 2.5 - 0.25, 0.5 * 2.5 - 0.25]),
        ("matrix", "float[3, 3]", "K00", [50.0, 250.0]),
    ],
)
def test_the_camera_as_an_input(model, camera, form: str, type_: str, picked: str, expected: list[float]) -> None:
    """The image is read at half its size."""
    if form == "matrix":
        row, column = int(picked[1]), int(picked[2])
        axes = "[1, 2]" if "N" in type_ else "[0, 1]"
        body = f"""b = Constant<value_ints=[{row}, {column}]>() e = Constant<value_ints=[{row + 1}, {column + 1}]>()
            x = Constant<value_ints={axes}>() one = Slice(camera, b, e, x)"""
    else:
        body = "one = Identity(camera)"
    body += f" s = Constant<value_ints=[-1, 1, 1, 1]>() f = Reshape(one, s) {constant('o', 0)} depth = Add(o, f)"
    found = model(
        body,
        kind="inverse_affine",
        reads=f"float[N, 3, H, W] image, {type_} camera",
        input={"size": {"fixed": [3, 2]}},
        intrinsics={"name": "camera", "form": form},
    )
    assert found.spec.needs_camera
    cameras = [camera(6, 4, 100.0, 80.0), camera(6, 4, 500.0, 400.0)]
    predictions = found.predict(torch.cat([RGB, RGB]), cameras)
    assert [prediction.values.mean().item() for prediction in predictions] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("form", "type_", "pixel_centres", "expected"),
    [
        ("matrix", "float[N, 3, 3]", "halves", [[50, 0, 1.5], [0, 40, 1.0], [0, 0, 1]]),
        ("matrix4", "float[N, 4, 4]", "integers", [[50, 0, 1, 0], [0, 40, 0.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        ("matrix4", "float[4, 4]", "integers", [[50, 0, 1, 0], [0, 40, 0.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        ("inverse_matrix", "float[N, 3, 3]", "integers", [[0.02, 0, -0.02], [0, 0.025, -0.0125], [0, 0, 1]]),
        ("vector", "float[N, 4]", "integers", [50, 40, 1, 0.5]),
        ("vector", "float[4]", "halves", [50, 40, 1.5, 1]),
    ],
)
def test_the_camera_in_numbers(model, camera, form: str, type_: str, pixel_centres: str, expected: list) -> None:
    """The image of 6x4 is read at half its size; the sum of the numbers, each weighed by its place, comes back."""
    flat = torch.tensor(expected).flatten().double()
    places = ", ".join(str(float(i + 1)) for i in range(len(flat)))
    body = f"""flat_s = Constant<value_ints=[-1, {len(flat)}]>() flat = Reshape(camera, flat_s)
        places = Constant<value_floats=[{places}]>() weighed = Mul(flat, places) last = Constant<value_ints=[1]>()
        sum = ReduceSum<keepdims=0>(weighed, last) s = Constant<value_ints=[-1, 1, 1, 1]>() f = Reshape(sum, s)
        {constant("o", 0)} depth = Add(o, f)"""
    found = model(
        body,
        kind="inverse_affine",
        reads=f"float[N, 3, H, W] image, {type_} camera",
        input={"size": {"fixed": [3, 2]}},
        intrinsics={"name": "camera", "form": form, "pixel_centres": pixel_centres},
    )
    (prediction,) = found.predict(RGB, [camera(6, 4, 100.0, 80.0)])
    weighed = flat @ torch.arange(1, len(flat) + 1).double()
    assert prediction.values.mean().item() == pytest.approx(float(weighed), rel=1e-6)


@pytest.mark.parametrize("type_", ["float[N, 3, H, W]", "float[3, H, W]"])
def test_the_camera_as_unit_rays(model, camera, type_: str) -> None:
    """Metres along the ray times its z: what the networks give that take rays. The padding has rays too."""
    body = """rank4 = Constant<value_ints=[-1, 3, 6, 6]>() rays4 = Reshape(rays, rank4)
        end = Constant<value_ints=[3]>() two = Constant<value_ints=[2]>() z = Slice(rays4, two, end, axis)
        seven = Constant<value_float=7.0>() depth = Mul(z, seven)"""
    found = model(
        body,
        "float[N, 1, 6, 6] depth",
        f"float[N, 3, 6, 6] image, {type_} rays",
        input={"size": {"fit": [6, 6]}, "pad": {"where": "centre"}},
        intrinsics={"name": "rays", "form": "rays"},
    )
    assert found.spec.needs_camera
    for lens in (camera(6, 4, 5.0, 4.0), Camera(6, 4, 5.0, 4.0, 2.4, 1.6, "plumb_bob", (-0.1, 0.02, 0.0, 0.0, 0.0))):
        (prediction,) = found.predict(RGB, [lens])
        ahead = rays(lens)
        assert torch.allclose(prediction.values, 7 / (1 + ahead.square().sum(-1)).sqrt(), rtol=1e-6)


def test_rays_that_the_lens_does_not_have_are_those_of_a_pinhole() -> None:
    lens = Camera(640, 480, 150.0, 150.0, 319.5, 239.5, "plumb_bob", (-0.3, 0.0, 0.0, 0.0, 0.0))
    assert rays(lens).isnan().any()
    found = camera_input([lens], 4, CameraInput("rays", "rays"), RELATIVE)
    assert found.isfinite().all() and torch.allclose(found.norm(dim=1), torch.ones(1, 480, 640))


def test_rays_of_another_fixed_size_are_refused(model) -> None:
    with pytest.raises(ModelError, match=r"has the input rays \(1x3x5x6, float32\) of fixed height 5"):
        model(
            FIRST,
            reads="float[1, 3, 4, 6] image, float[1, 3, 5, 6] rays",
            gives="float[1, 1, 4, 6] depth",
            input={"size": {"fixed": [6, 4]}},
            intrinsics={"name": "rays", "form": "rays"},
        )


@pytest.mark.parametrize(("type_", "layout"), [("float[3, H, W]", "chw"), ("double[H, W, 3]", "hwc")])
def test_graphs_of_one_image(model, camera, type_: str, layout: str) -> None:
    x = layout.index("c")
    body = f"""x = Constant<value_ints=[{x}]>() some = Slice(image, first, second, x) flat = Squeeze(some, x)
        depth = Cast<to=1>(flat)"""
    dtype = "float64" if type_.startswith("double") else "float32"
    found = model(body, "float[H, W] depth", f"{type_} image", input={"layout": layout, "dtype": dtype})
    predictions = found.predict(torch.cat([RGB, RGB + 50]), [camera(6, 4)] * 2)
    assert [torch.equal(p.values, RED + 50 * i) for i, p in enumerate(predictions)] == [True, True]


def test_a_factor_and_an_offset(model, camera) -> None:
    body, outputs = constant("depth", 2500.0), {"factor": 0.001, "offset": 0.25}
    for kind, expected in (
        ("metric", 2.75),
        ("inverse_metric", 1 / 2.75),
        ("log_metric", 2.75),
        ("inverse_affine", 2.75),
    ):
        (prediction,) = model(body, kind=kind, outputs=outputs).predict(RGB, [camera(6, 4)])
        wanted = torch.tensor(expected).exp() if kind == "log_metric" else torch.tensor(expected)
        assert torch.allclose(prediction.values, wanted, rtol=1e-6)
    points = model(
        "points = Identity(image)", "float[N, 3, H, W] points", outputs={**outputs, "depth": None, "points": "points"}
    )
    assert torch.allclose(points.predict(RGB, [camera(6, 4)])[0].values, RGB[0, ..., 2] * 0.001 + 0.25, rtol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "form", "expected"),
    [
        (0.994, 1.006, "share", "clipped to 0 to 1"),
        (1.0, 4.0, "share", None),
        (1.0, 4.0, "error", ""),
        (1.0, 4.0, "odds", ""),
    ],
)
def test_a_confidence_beyond_1(model, camera, caplog, low: float, high: float, form: str, expected: str | None) -> None:
    """From `low` where red is 0 to `high` where it is 255: a little too much is clipped, with a word, else refused."""
    body = f"""{FIRST} k = Constant<value_float={(high - low) / 255}>() l = Constant<value_float={low}>()
        m = Mul(depth, k) sure = Add(m, l)"""
    wanted = {"confidence": "sure", "confidence_form": form}
    if expected is None:
        with pytest.raises(ModelError, match="'confidence_clamp', or where larger is worse 'confidence_form: error'"):
            model(body, f"{PLANE} depth, {PLANE} sure", outputs=wanted)
        return
    (prediction,) = model(body, f"{PLANE} depth, {PLANE} sure", outputs=wanted).predict(RGB, [camera(6, 4)])
    assert expected in caplog.text and bool(expected) is bool(caplog.records)
    raw = low + RED * (high - low) / 255
    right = {"share": raw.clamp(0, 1), "error": 1 / raw.clamp(min=1), "odds": 1 - 1 / raw.clamp(min=1)}[form]
    assert torch.allclose(prediction.confidence, right, rtol=1e-6)


def test_a_graph_that_was_traced_at_one_size_is_told_so(model, camera) -> None:
    """Its input is declared open, its positions are for 518x518: what a trace leaves."""
    body = "red = Slice(image, first, second, axis) s = Constant<value_ints=[1, 1, 518, 518]>() depth = Reshape(red, s)"
    rule = {"size": {"shorter_side": 518, "multiple": 14}}
    sentence = r"open, but it runs at 518x518 and not at .*size: \{fixed: \[518, 518\]\}"
    with pytest.raises(ModelError, match=sentence):
        model(body, input=rule)
    assert model(body, input={"size": {"fixed": [518, 518]}}).predict(RGB, [camera(6, 4)])[0].values.isfinite().all()


@pytest.mark.parametrize("wrong", ["fails", "mixes"])
def test_a_graph_that_was_traced_with_one_image_gets_them_one_after_another(model, camera, caplog, wrong: str) -> None:
    """Its batch is declared open: it cannot run two, or makes one of them."""
    if wrong == "fails":
        body = """red = Slice(image, first, second, axis) zero = Constant<value_ints=[0]>() flat = Squeeze(red, zero)
            depth = Unsqueeze(flat, zero)"""
    else:
        body = """red = Slice(image, first, second, axis) zero = Constant<value_ints=[0]>()
            mean = ReduceMean<axes=[0], keepdims=1>(red) nothing = Sub(red, red) depth = Add(nothing, mean)"""
    found = model(body)
    assert "declares its batch open but gives other results for two images at once" in caplog.text
    predictions = found.predict(torch.cat([RGB, RGB + 50]), [camera(6, 4)] * 2)
    assert [torch.equal(p.values, RED + 50 * i) for i, p in enumerate(predictions)] == [True, True]


@pytest.mark.parametrize("type_", ["int64", "int64[1]", "float"])
def test_constants(model, camera, type_: str) -> None:
    body = f"{FIRST.replace('depth', 'red')} t = Cast<to=1>(tokens) depth = Add(red, t)"
    found = model(body, reads=f"{IMAGE}, {type_} tokens", constants={"tokens": 1800})
    assert torch.equal(found.predict(RGB, [camera(6, 4)])[0].values, RED + 1800)


@pytest.mark.parametrize("shape", ["N, H, W", "N, H, W, 1", "N, 1, H, W", "N, 1, 1, H, W"])
def test_planes_of_any_shape(model, camera, shape: str) -> None:
    axes = {"N, H, W": [0], "N, H, W, 1": [3], "N, 1, H, W": [1], "N, 1, 1, H, W": [1, 2]}[shape]
    body = f"{FIRST.replace('depth', 'red')} flat = Squeeze(red, axis) x = Constant<value_ints={axes}>()"
    body += " depth = Unsqueeze(flat, x)" if axes != [0] else " depth = Identity(flat)"
    found = model(body, f"float[{shape}] depth")
    for count in (1, 2):
        predictions = found.predict(RGB.expand(count, -1, -1, -1), [camera(6, 4)] * count)
        assert all(torch.equal(prediction.values, RED) for prediction in predictions)


def test_an_output_that_is_no_plane(model) -> None:
    with pytest.raises(ModelError, match=r"depth depth of shape \(1, 3, 480, 640\), expected one plane of \(height"):
        model("depth = Identity(image)", "float[N, 3, H, W] depth")


def test_outputs_that_are_not_wanted_are_named(model, camera) -> None:
    found = model(
        f"{FIRST} more = Identity(image)", f"{PLANE} depth, float[N, 3, H, W] more", outputs={"ignored": ["more"]}
    )
    assert torch.equal(found.predict(RGB, [camera(6, 4)])[0].values, RED)
