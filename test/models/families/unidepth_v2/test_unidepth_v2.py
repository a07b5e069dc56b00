# SPDX-License-Identifier: Apache-2.0
"""UniDepthV2 against its authors' code.

`authors.npz` holds every 20th row and column of the depth and the confidence that the authors' DinoVisionTransformer
and Decoder gave with the steps of `UniDepthV2.infer` and a known pinhole (commit 8d8cfe4 of their repository,
github.com/lpiccinelli-eth/UniDepth, CPU, torch 2.13.0, float32): CONFIG below, parameters by the fixture `directory`, K
of `camera_of`. Frames: `pattern_image`, frame 0000000050.png of KITTI, rgb_00050.jpg of NYUv2.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mono_depth_ros.errors import ImageError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families import unidepth_v2
from mono_depth_ros.models.families.unidepth_v2 import Shapes, UniDepthV2, place_of
from mono_depth_ros.models.loading import family_of
from mono_depth_ros.models.networks.unidepth_v2 import UniDepthV2Network
from mono_depth_ros.models.parity.deterministic import UNIDEPTH_V2 as CONFIG
from mono_depth_ros.models.parity.deterministic import unidepth_weight
from mono_depth_ros.models.runtime.engine import EngineOptions

PUBLISHED = Shapes((0.5, 2.5), (200_000, 600_000))
CPU = EngineOptions(torch.device("cpu"), "torch", "fp32")


def changed(path: str, value: Any) -> dict[str, Any]:
    """CONFIG with another value at `a.b.c`."""
    config = copy.deepcopy(CONFIG)
    *places, last = path.split(".")
    inner = config
    for place in places:
        inner = inner[place]
    inner[last] = value
    return config


def camera_of(width: int, height: int, **more: Any) -> Camera:
    return Camera(width, height, 0.9 * width, 0.95 * width, 0.48 * width, 0.53 * height, **more)


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    """As the hub has it, with some of what guesses a camera."""
    folder = tmp_path_factory.mktemp("unidepth")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    with torch.device("meta"):
        network = UniDepthV2Network(unidepth_v2._sizes(folder / "config.json")[0])
    weights = {}
    for name, value in network.state_dict().items():
        weights[name] = unidepth_weight(name, tuple(value.shape))
    weights |= {"pixel_decoder.camera_layer.latents_pos": torch.zeros(1, 4, 64)}
    weights |= {
        "pixel_encoder.register_tokens": torch.zeros(1, 1, 384),
        "pixel_encoder.mask_token": torch.zeros(1, 384),
    }
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def model(directory: Path) -> UniDepthV2:
    assert family_of(directory) == "unidepth_v2"
    return unidepth_v2.load(directory, CPU, None)


@pytest.mark.parametrize("name", ["pattern_640x360", "pattern_250x633", "kitti", "nyu"])
def test_same_as_the_authors_code(model: UniDepthV2, picture, name: str) -> None:
    """Padded at the sides, padded above and below, and not at all."""
    image = picture(name)
    authors = np.load(Path(__file__).parent / "authors.npz")
    height, width = image.shape[:2]
    (found,) = model.predict(torch.from_numpy(image)[None], [camera_of(width, height)])
    relative = np.abs(found.values[::20, ::20].numpy() / authors[f"depth_{name}"] - 1)
    assert relative.max() <= 2e-5 and relative.mean() <= 2e-6
    expected = 1 / np.maximum(authors[f"confidence_{name}"], 1)
    assert np.abs(found.confidence[::20, ::20].numpy() - expected).max() < 5e-4


@pytest.mark.parametrize(
    ("source", "padded", "left", "top", "size"),
    [
        ((640, 480), (640, 480), 0, 0, (644, 490)),
        ((1242, 375), (1242, 496), 0, 60, (1232, 490)),
        ((300, 900), (450, 900), 75, 0, (462, 910)),
    ],
)
def test_where_an_image_lies(source, padded, left: int, top: int, size) -> None:
    place = place_of(*source, PUBLISHED)
    assert (place.padded, place.left, place.top, place.size) == (padded, left, top, size)


def test_shapes(model: UniDepthV2) -> None:
    for width in range(300, 420):  # float error never takes a pixel of an image
        assert min(place_of(width, 311, PUBLISHED).padded[0] - width, place_of(width, 311, PUBLISHED).left) >= 0
    with pytest.raises(ImageError, match="less extreme than 20 to 1"):
        place_of(2100, 100, PUBLISHED)


def test_the_camera_and_its_lens_change_the_depth(model: UniDepthV2, pattern) -> None:
    rgb = torch.from_numpy(pattern(320, 240))[None]
    lens = {"model": "plumb_bob", "distortion": (-0.3, 0.1, 0.0, 0.0, 0.0)}
    found = [
        model.predict(rgb, [camera])[0].values
        for camera in (camera_of(320, 240), camera_of(320, 240, **lens), Camera(320, 240, 700.0, 700.0, 159.5, 119.5))
    ]
    assert all(values.isfinite().all() for values in found)
    assert (found[0] / found[1] - 1).abs().mean() > 1e-3 and (found[0] / found[2] - 1).abs().mean() > 1e-2
    together = model.predict(torch.cat([rgb, rgb]), [camera_of(320, 240), camera_of(320, 240, **lens)])
    assert all(torch.allclose(a.values, b, rtol=1e-4) for a, b in zip(together, found, strict=False))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (changed("model.name", "UniDepthV1"), "says model 'UniDepthV1', expected 'UniDepthV2'"),
        (changed("model.pixel_encoder.name", "convnext"), "has the encoder 'convnext', expected one of: dinov2_vits14"),
        (changed("model.pixel_encoder.num_register_tokens", 4), r"has \{'num_register_tokens': 4\}, expected what"),
        (changed("model.pixel_encoder.output_idx", [3, 6, 9, 13]), "expected four of 12 blocks"),
        (changed("model.pixel_decoder.hidden_dim", 128), "another shape than UniDepthV2 by its config.json has"),
        (changed("model.pixel_decoder", {}), "is not that of a UniDepthV2: KeyError"),
        ({"model": {"name": "UniDepthV2"}}, "is not that of a UniDepthV2: KeyError"),
    ],
)
def test_other_networks(directory: Path, tmp_path: Path, config: dict[str, Any], said: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").symlink_to(directory / "model.safetensors")
    with pytest.raises(ModelError, match=said):
        unidepth_v2.read(tmp_path)


def test_the_catalogue(directory: Path, model: UniDepthV2) -> None:
    entry = CATALOGUE["unidepth_v2_large"]
    assert entry.licence == "CC-BY-NC-4.0" and entry.commercial is False and model.spec.confidence
    with pytest.raises(ModelError, match=r"^unidepth_v2_large: .* million weights, expected about 353.8 million"):
        unidepth_v2.load(directory, CPU, entry)


def test_exact_rays_are_those_of_the_camera(directory: Path, pattern) -> None:
    """Of a camera as large as the network's input they are at its own pixels; the authors' are half a pixel off."""
    camera = camera_of(644, 490)
    own, authors = (
        unidepth_v2._unit_rays(camera, place_of(644, 490, PUBLISHED, exact), "cpu") for exact in (True, False)
    )
    expected = torch.nn.functional.normalize(torch.nn.functional.pad(rays(camera), (0, 1), value=1.0), dim=-1)
    assert torch.allclose(own.permute(1, 2, 0), expected, atol=1e-6)
    assert (authors[0] - own[0]).mean() == pytest.approx(0.5 / camera.fx, rel=0.3)
    wide = place_of(1242, 375, PUBLISHED, True)  # read at 1232x490, 60 rows of padding above
    corners = unidepth_v2._unit_rays(camera_of(1242, 375), wide, "cpu")[:, [0, -1], [0, -1]]
    u, v = (0.5 * 1242 / 1232 - 0.5, 1242 - 0.5 - 0.5 * 1242 / 1232), (0.5 * 496 / 490 - 60.5, 435.5 - 0.5 * 496 / 490)
    x, y = (np.array(u) - 0.48 * 1242) / (0.9 * 1242), (np.array(v) - 0.53 * 375) / (0.95 * 1242)
    assert np.allclose(corners[:2] / corners[2], [x, y], atol=1e-5)
    rgb = torch.from_numpy(pattern(320, 240))[None]
    one, other = (
        unidepth_v2.load(directory, replace(CPU, exact_camera=exact), None)
        .predict(rgb, [camera_of(320, 240)])[0]
        .values
        for exact in (True, False)
    )
    assert 1e-5 < float((one / other - 1).abs().mean()) < 0.05
