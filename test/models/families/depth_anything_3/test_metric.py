# SPDX-License-Identifier: Apache-2.0
"""The metric Depth Anything 3 against its authors' code.

`authors.npz` holds every 14th row and column of the depth and the sky that the authors' classes gave at the processed
size (github.com/ByteDance-Seed/Depth-Anything-3, commit 2c21ea8, CPU, torch 2.13.0, OpenCV 4.14.0, float32 without
their autocast): DinoVisionTransformer (embed_dim 48, depth 4, num_heads 3, all four blocks tapped, the other arguments
as in `da3metric-large.yaml`) and DPT (features 32, out_channels 16 24 32 48), parameters set by `official_weight` of
../conftest.py, after the two resizes of their `InputProcessor`. Frames: `pattern_image`, frame 0000000050.png of KITTI,
rgb_00050.jpg of NYUv2.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.engine_model import DeclaredModel
from mono_depth_ros.models.families import depth_anything_3
from mono_depth_ros.models.loading import family_of
from mono_depth_ros.models.networks.depth_anything import NetworkSize
from mono_depth_ros.models.networks.depth_anything_3 import SIZES, DepthAnything3Network
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.runtime.engine import EngineOptions

NARROW = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3), last_eps=1e-5), (16, 24, 32, 48), 32)
CPU = EngineOptions(torch.device("cpu"), "torch", "fp32")


@pytest.fixture
def directory(tmp_path: Path, weight_by_name, monkeypatch) -> Path:
    """As the hub has it, with a narrow network that stands for the large one."""
    monkeypatch.setitem(SIZES, "large", NARROW)
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in DepthAnything3Network(NARROW).state_dict().items()}
    weights = {f"model.{name}": weight_by_name(name, shape).contiguous() for name, shape in shapes.items()}
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_name": "da3metric-large"}))
    return tmp_path


@pytest.fixture
def model(directory: Path) -> DeclaredModel:
    return depth_anything_3.load(directory, CPU, None)


@pytest.mark.parametrize("name", ["pattern_640x360", "pattern_250x333", "kitti", "nyu"])
def test_same_as_the_authors_code(model, picture, name: str) -> None:
    """The bars are 1e-3 at most and 1e-4 in the mean; what is reached is 1e-5 and 1e-6."""
    image = picture(name)
    authors = np.load(Path(__file__).parent / "authors.npz")
    camera = Camera.from_fov((image.shape[1], image.shape[0]), 60)
    with torch.inference_mode():
        outputs = model.run(*model.preprocess(torch.from_numpy(image)[None], [camera]))
    for key, found in zip(("depth", "sky"), outputs, strict=True):
        expected = authors[f"{key}_{name}"]
        relative = np.abs(found[0, ::14, ::14].numpy() / expected - 1)
        assert relative.max() <= 2e-4 and relative.mean() <= 1e-5, key


def test_metres_go_by_the_focal_length_at_the_processed_size(model, pattern) -> None:
    """`apply_metric_scaling`: f of 640x480 read at 504x378 is 504/640 of it; twice f is twice as far."""
    rgb = torch.from_numpy(pattern(640, 480))[None]
    near, far = (
        model.predict(rgb, [Camera(640, 480, focal, 1.1 * focal, 319.5, 239.5)])[0].values for focal in (300.0, 600.0)
    )
    depth, sky = (values[0] for values in model.run(*model.preprocess(rgb, [])))
    known = near.isfinite()
    assert torch.equal(near.isinf(), far.isinf()) and torch.allclose(far[known], 2 * near[known])
    share = float((sky > 0.3).float().mean())
    assert float(near.isinf().float().mean()) == pytest.approx(share, abs=0.02)
    factor = 300 * 1.05 * 504 / 640 / 300
    assert float(near[known].median()) == pytest.approx(float(depth[sky <= 0.3].median()) * factor, rel=0.02)
    assert model.spec.needs_camera and model.spec.kind.value == "metric"


def test_the_family_and_the_others_of_it(directory: Path) -> None:
    assert family_of(directory) == "depth_anything_3"
    for name, said in (
        ("da3-giant", r"which is not supported: expected one of: da3metric-large, da3mono-large, da3-small, da3-base"),
        (None, "says model_name None, which is none of Depth Anything 3"),
    ):
        (directory / "config.json").write_text(json.dumps({"model_name": name}))
        with pytest.raises(ModelError, match=said):
            depth_anything_3.load(directory, CPU, None)


def test_weights_of_another_network(directory: Path) -> None:
    entry = CATALOGUE["depth_anything_3_metric_large"]
    with pytest.raises(ModelError, match=r"^depth_anything_3_metric_large: .* million weights, expected about 334"):
        depth_anything_3.load(directory, CPU, entry)
    save_file({"model.backbone.pretrained.cls_token": torch.zeros(1, 1, 48)}, directory / "model.safetensors")
    with pytest.raises(ModelError, match=r"missing weights .*expected those of Depth Anything 3, da3metric-large"):
        depth_anything_3.load(directory, CPU, None)


def test_the_large_network_has_the_published_number_of_weights() -> None:
    with torch.device("meta"):
        count = sum(value.numel() for value in DepthAnything3Network(SIZES["large"]).parameters())
    assert count / 1e6 == pytest.approx(CATALOGUE["depth_anything_3_metric_large"].parameters_m, abs=0.1)


def test_the_exact_camera_takes_the_geometric_mean_of_the_focal_lengths(directory: Path, pattern) -> None:
    rgb, camera = torch.from_numpy(pattern(504, 378))[None], Camera(504, 378, 300.0, 450.0, 251.5, 188.5)
    exact, authors = (
        depth_anything_3.load(directory, replace(CPU, exact_camera=exact), None).predict(rgb, [camera])[0].values
        for exact in (True, False)
    )
    known = authors.isfinite()
    assert torch.allclose(exact[known] / authors[known], torch.tensor((300 * 450) ** 0.5 / 375), rtol=1e-5)
