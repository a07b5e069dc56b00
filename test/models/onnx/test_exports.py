# SPDX-License-Identifier: Apache-2.0
"""The contract of a graph that we export makes of it what the model does that it was exported from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.depth_anything.model import DepthAnythingV2
from mono_depth_ros.models.metric3d import model as metric3d
from mono_depth_ros.models.networks.depth_anything import DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.onnx.exports import contract_of
from mono_depth_ros.models.onnx.layout import layout
from mono_depth_ros.models.onnx.postprocess import postprocess
from mono_depth_ros.models.onnx.preprocess import image_input
from mono_depth_ros.models.ported import depth_pro, dpt, glpn
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.prediction import DepthKind

RGB = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 200, 310, 3), dtype=np.uint8))
CAMERA = Camera(310, 200, 250.0, 260.0, 150.0, 102.0)

METRIC3D = ModelSpec("metric3d_v2_small", "metric3d_v2", DepthKind.METRIC, "none stated", needs_camera=True)
PORTED = {"dpt_large": (dpt, dpt.Dpt), "glpn_nyu": (glpn, glpn.Glpn), "depth_pro": (depth_pro, depth_pro.DepthPro)}


def original(name: str) -> Any:
    """The model of the catalogue, of which only the processing is wanted, with no network in it or a small one."""
    spec = METRIC3D if name == METRIC3D.name else CATALOGUE[name].spec
    if name in PORTED:
        module, cls = PORTED[name]
        model = object.__new__(cls)
        model.spec, model.processing = spec, module.PUBLISHED
        return model
    if spec.family == "metric3d_v2":
        model = object.__new__(metric3d.Metric3D)
        model.spec, model.input_size = spec, metric3d.INPUT_SIZE
        model._mean, model._std = torch.tensor(metric3d.MEAN), torch.tensor(metric3d.STD)
        return model
    network = DepthAnythingNetwork(NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 48), 32), spec.max_depth_m)
    return DepthAnythingV2(spec, network, EngineOptions(torch.device("cpu"), "torch", "fp32"))


NAMES = ["depth_anything_v2_small", "depth_anything_v2_metric_outdoor_base", "metric3d_v2_small", *PORTED]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_processing(name: str) -> None:
    model = original(name)
    spec = model.spec
    outputs = ("depth", "confidence", "normals") if spec.family == "metric3d_v2" else ("depth",)
    contract = contract_of(spec, ("image",), outputs)
    assert contract == contract_of(
        spec, ("image",), outputs, getattr(model, "processing", None), getattr(model, "input_size", None)
    )
    contract.check("contract")
    assert (contract.spec(spec.name).kind, contract.needs_camera) == (spec.kind, spec.needs_camera)
    place = layout(310, 200, contract.input)
    (expected,) = model.preprocess(RGB, [CAMERA] * 2)
    found = image_input(RGB, contract.input, place)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)

    generator = torch.Generator().manual_seed(0)
    height, width = found.shape[2:]
    values = [0.1 + 0.3 * torch.rand(2, height, width, generator=generator) for _ in outputs]
    if spec.family == "metric3d_v2":
        values = [values[0][:, None], values[1][:, None], torch.randn(2, 4, height, width, generator=generator)]
    predictions = model.postprocess(tuple(values), [CAMERA] * 2)
    for i, prediction in enumerate(predictions):
        given = dict(zip(outputs, values, strict=True))
        mine = postprocess({key: given[key][i] for key in contract.outputs.wanted}, contract, CAMERA, place)
        torch.testing.assert_close(mine.values, prediction.values, rtol=3e-4, atol=1e-6)  # OpenCV or torch
        if prediction.normals is not None:
            torch.testing.assert_close(mine.normals, prediction.normals, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "inputs", "why"),
    [
        ("tiny", ("rgb", "rays"), "it reads the rays of the camera"),
        ("zoedepth_nyu", ("pixels",), "padded by reflection"),
    ],
)
def test_processing_that_no_contract_describes(name: str, inputs: tuple[str, ...], why: str) -> None:
    with pytest.raises(ModelError, match=f"{name} has no contract for its ONNX file, as .*{why}.*expected one of"):
        contract_of(CATALOGUE[name].spec, inputs, ("depth",))


def test_processing_of_a_checkpoint_of_ones_own() -> None:
    steps = dpt.Processing(size=(256, 256), kernel="bilinear", mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0), factor=1.0)
    image = contract_of(CATALOGUE["dpt_large"].spec, ("x",), ("y",), steps).input
    assert (image.size.fixed, image.resample, image.mean, image.range) == ((256, 256), "linear", (0.1, 0.2, 0.3), 255)
    deep = contract_of(CATALOGUE["depth_pro"].spec, ("x",), ("y",), depth_pro.Processing(size=(64, 64)))
    assert (deep.focal_px, deep.input.size.fixed) == (64.0, (64, 64))
    with pytest.raises(ModelError, match=r"found factor 0.5 and multiple 1, expected 1/255 or 1"):
        contract_of(CATALOGUE["dpt_large"].spec, ("x",), ("y",), dpt.Processing(size=(256, 256), factor=0.5))


def test_metric3d_read_at_another_size() -> None:
    outputs = ("depth", "confidence", "normals")
    assert contract_of(METRIC3D, ("x",), outputs, input_size=(532, 308)).input.size.fit == (532, 308)
