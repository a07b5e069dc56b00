# SPDX-License-Identifier: Apache-2.0
"""Which models' input size may be stepped to hold a latency, and what is said of the steps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mono_depth_ros.config import DepthNodeConfig, ModelConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.families import depth_anything_3
from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.processing import SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.streams.input_size import InputSize

CPU = EngineOptions(torch.device("cpu"), "torch", "fp32")
CAMERA = Camera.from_fov((160, 120), 60)
RGB = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
DA3 = depth_anything_3.PROCESSING
OPEN = {0: "batch", 2: "14*rows", 3: "14*columns"}
ON = DepthNodeConfig(target_latency=0.05)


class Plane(torch.nn.Module):
    def forward(self, image):
        return image.mean(dim=1) + 1, image.mean(dim=1)


def declared(processing=DA3, axes=OPEN) -> DeclaredModel:
    network = Network("da3", Plane(), ("image",), ("depth", "sky"), (axes,))
    return DeclaredModel(ModelSpec("da3", "depth_anything_3", DepthKind.METRIC, "none"), network, processing, CPU)


@pytest.fixture(scope="module")
def tiny() -> TinyModel:
    return TinyModel(CPU)


@pytest.mark.parametrize(
    ("processing", "axes", "engine_path", "why"),
    [
        (DA3, OPEN, "", "its metres depend on the size at which it reads an image; set scale_aligned"),
        (DA3, {0: "batch"}, "", "its graph takes images of one size"),
        (DA3, {0: "batch", 2: "14*rows"}, "", "its graph takes images of one size"),
        (DA3, {}, "", "its graph takes images of one size"),
        (replace(DA3, input=replace(DA3.input, size=SizeRule(fixed=(504, 378)))), OPEN, "", "every image at 504x378"),
        (replace(DA3, kind="metric", focal_px=None), OPEN, "da3.engine", "the engine da3.engine was built for sizes"),
    ],
)
def test_a_model_that_cannot_be_stepped_is_refused_where_a_latency_is_asked_for(processing, axes, engine_path, why):
    model, config = declared(processing, axes), ModelConfig(engine_path=engine_path)
    with pytest.raises(ConfigError, match=f"target_latency is 0.05 s, expected 0, as the input size of da3 .*{why}"):
        InputSize(model, config, ON, print)
    without = InputSize(model, config, DepthNodeConfig(), print)
    assert without.model is model and not without.prepare(160, 120, 1, 0.05)
    with pytest.raises(ConfigError, match=why):
        without.check(ON)


def test_a_scale_that_is_aligned_may_change_and_one_that_does_not_depend_on_the_size_too(tiny):
    aligned = replace(ON, scale_aligned=True)
    for model, node in ((declared(), aligned), (declared(replace(DA3, kind="metric", focal_px=None)), ON), (tiny, ON)):
        size = InputSize(model, ModelConfig(), node, print)
        assert size.model is not model and size.loaded is model


def test_a_step_is_told_with_the_change_of_the_depth(tiny):
    said = []
    size = InputSize(tiny, ModelConfig(), ON, said.append)
    pipeline = Pipeline(size.model)
    assert size.figures("") == {} and size.late("") == ""
    assert size.prepare(160, 120, 1, 0.05) and not size.prepare(160, 120, 1, 0.0)
    before = pipeline.estimate(RGB, CAMERA)
    for _ in range(15):
        size.take({"": before}, 0.2, 0.0, math.nan, 0.05)
    after = pipeline.estimate(RGB, CAMERA)
    assert len(said) == 1 and "the latency, 200 ms, exceeded target_latency, 50 ms" in said[0]
    figures = size.figures("")
    assert figures["input size"] == "128x96 of 256x192" and figures["input size steps"] == "1"
    both = before.depth.isfinite() & after.depth.isfinite()
    ratio = float((after.depth / before.depth)[both].median())
    assert ratio != 1 and f"is {ratio:.3f} times" in said[0]
    assert figures["depth after the last step / before (median)"] == f"{ratio:.3f}"
    for _ in range(15):
        size.take({"": after}, 0.2, 0.0, math.nan, 0.05)
    assert "the latency, 200 ms, misses target_latency, 50 ms, at the smallest input size too, 128x96" in size.late("")
    size.take({"": after}, 0.2, 0.0, math.nan, 0.0)
    assert size.late("") == "" and size.figures("")["input size"] == "256x192 of 256x192"
    assert torch.equal(pipeline.estimate(RGB, CAMERA).depth.nan_to_num(), before.depth.nan_to_num())
