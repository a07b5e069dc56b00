# SPDX-License-Identifier: Apache-2.0
"""MoGe-2 against its authors' code.

`authors.npz` holds every 20th row and column of what `MoGeModel.forward` of `moge/model/v2.py` gave (commit 0744441 of
github.com/microsoft/MoGe, CPU, torch 2.13.0, float32) with 200 tokens: CONFIG below, parameters by `weight`.
Frames: `pattern_image`, frame 0000000050.png of KITTI, rgb_00050.jpg of NYUv2.
The shift that its `infer` adds is tested on points of known scenes: those of random weights have none.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mono_depth_ros.errors import ImageError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families import moge_2
from mono_depth_ros.models.families.moge_2 import MoGe2, token_size
from mono_depth_ros.models.loading import family_of
from mono_depth_ros.models.networks.moge_2 import MoGe2Network
from mono_depth_ros.models.parity.deterministic import MOGE_2 as CONFIG
from mono_depth_ros.models.parity.deterministic import moge_head, moge_weight
from mono_depth_ros.models.runtime.engine import EngineOptions

CPU = EngineOptions(torch.device("cpu"), "torch", "fp32")


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """As the authors' code was run with."""
    with torch.device("meta"):
        network = MoGe2Network(moge_2._size(Path("x"), CONFIG)[0])
    return {name: moge_weight(name, tuple(value.shape)) for name, value in network.state_dict().items()}


@pytest.fixture
def saved(weights, tmp_path: Path) -> Callable[..., Path]:
    """`saved(changes of the configuration)`: a model.pt."""

    def make(**changes: Any) -> Path:
        buffers = {"encoder.image_mean": torch.zeros(1, 3, 1, 1), "encoder.backbone.mask_token": torch.zeros(1, 384)}
        content = {"model_config": {**copy.deepcopy(CONFIG), **changes}, "model": {**weights, **buffers}}
        torch.save(content, tmp_path / "model.pt")
        return tmp_path / "model.pt"

    return make


@pytest.fixture(scope="module")
def model(weights, tmp_path_factory) -> MoGe2:
    path = tmp_path_factory.mktemp("moge") / "model.pt"
    torch.save({"model_config": CONFIG, "model": weights}, path)
    assert family_of(path) == family_of(path.parent) == "moge_2"
    return moge_2.load(path, CPU, None)


@pytest.mark.parametrize("name", ["pattern_640x360", "pattern_250x333", "kitti", "nyu"])
def test_same_as_the_authors_code(model: MoGe2, picture, name: str) -> None:
    image = picture(name)
    authors = np.load(Path(__file__).parent / "authors.npz")
    height, width = image.shape[:2]
    with torch.inference_mode():
        outputs = model.run(*model.preprocess(torch.from_numpy(image)[None], []))
        raw = {key: value[0] for key, value in zip(model._names, outputs, strict=True)}
        found = {
            key: value[..., ::20, ::20] if value.ndim else value
            for key, value in model.maps(raw, (width, height)).items()
        }
    points, expected = found["points"].permute(1, 2, 0).numpy(), authors[f"points_{name}"]
    relative = np.abs(points / expected - 1)[..., 2]
    assert relative.max() <= 2e-4 and relative.mean() <= 2e-5
    assert np.abs(points - expected).max() <= 2e-4 * np.abs(expected).max()
    assert np.abs(found["mask"][0].numpy() - authors[f"mask_{name}"]).max() < 1e-4
    normals = torch.nn.functional.normalize(found["normals"], dim=0).permute(1, 2, 0).numpy()
    assert np.abs(normals - authors[f"normal_{name}"]).max() < 2e-3
    assert float(found["scale"]) == pytest.approx(float(authors[f"scale_{name}"][0]), rel=1e-4)


@pytest.mark.parametrize(
    ("source", "expected"), [((640, 480), (69, 52)), ((1242, 375), (109, 33)), ((480, 640), (52, 69))]
)
def test_sizes_of_3600_tokens(source: tuple[int, int], expected: tuple[int, int]) -> None:
    assert token_size(*source, 3600) == (expected[0] * 14, expected[1] * 14)
    with pytest.raises(ImageError, match="less extreme than 20 to 1"):
        token_size(2100, 100, 3600)


@pytest.mark.parametrize("fx", [300.0, 700.0])
def test_a_known_scene_by_the_calibrated_camera(model: MoGe2, fx: float) -> None:
    """A slope, as the network would give it: without its shift and in another unit, and nothing in a corner."""
    camera = Camera(120, 90, fx, fx, 59.5, 44.5)
    seen = rays(camera)
    depth = 2 + 0.01 * torch.arange(120.0).expand(90, -1)
    unit, shift = 0.5, 1.5
    z = depth / unit - shift
    xy = seen * (depth / unit)[..., None] / z[..., None]
    mask = torch.full((1, 90, 120), 5.0)
    mask[:, :10, :10] = -5.0
    raw = {
        "points": torch.cat((xy.permute(2, 0, 1), z.log()[None])),
        "mask": mask,
        "scale": torch.tensor(unit).log(),
        "normals": torch.tensor([0.0, 0.0, -3.0])[:, None, None].expand(3, 90, 120),
    }
    found = model._predicted(raw, camera)
    known = mask[0] > 0
    assert torch.equal(found.values.isnan(), ~known) and not found.values.isinf().any()
    assert torch.allclose(found.values[known], depth[known], rtol=1e-4)
    assert torch.allclose(found.normals[known], torch.tensor([0.0, 0.0, -1.0]))
    raw["points"] = torch.cat((torch.randn(2, 90, 120, generator=torch.Generator().manual_seed(0)), z.log()[None]))
    assert model._predicted(raw, camera).values.isnan().all()  # no shift explains these: unknown, and not free space


def test_what_it_says_of_itself(model: MoGe2, weights, tmp_path: Path) -> None:
    assert model.spec.needs_camera and model.spec.normals and model.spec.kind.value == "metric" and model.tokens == 200
    plain = {name: value for name, value in weights.items() if not name.startswith("normal_head.")}
    torch.save({"model_config": {**CONFIG, "normal_head": None}, "model": plain}, tmp_path / "plain.pt")
    assert not moge_2.load(tmp_path / "plain.pt", CPU, None).spec.normals


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoder": {**CONFIG["encoder"], "backbone": "dinov2_vits14_reg"}}, "has the encoder 'dinov2_vits14_reg'"),
        ({"remap_output": "sinh"}, "has remap_output 'sinh', expected 'exp'"),
        ({"scale_head": None}, "has no scale_head in its model_config, expected that of a metric MoGe-2"),
        (
            {"mask_head": {**moge_head(1), "activation": "silu"}},
            r"has \{'activation': 'silu'\} in mask_head, expected what",
        ),
        ({"neck": {**CONFIG["neck"], "resamplers": "pixel_shuffle"}}, "'resamplers'"),
        ({"points_head": {**moge_head(3), "dim_res_blocks": [16] * 5}}, "weights"),
        ({"encoder": {}}, "has a model_config that is not MoGe-2's: KeyError"),
        ({"normal_head": None}, "unexpected weights"),
    ],
)
def test_other_files(saved, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        moge_2.read(saved(**changes))


def test_weights_under_a_name_that_is_not_theirs(saved) -> None:
    entry = CATALOGUE["moge_2_large"]
    with pytest.raises(ModelError, match=r"^moge_2_large: .* million weights, expected about 331 million"):
        moge_2.load(saved(), CPU, entry)
    count = sum(value.numel() for value in torch.load(saved(), weights_only=True)["model"].values())
    with pytest.raises(ModelError, match="has normals, expected the other one"):
        moge_2.load(saved(), CPU, replace(entry, parameters_m=count / 1e6, normals=False))


def test_a_scene_seen_off_the_centre_by_the_exact_camera(saved) -> None:
    """A slope before a camera whose principal point is not in the centre: the authors' form takes it elsewhere."""
    camera = Camera(120, 90, 300.0, 310.0, 70.0, 40.0)
    depth = 2 + 0.01 * torch.arange(120.0).expand(90, -1)
    z = depth - 1.0
    xy = rays(camera) * depth[..., None] / z[..., None]
    raw = {
        "points": torch.cat((xy.permute(2, 0, 1), z.log()[None])),
        "mask": torch.full((1, 90, 120), 5.0),
        "scale": torch.tensor(0.0),
        "normals": torch.tensor([0.0, 0.0, -3.0])[:, None, None].expand(3, 90, 120),
    }
    exact, authors = (
        moge_2.load(saved(), replace(CPU, exact_camera=exact), None)._predicted(raw, camera).values
        for exact in (True, False)
    )
    assert torch.allclose(exact, depth, rtol=1e-4)
    assert float((authors / depth - 1).abs().mean()) > 0.01
