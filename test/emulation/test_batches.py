# SPDX-License-Identifier: Apache-2.0
"""How many recordings batches of different sizes cost: of a bag, of a node's cameras."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bag import write_bag
from fake_cuda import Runtime
from mono_depth_ros.config import BagConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models import engine_model
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.models.stepped import SteppedModel
from mono_depth_ros.pipeline import Frame, Pipeline, Shot
from mono_depth_ros.tools.bag.convert import Job, convert

SIZE = (96, 64)
CAMERA = Camera.from_fov(SIZE, 70)


class Net(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.mean(dim=1) + 1


def small(device: str) -> DeclaredModel:
    """A model that gives the brightness as metres."""
    image = ImageInput(name="image", range=1, size=SizeRule(fixed=(32, 32)), resample="linear")
    processing = Processing(kind="metric", input=image, outputs=Outputs("linear", "depth"))
    network = Network("net", Net(), ("image",), ("depth",), ({0: "batch"},))
    spec = ModelSpec.of(CATALOGUE["depth_anything_v2_metric_indoor_small"])
    return DeclaredModel(spec, network, processing, EngineOptions(torch.device(device), "torch", "fp32"))


@pytest.fixture
def model(gpu: Runtime) -> DeclaredModel:
    return small("cuda:0")


def shots(count: int) -> list[Shot]:
    generator = np.random.default_rng(0)
    return [Shot(generator.integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8), CAMERA) for _ in range(count)]


def test_a_bag_records_one_size_of_batch(gpu: Runtime, model: DeclaredModel, tmp_path: Path) -> None:
    write_bag(tmp_path / "in", 21, SIZE)
    before = len(gpu.captures)
    summary = convert(Job(tmp_path / "in", tmp_path / "out.mcap", BagConfig(outputs="depth")), model)
    assert summary["frames"] == 21 and len(gpu.captures) == before + 1, "batches of 8, 8 and 5"


def test_a_smaller_batch_gives_what_single_images_give(gpu: Runtime, model: DeclaredModel) -> None:
    full, single = Pipeline(model, full_batch=8), Pipeline(model)
    for count in (8, 5, 1):
        given = shots(count)
        found = full.estimate_batch(given)
        assert len(found) == count
        for frame, shot in zip(found, given, strict=True):
            assert isinstance(frame, Frame)
            torch.testing.assert_close(frame.depth.cpu(), single.estimate(shot.rgb, CAMERA).depth.cpu())


def test_on_a_cpu_nothing_is_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = small("cpu"), []
    predict = model.predict
    monkeypatch.setattr(model, "predict", lambda rgb, cameras: seen.append(len(rgb)) or predict(rgb, cameras))
    Pipeline(model, full_batch=8).estimate_batch(shots(3))
    assert seen == [3]


def test_six_cameras_record_nothing_once_their_size_is_known(gpu: Runtime, model: DeclaredModel) -> None:
    engine_model.prepare(model, *SIZE, 6)
    before, pipeline, choose = len(gpu.captures), Pipeline(model), random.Random(0)
    given = shots(6)
    for _ in range(50):
        pipeline.estimate_batch(choose.sample(given, choose.randint(1, 6)))
    assert len(gpu.captures) == before


def test_a_step_of_the_input_size_records_nothing(gpu: Runtime) -> None:
    """Each of a node's sizes, for any number of its cameras, is recorded when the size of the images is known."""
    fixed = small("cuda:0")
    image = replace(fixed.processing.input, size=SizeRule(shorter_side=32, multiple=4))
    network = Network("net", Net(), ("image",), ("depth",), ({0: "batch", 2: "rows", 3: "columns"},))
    options = EngineOptions(torch.device("cuda:0"), "torch", "fp32")
    stepped = SteppedModel(DeclaredModel(fixed.spec, network, replace(fixed.processing, input=image), options))
    stepped.prepare(*SIZE, 3)
    before, pipeline, given = len(gpu.captures), Pipeline(stepped), shots(3)
    sizes = [stepped.reads(*SIZE, level) for level in range(4)]
    assert len(set(sizes)) == len(stepped.seconds) == 4
    for level in (0, 3, 2, 1, 0, 2):
        stepped.level = level
        for count in (3, 1, 2):
            frames = pipeline.estimate_batch(given[:count])
            assert all(isinstance(frame, Frame) and frame.device.type == "cuda" for frame in frames)
    assert len(gpu.captures) == before
    frame = pipeline.estimate(given[0].rgb, CAMERA)
    stepped.level = 0
    assert stepped.change(frame.rgb, CAMERA, frame.prediction.values) == pytest.approx(1.0, abs=0.05)
