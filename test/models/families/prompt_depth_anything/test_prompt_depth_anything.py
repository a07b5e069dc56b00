# SPDX-License-Identifier: Apache-2.0
"""Prompt Depth Anything against its authors' code.

`authors.npz` holds every 20th row and column of the depth that `PromptDA('vits').predict` gave (commit b05523c of their
repository, github.com/DepthAnything/PromptDA, CPU, torch 2.13.0, float32): parameters by `official_weight` of their
names, of the second set with "second." before; images as `load_image` resizes them (INTER_AREA, sides floored to
multiples of 14, also of those up to 1008 pixels, which it leaves alone and the network refuses), prompts by `lidar`.
Frames: 0000000050.png of KITTI, rgb_00050.jpg of NYUv2.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.engine_model import contract_of
from mono_depth_ros.models.families import prompt_depth_anything
from mono_depth_ros.models.families.onnx import OnnxModel
from mono_depth_ros.models.families.onnx import load as load_onnx
from mono_depth_ros.models.families.prompt_depth_anything import PromptDepthAnything, load, read
from mono_depth_ros.models.loading import family_of
from mono_depth_ros.models.networks.depth_anything import SIZES, DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.networks.prompt_depth_anything import PromptDepthAnythingNetwork
from mono_depth_ros.models.networks.vit import VitSize
from mono_depth_ros.models.prompts import KnownDepths, example_prompt
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.tools.models.exporting import export_model

CPU = EngineOptions(torch.device("cpu"), "torch", "fp32")
NARROW = NetworkSize(VitSize(48, 4, 3, (0, 1, 2, 3)), (16, 24, 32, 48), 32)


def lidar(name: str) -> KnownDepths:
    """Steps and slopes from integers, on the grid that an image of this shape gets."""
    (height, width), low, high = ((77, 256), 3.0, 70.0) if name == "kitti" else ((192, 256), 1.0, 9.0)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    depth = low + (high - low) * ((x * 7 + y * 3) % 61 + (x // 9 + y // 7) % 3 * 20) / 100
    rows, columns = (of.ravel() for of in np.mgrid[:height, :width])
    return KnownDepths(rows, columns, depth.astype(np.float32).ravel(), (height, width))


def camera(width: int, height: int) -> Camera:
    return Camera.from_fov((width, height), 60)


@pytest.fixture(scope="module")
def weights(weight_by_name) -> Callable[..., dict[str, torch.Tensor]]:
    """`weights(size, salt)`: of a network, under the authors' names."""

    def make(size: NetworkSize, salt: str = "") -> dict[str, torch.Tensor]:
        with torch.device("meta"):
            network = PromptDepthAnythingNetwork(size)
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        return {name: weight_by_name(salt + name, shape) for name, shape in shapes.items()}

    return make


@pytest.fixture(scope="module")
def small(weights, tmp_path_factory) -> Path:
    """A directory as the hub has it."""
    folder = tmp_path_factory.mktemp("prompt")
    state = {f"pipeline.{name}": value for name, value in weights(SIZES["small"]).items()}
    state |= {"pipeline._mean": torch.zeros(1, 3, 1, 1), "pipeline.pretrained.mask_token": torch.zeros(1, 384)}
    torch.save({"state_dict": state, "epoch": 1}, folder / "model.ckpt")
    return folder


@pytest.fixture(scope="module")
def narrow(weights, tmp_path_factory) -> Path:
    """A directory in transformers' format, of a narrow network."""
    folder = tmp_path_factory.mktemp("prompt_hf")
    encoder = {"model_type": "dinov2", "hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 3}
    config = {
        "model_type": "prompt_depth_anything",
        "depth_estimation_type": "metric",
        "max_depth": 1,
        "backbone_config": encoder | {"image_size": 518, "out_indices": [1, 2, 3, 4]},
        "neck_hidden_sizes": [16, 24, 32, 48],
        "reassemble_hidden_size": 48,
        "fusion_hidden_size": 32,
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file({name: value.contiguous() for name, value in weights(NARROW).items()}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def model(narrow: Path) -> PromptDepthAnything:
    assert family_of(narrow) == "prompt_depth_anything"
    return load(narrow, CPU, None)


@pytest.mark.parametrize("salt", ["", "second."])
def test_same_as_the_authors_code(weights, small: Path, tmp_path: Path, picture, monkeypatch, salt: str) -> None:
    """Before it is resized back, which the authors do not do."""
    path = small
    if salt:
        path = tmp_path / "other.ckpt"
        torch.save(weights(SIZES["small"], salt), path)
    assert family_of(path) == "prompt_depth_anything"
    model = load(path, CPU, None)
    authors = np.load(Path(__file__).parent / "authors.npz")
    raw: list[torch.Tensor] = []
    kept = model.postprocess
    monkeypatch.setattr(model, "postprocess", lambda outputs, cameras: raw.append(outputs[0]) or kept(outputs, cameras))
    for name in ("kitti", "nyu"):
        image = picture(name)
        height, width = image.shape[:2]
        (found,) = model.predict(torch.from_numpy(image)[None], [camera(width, height)], [lidar(name)])
        relative = np.abs(raw[-1][0, ::20, ::20].numpy() / authors[salt + name] - 1)
        assert relative.max() < 2e-6 and relative.mean() < 4e-7
        assert found.values.shape == (height, width) and found.values.isfinite().all()


def test_names_and_shapes_are_the_authors() -> None:
    with torch.device("meta"):
        found = {size: PromptDepthAnythingNetwork(SIZES[size]).state_dict() for size in ("small", "large")}
        before = DepthAnythingNetwork(SIZES["small"], 1.0).state_dict()
    more = set(found["small"]) - set(before)
    assert len(more) == 4 * 3 * 2 and set(before) < set(found["small"])
    assert all(".resConfUnit_depth." in name for name in more)
    counts = {size: sum(value.numel() for value in state.values()) / 1e6 for size, state in found.items()}
    for entry in (entry for entry in CATALOGUE.values() if entry.family == "prompt_depth_anything"):
        assert entry.parameters_m == pytest.approx(counts[entry.size], abs=0.05) and entry.needs_prompt


def test_depth_follows_the_prompt_and_stays_in_its_range(model: PromptDepthAnything, pattern) -> None:
    rgb = torch.from_numpy(pattern(200, 150))[None]
    near = example_prompt(200, 150)
    far = KnownDepths(near.rows, near.columns, near.depth * 10, near.size)
    one, ten = (model.predict(rgb, [camera(200, 150)], [prompt])[0] for prompt in (near, far))
    assert one.values.min() >= near.depth.min() and one.values.max() <= near.depth.max()
    assert torch.allclose(ten.values, 10 * one.values, rtol=1e-4)
    both = model.predict(torch.cat([rgb, rgb]), [camera(200, 150)] * 2, [near, far])
    assert torch.allclose(both[0].values, one.values, rtol=1e-4)
    assert torch.allclose(both[1].values, ten.values, rtol=1e-4)
    upside_down = KnownDepths(149 - near.rows, near.columns, near.depth, near.size)
    other = model.predict(rgb, [camera(200, 150)], [upside_down])[0]
    assert (other.values / one.values - 1).abs().mean() > 1e-4


def test_where_depth_comes_to_an_end_of_the_range_it_is_not_trusted(model: PromptDepthAnything, monkeypatch) -> None:
    """A network that says 0 on the left, a half in the middle and 1 on the right."""
    share = torch.tensor([0.0, 0.5, 1.0]).repeat_interleave(70).expand(1, 140, 210)
    monkeypatch.setattr(model, "run", lambda image, prompt: (share,))
    prompt = example_prompt(210, 140)
    (found,) = model.predict(torch.zeros(1, 140, 210, 3, dtype=torch.uint8), [camera(210, 140)], [prompt])
    assert found.confidence[:, [0, 105, 209]].unique(dim=0).tolist() == [[0.0, 1.0, 0.0]]
    ends = found.values[0, [0, 209]].tolist()
    assert ends == pytest.approx([prompt.depth.min(), prompt.depth.max()], rel=1e-6)


def test_it_is_refused_without_a_prompt(model: PromptDepthAnything) -> None:
    rgb = torch.zeros(1, 28, 28, 3, dtype=torch.uint8)
    with pytest.raises(
        ModelError, match=r"needs a prompt for each image.* found 0 for 1: alignment_model of the align"
    ):
        model.predict(rgb, [camera(28, 28)])


@pytest.mark.slow
def test_exported(model: PromptDepthAnything, pattern, tmp_path: Path) -> None:
    """Its graph and contract give the same at other sizes, in ONNX Runtime and OpenVINO."""
    pytest.importorskip("onnxscript")
    path = export_model(model, "onnx", tmp_path / "exported.onnx")
    assert contract_of(model).prompt is not None
    engines = ["onnxruntime"]
    try:
        import openvino  # noqa: F401

        engines.append("openvino")
    except ImportError:
        pass
    image, prompt = torch.from_numpy(pattern(250, 100))[None], example_prompt(250, 100)
    (expected,) = model.predict(image, [camera(250, 100)], [prompt])
    for engine in engines:
        other = load_onnx(path, EngineOptions(torch.device("cpu"), engine, "fp32"))
        assert isinstance(other, OnnxModel) and other.spec.needs_prompt
        (found,) = other.predict(image, [camera(250, 100)], [prompt])
        assert torch.allclose(found.values, expected.values, rtol=1e-4)
        assert torch.equal(found.confidence, expected.confidence)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: {f"pipeline.{k}": v for k, v in w.items()} | {"x.y": torch.zeros(1)}, "has x.y beside pipeline.pre"),
        (lambda w: {k: v for k, v in w.items() if "resConfUnit_depth" not in k}, "has no layers for a prompt"),
        (lambda w: {"a.b": torch.zeros(1)}, "has no tensor pretrained.cls_token but a.b, ...: expected a model.ckpt"),
        (lambda w: w | {"pretrained.cls_token": torch.zeros(1, 1, 7)}, "an encoder 7 wide, expected one of: 384, 768"),
        (lambda w: {k: v for k, v in w.items() if "refinenet1" not in k}, "missing weights .*expected those of Prompt"),
    ],
)
def test_other_files(weights, tmp_path: Path, change, said: str) -> None:
    path = tmp_path / "model.ckpt"
    state = {"pretrained.cls_token": torch.zeros(1, 1, 384)}
    state |= {f"depth_head.scratch.refinenet{i}.resConfUnit_depth.0.bias": torch.zeros(64) for i in range(1, 5)}
    torch.save({"state_dict": change(state)}, path)
    with pytest.raises(ModelError, match=said):
        read(path)


def test_other_configurations(narrow: Path, tmp_path: Path) -> None:
    values = json.loads((narrow / "config.json").read_text())
    (tmp_path / "model.safetensors").symlink_to(narrow / "model.safetensors")
    for changes, said in (
        ({"depth_estimation_type": "relative"}, "has depth_estimation_type 'relative', expected 'metric' with max_dep"),
        ({"max_depth": 20}, "has depth_estimation_type 'metric' with max_depth 20, expected"),
        ({"model_type": "depth_anything"}, "says model_type 'depth_anything', expected 'prompt_depth_anything'"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(values | changes))
        with pytest.raises(ModelError, match=said):
            read(tmp_path)


def test_the_catalogue(small: Path, narrow: Path) -> None:
    entry = CATALOGUE["prompt_depth_anything_large"]
    with pytest.raises(ModelError, match=r"^prompt_depth_anything_large: .* 25.1 million weights, expected about 340"):
        load(small, CPU, entry)
    assert prompt_depth_anything.PROCESSING.prompt is not None and entry.checked == "shapes"
