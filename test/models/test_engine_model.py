# SPDX-License-Identifier: Apache-2.0
"""The declaration that a model runs by is the contract beside its exported graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.engine_model import DeclaredModel, contract_of, prepare
from mono_depth_ros.models.families import depth_anything_v2, depth_pro, dpt, glpn, metric3d_v2
from mono_depth_ros.models.families.onnx import spec_of
from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.families.zoedepth import ZoeDepth
from mono_depth_ros.models.processing import Processing
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.prediction import DepthKind

CPU = EngineOptions(torch.device("cpu"), "torch", "fp32")
RGB = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 200, 310, 3), dtype=np.uint8))
CAMERA = Camera(310, 200, 250.0, 260.0, 150.0, 102.0)
DECLARED = {
    "depth_anything_v2_small": depth_anything_v2.RELATIVE,
    "depth_anything_v2_metric_outdoor_base": depth_anything_v2.processing_of(80.0),
    "metric3d_v2_small": metric3d_v2.PROCESSING,
    "dpt_large": dpt.PROCESSING,
    "glpn_nyu": glpn.PROCESSING,
    "depth_pro": depth_pro.processing_of(depth_pro.IMAGE),
}


class First(nn.Module):
    """Gives a plane that follows from the image, and every further output that is wanted."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        plane = image.mean(dim=1, keepdim=True).abs() + 1
        planes = {"confidence": plane / 10, "normals": torch.cat((image, plane), dim=1)}
        return tuple(planes.get(name, plane) for name in self.names)


def model_of(name: str, processing: Processing) -> DeclaredModel:
    outputs = tuple(processing.outputs.wanted.values())
    network = Network(name, First(outputs), processing.input_names, outputs, ({0: "batch"},))
    return DeclaredModel(ModelSpec.of(CATALOGUE[name]), network, processing, CPU)


@pytest.mark.parametrize("name", DECLARED)
def test_the_contract_is_the_declaration(name: str, tmp_path) -> None:
    processing = DECLARED[name]
    model = model_of(name, processing)
    contract = contract_of(model)
    contract.check("contract")
    contract.write(tmp_path / "m.yaml")
    read = Processing.read(tmp_path / "m.yaml")
    assert read == contract
    spec = ModelSpec.of(CATALOGUE[name])
    found = spec_of(read, name)
    assert (found.family, found.licence, found.kind) == (spec.family, spec.licence, spec.kind)
    assert (found.needs_camera, found.confidence, found.normals) == (spec.needs_camera, spec.confidence, spec.normals)
    again = model_of(name, read)
    for one, other in zip(model.predict(RGB, [CAMERA] * 2), again.predict(RGB, [CAMERA] * 2), strict=True):
        assert torch.equal(one.values, other.values) and one.values.isfinite().all()


def test_a_batch_is_its_images() -> None:
    model = model_of("metric3d_v2_small", metric3d_v2.PROCESSING)
    other = Camera(310, 200, 500.0, 500.0, 150.0, 102.0)
    for camera, rgb, found in zip((CAMERA, other), RGB, model.predict(RGB, [CAMERA, other]), strict=True):
        (alone,) = model.predict(rgb[None], [camera])
        torch.testing.assert_close(found.values, alone.values)
        torch.testing.assert_close(found.normals, alone.normals)


def test_an_output_that_is_no_batch_is_refused() -> None:
    model = model_of("depth_anything_v2_small", depth_anything_v2.RELATIVE)
    with pytest.raises(ModelError, match=r"gives depth of shape \(1, 518, 798\) for 2 images, expected a batch"):
        model.postprocess((torch.ones(1, 518, 798),), [CAMERA] * 2)


@pytest.mark.parametrize(
    ("cls", "name", "why"),
    [(TinyModel, "tiny", "it reads the rays of the camera"), (ZoeDepth, "zoedepth_nyu", "padded by reflection")],
)
def test_processing_that_no_contract_describes(cls: Any, name: str, why: str) -> None:
    model = object.__new__(cls)
    model.spec = ModelSpec.of(CATALOGUE[name])
    with pytest.raises(ModelError, match=f"{name} has no contract for its ONNX file, as .*{why}.*expected"):
        contract_of(model)


def test_metric3d_read_at_another_size() -> None:
    class Network3(First):
        def optimise(self) -> nn.Module:
            return self

    spec = ModelSpec("m", "metric3d_v2", DepthKind.METRIC, "none stated", needs_camera=True)
    network: Any = Network3(("depth", "confidence", "normals"))
    model = metric3d_v2.Metric3D(spec, network, CPU, (532, 308))
    assert contract_of(model).input.size.fit == (532, 308)


@pytest.mark.parametrize(("count", "batches"), [(1, [1]), (2, [2, 1]), (3, [3, 2, 1]), (6, [6, 4, 2, 1])])
def test_prepared_for_a_size_the_largest_batch_first(
    monkeypatch: pytest.MonkeyPatch, count: int, batches: list[int]
) -> None:
    # An engine of TensorRT takes minutes: the first one serves the smaller batches too.
    model = TinyModel(CPU)
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(model, "predict", lambda rgb, cameras: seen.append((*rgb.shape, len(cameras))))
    prepare(model, 64, 48, count)
    assert seen == []  # on a CPU nothing is made for a size
    model.device = torch.device("cuda", 0)
    prepare(model, 64, 48, count)
    assert seen == [(batch, 48, 64, 3, batch) for batch in batches]
