# SPDX-License-Identifier: Apache-2.0
"""Models whose input size is stepped: which there are, what sizes they have, and that the network sees them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.families import depth_anything_v2, depth_pro, dpt, glpn, metric3d_v2, tiny, zoedepth
from mono_depth_ros.models.preprocess import layout
from mono_depth_ros.models.processing import SizeRule
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.stepped import SteppedModel

CPU = EngineOptions(torch.device("cpu"), "torch", "fp32")
CAMERA = Camera.from_fov((640, 480), 60)
RGB = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 480, 640, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def small() -> tiny.TinyModel:
    return tiny.TinyModel(CPU)


@pytest.fixture(scope="module")
def transformer(checkpoint) -> depth_anything_v2.DepthAnythingV2:
    return depth_anything_v2.load(checkpoint(depth_estimation_type="metric", max_depth=20), CPU)


def sizes(model: SteppedModel, width: int, height: int) -> list[tuple[int, int]]:
    return list(dict.fromkeys(model.reads(width, height, level) for level in range(5)))


def test_sizes_fall_to_half_in_equal_ratios(small, transformer):
    assert sizes(SteppedModel(small), 640, 480) == [(256, 192), (192, 160), (160, 128), (128, 96)]
    assert sizes(SteppedModel(transformer), 640, 480) == [(686, 518), (546, 420), (434, 336), (350, 266)]
    assert sizes(SteppedModel(transformer), 1280, 720) == [(924, 518), (728, 420), (574, 336), (462, 266)]


def test_sizes_end_at_the_smallest_one_allowed(small, transformer):
    assert sizes(SteppedModel(small, 128), 640, 480) == [(256, 192), (224, 160), (192, 160), (160, 128)]
    assert min(sizes(SteppedModel(transformer, 400), 640, 480)[-1]) >= 400
    assert sizes(SteppedModel(transformer, 518), 640, 480) == [(686, 518)]
    assert sizes(SteppedModel(transformer, 4096), 640, 480) == [(686, 518)]
    assert all(min(size) >= 32 for size in sizes(SteppedModel(small, 1), 2000, 100))


@pytest.mark.parametrize("name", ["small", "transformer"])
def test_the_network_reads_the_size_of_the_level(name, request, monkeypatch):
    model = request.getfixturevalue(name)
    stepped = SteppedModel(model)
    seen = []
    run = model.run
    own = model.predict(RGB, [CAMERA])[0].values
    for item in [model, *stepped.sizes(640, 480)]:
        monkeypatch.setattr(item, "run", lambda *inputs: seen.append(tuple(inputs[0].shape[2:])) or run(*inputs))
    results = []
    for level in range(4):
        stepped.level = level
        results.append(stepped.predict(RGB, [CAMERA])[0].values)
        assert seen[-1] == stepped.reads(640, 480)[::-1] and results[-1].shape == (480, 640)
    assert torch.equal(results[0], own)
    assert not any(torch.equal(own, other) for other in results[1:])
    stepped.level = 0
    assert torch.equal(stepped.predict(RGB, [CAMERA])[0].values, own)


def test_every_size_is_made_ready_and_measured(small, monkeypatch):
    stepped, seen = SteppedModel(small), []
    predict = tiny.TinyModel.predict
    monkeypatch.setattr(
        tiny.TinyModel,
        "predict",
        lambda self, rgb, cameras: seen.append((len(rgb), self.reads(640, 480))) or predict(self, rgb, cameras),
    )
    assert stepped.seconds == [] and not stepped.prepared(640, 480)
    stepped.prepare(640, 480, count=2)
    assert {(batch, size) for batch in (1, 2) for size in sizes(stepped, 640, 480)} == set(seen)
    assert stepped.prepared(640, 480) and len(stepped.seconds) == 4 and min(stepped.seconds) > 0
    stepped.prepare(96, 64)
    assert len(stepped.seconds) == 4 and stepped.seconds[3] > 0


def test_an_engine_keeps_what_it_compiled_for_each_size(small):
    class Engine:
        shapes_kept = 4

        def __call__(self, *inputs):
            return small.run(*inputs)

    model = small.scaled(1.0)
    model.run = Engine()
    stepped = SteppedModel(model)
    stepped.prepare(640, 480, count=3)
    stepped.prepare(320, 200, count=3)
    assert model.run.shapes_kept == 24


def test_a_size_that_the_engine_cannot_run_is_left_out(small, caplog):
    def run(*inputs):
        if inputs[0].shape[2] < 150:
            raise ModelError("the graph has a size of its own")
        return small.run(*inputs)

    model = small.scaled(1.0)
    model.run = run
    stepped = SteppedModel(model)
    stepped.prepare(640, 480)
    assert sizes(stepped, 640, 480) == [(256, 192), (192, 160)] and len(stepped.seconds) == 2
    assert "not stepped to 160x128: the graph has a size of its own" in caplog.text


def test_sizes_of_images_without_end_cost_no_memory(small, monkeypatch):
    monkeypatch.setattr("mono_depth_ros.models.stepped._made_ready", lambda *_: 0.01)
    stepped = SteppedModel(small)
    for width in range(320, 360):
        stepped.prepare(width, 240)
    assert stepped.prepared(359, 240) and not stepped.prepared(320, 240) and len(stepped._sizes) <= 16
    assert stepped.reads(320, 240, 3) == (128, 96) and len(stepped.seconds) == 4


def test_the_change_of_the_depth_is_the_median_of_the_same_pixels(small):
    stepped = SteppedModel(small)
    own = stepped.predict(RGB, [CAMERA])[0].values
    assert stepped.change(RGB[0], CAMERA, own) == 1.0
    assert stepped.change(RGB[0], CAMERA, own / 2) == 2.0
    assert np.isnan(stepped.change(RGB[0], CAMERA, torch.full_like(own, torch.nan)))
    stepped.level = 3
    other = stepped.predict(RGB, [CAMERA])[0].values
    both = own.isfinite() & other.isfinite()
    assert stepped.change(RGB[0], CAMERA, own) == pytest.approx(float((other / own)[both].median()))


@pytest.mark.parametrize(
    ("processing", "why"),
    [
        (metric3d_v2.PROCESSING, "at 1064x616"),
        (dpt.PROCESSING, "at 384x384"),
        (glpn.PROCESSING, "at its own size"),
        (depth_pro.processing_of(depth_pro.IMAGE), "at 1536x1536"),
    ],
)
def test_declarations_of_one_size_are_refused(processing, why):
    with pytest.raises(ModelError, match=f"it reads every image {why}"):
        processing.input.size.scaled(0.5)


def test_a_family_without_a_declaration_is_refused(small):
    with pytest.raises(ModelError, match="size of its own"):
        SteppedModel(zoedepth.ZoeDepth.__new__(zoedepth.ZoeDepth))


def test_a_longer_side_is_scaled_too():
    image = replace(depth_anything_v2.RELATIVE.input, size=SizeRule(longer_side=504, multiple=14))
    half = replace(image, size=image.size.scaled(0.5))
    assert layout(640, 480, image).canvas == (504, 378) and layout(640, 480, half).canvas == (252, 196)


@pytest.mark.parametrize(
    ("kind", "depends"),
    [("metric", False), ("inverse_affine", False), ("canonical", True), ("inverse_canonical", True)],
)
def test_metres_that_follow_from_the_focal_length_depend_on_the_size(kind, depends):
    assert replace(depth_anything_v2.RELATIVE, kind=kind, focal_px=300.0).scale_depends_on_size is depends
