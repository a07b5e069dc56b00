# SPDX-License-Identifier: Apache-2.0
"""The contracts in the documentation on graphs with the inputs and outputs of those exports, and known answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.families.onnx import OnnxModel, load
from mono_depth_ros.models.families.onnx_graph import read_graph
from mono_depth_ros.models.families.onnx_known import contract_for
from mono_depth_ros.models.processing import Processing, contract_path
from mono_depth_ros.models.runtime.engine import EngineOptions

IMAGE = torch.full((1, 375, 1242, 3), 128, dtype=torch.uint8)
CAMERA = Camera(1242, 375, 721.5, 700.0, 609.6, 172.9)
RED = "red = Slice({}, first, second, axis) zero = Sub(red, red)"
PLANE = "float[N, 1, H, W]"

Documented = Callable[..., OnnxModel]


@pytest.fixture
def documented(write, repository: Path) -> Documented:
    """`documented(heading, body, gives, reads)`: a graph under the contract below that heading."""

    def make(heading: str, *graph: str) -> OnnxModel:
        path = write(*graph)
        text = (repository / "docs" / "onnx_models.md").read_text(encoding="utf-8")
        body = re.search(rf"^### {re.escape(heading)}$.*?^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
        contract_path(path).write_text(body, encoding="utf-8")
        return load(path, EngineOptions(torch.device("cpu"), "onnxruntime", "fp32"))

    return make


def test_exports_by_their_names_alone(write) -> None:
    """What the exporters of Metric3D, of UniDepthV2 without a camera and of ros2-depth-anything-v3-trt write."""
    cases = [
        (f"{RED.format('image')} {value('pred_depth', 5)}", f"{PLANE} pred_depth", "float[1, 3, 616, 1064] image"),
        (
            f"{RED.format('image')} {value('depth', 2)} {value('sky', 0.2)}",
            f"{PLANE} depth, {PLANE} sky",
            "float[1, 3, 154, 504] image",
        ),
        (
            f"""zero = Sub(rgbs, rgbs) {value("pts_3d", 6)} {RED.format("rgbs").replace("zero =", "none =")}
            {value("confidence", 1.5).replace("(zero,", "(none,")} shape = Constant<value_ints=[1, 3, 3]>()
            k = ReduceMean<axes=[1, 2, 3], keepdims=0>(zero) intrinsics = Expand(k, shape)""",
            "float[N, 3, 462, 630] pts_3d, float[N, 1, 462, 630] confidence, float[N, 3, 3] intrinsics",
            "float[N, 3, 462, 630] rgbs",
        ),
    ]
    expected = [5 * 721.5 * min(616 / 375, 1064 / 1242) / 1000, (721.5 * 504 / 1242 + 700 * 154 / 375) / 300, 6.0]
    for graph, depth in zip(cases, expected, strict=True):
        path = write(*graph)
        contract_for(read_graph(path)).processing.write(contract_path(path))
        (found,) = load(path, EngineOptions(torch.device("cpu"), "onnxruntime", "fp32")).predict(IMAGE, [CAMERA])
        assert torch.allclose(found.values, torch.tensor(depth), rtol=1e-6)


def value(name: str, number: float) -> str:
    return f"{name}_c = Constant<value_float={float(number)}>() {name} = Add(zero, {name}_c)"


def test_metric3d_v2(documented: Documented) -> None:
    body = f"{RED.format('pixel_values')} {value('predicted_depth', 5)} {value('normal_confidence', 9)}"
    body += " predicted_normal = Neg(pixel_values)"
    gives = f"{PLANE} predicted_depth, float[N, 3, H, W] predicted_normal, {PLANE} normal_confidence"
    model = documented("Metric3D v2", body, gives, "float[N, 3, H, W] pixel_values")
    (prediction,) = model.predict(IMAGE, [CAMERA])
    expected = 5 * 721.5 * min(616 / 375, 1064 / 1242) / 1000
    assert torch.allclose(prediction.values, torch.tensor(expected), rtol=1e-6)
    assert torch.allclose(prediction.normals, torch.tensor(-(3**-0.5)), rtol=1e-4)


@pytest.mark.parametrize("score", [0.2, 0.4])
def test_depth_anything_3(documented: Documented, score: float) -> None:
    flat = "view = Squeeze(pixel_values, axis)"
    body = f"{flat} {RED.format('view')} {value('depth', 2)} {value('sky', score)}"
    model = documented(
        "Depth Anything 3, metric", body, f"{PLANE} depth, {PLANE} sky", "float[N, 1, 3, H, W] pixel_values"
    )
    (prediction,) = model.predict(IMAGE, [CAMERA])
    # read at 504 x 154: first at 504 x 152, which is 10.9 steps of 14
    focal = (721.5 * 504 / 1242 + 700 * 154 / 375) / 2
    expected = 2 * focal / 300 if score < 0.3 else torch.inf
    assert torch.allclose(prediction.values, torch.tensor(expected), rtol=1e-6)


def test_unidepth_v2(documented: Documented) -> None:
    """All lies 6 m from the camera: depth is the z of the given rays times that, and 1.5 of an error is 2/3."""
    body = f"""{RED.format("rgbs")} {value("radius", 6)} pts_3d = Mul(rays, radius) {value("confidence", 1.5)}
        shape = Constant<value_ints=[1, 3, 3]>() k = ReduceMean<axes=[1, 2, 3], keepdims=0>(zero)
        intrinsics = Expand(k, shape)"""
    gives = "float[N, 3, 462, 630] pts_3d, float[N, 1, 462, 630] confidence, float[N, 3, 3] intrinsics"
    model = documented("UniDepthV2", body, gives, "float[N, 3, 462, 630] rgbs, float[N, 3, 462, 630] rays")
    assert model.spec.needs_camera and model.spec.confidence
    (prediction,) = model.predict(IMAGE, [CAMERA])
    seen = rays(CAMERA)
    expected = 6 / (1 + seen.square().sum(-1)).sqrt()
    assert float((prediction.values / expected - 1).abs().max()) < 2e-3  # of the resize back, at the border
    assert torch.allclose(prediction.confidence, torch.tensor(2 / 3))


@pytest.mark.parametrize(("mask", "known"), [(0.9, True), (0.1, False)])
def test_moge_2(documented: Documented, mask: float, known: bool) -> None:
    """A wall at 4 units seen by a camera of 721.5 px, given at 1.5, with 3 m a unit."""
    axes = "w = Constant<value_int=3>() h = Constant<value_int=2>()"
    centred = "{0}_n = CumSum(one, {1}) {0}_m = ReduceMean<keepdims=1>({0}_n) {0} = Sub({0}_n, {0}_m)"
    body = f"""{RED.format("image")} {axes} {value("one", 1)} {value("z", 1.5)} {centred.format("u", "w")}
        {centred.format("v", "h")} f = Constant<value_float={4 / 721.5}>() x = Mul(u, f) y = Mul(v, f)
        planes = Concat<axis=1>(x, y, z) points = Transpose<perm=[0, 2, 3, 1]>(planes)
        many = Cast<to=1>(num_tokens) hundred = Constant<value_float=600.0>() three = Div(many, hundred)
        few = ReduceMean<axes=[1, 2, 3], keepdims=0>(zero) metric_scale = Add(few, three)
        {value("plane", mask)} mask = Squeeze(plane, axis)
        towards = Neg(z) sideways = Mul(x, zero) all = Concat<axis=1>(sideways, sideways, towards)
        normal = Transpose<perm=[0, 2, 3, 1]>(all)"""
    gives = "float[N, H, W, 3] points, float[N, H, W, 3] normal, float[N, H, W] mask, float[N] metric_scale"
    model = documented("MoGe-2", body, gives, "float[N, 3, H, W] image, int64 num_tokens")
    assert model.spec.needs_camera
    assert model.spec.normals
    (prediction,) = model.predict(IMAGE, [CAMERA])
    if known:
        assert torch.allclose(prediction.values, torch.tensor(4 * 3.0), rtol=1e-4)
        assert torch.equal(prediction.normals[..., 2], torch.full((375, 1242), -1.0))
    else:
        assert prediction.values.isnan().all()


@pytest.mark.parametrize(("heading", "suffix"), [("relative", "inverse_affine"), ("metric indoor", "metric")])
def test_depth_anything_v2(documented: Documented, heading: str, suffix: str) -> None:
    """The mean of the normalised channels comes back: grey of 128 everywhere."""
    body = "depth = ReduceMean<axes=[1], keepdims=0>(image)"
    model = documented(f"Depth Anything V2, {heading}", body, "float[N, H, W] depth", "float[N, 3, H, W] image")
    assert isinstance(model.processing, Processing)
    assert model.processing.kind == suffix
    (prediction,) = model.predict(IMAGE, [CAMERA])
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = sum((128 / 255 - m) / s for m, s in zip(mean, std, strict=True)) / 3
    assert torch.allclose(prediction.values, torch.tensor(expected), atol=1e-6)
