# SPDX-License-Identifier: Apache-2.0
"""Any model by one call: by its name, from a path, by a hub name."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest
import torch

import mono_depth_ros
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import DepthModel, ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.loading import FAMILIES, family_of, load_model, loader
from mono_depth_ros.prediction import DepthKind

METRIC = {"depth_estimation_type": "metric", "max_depth": 20}


def load(model: str, device: str = "cpu") -> DepthModel:
    return load_model(ModelConfig(model=model, device=device, engine="torch", precision="fp32"))


@pytest.mark.parametrize("changes", [{}, {"depth_estimation_type": "metric", "max_depth": 80}])
def test_a_directory_by_path(checkpoint, caplog, changes: dict[str, object]) -> None:
    directory = checkpoint(**changes)
    with caplog.at_level(logging.INFO):
        model = load(str(directory))
    assert (model.spec.name, model.spec.family) == (str(directory), "depth_anything_v2")
    assert model.spec.kind is (DepthKind.METRIC if changes else DepthKind.INVERSE_AFFINE)
    assert model.engine == "torch fp32" and model.device == torch.device("cpu")
    assert "licence of the weights: not stated" in caplog.text


def test_a_hub_name_from_the_cache(checkpoint, hub_cache) -> None:
    hub_cache("someone/their-depth", checkpoint())
    assert load("someone/their-depth").spec.kind is DepthKind.INVERSE_AFFINE


def test_a_catalogue_name_from_the_cache(checkpoint, hub_cache) -> None:
    entry = CATALOGUE["depth_anything_v2_metric_indoor_small"]
    hub_cache(entry.hub, checkpoint(small=True, **METRIC))
    assert load(entry.name).spec == ModelSpec.of(entry)


@pytest.mark.parametrize(
    ("name", "changes", "found", "expected"),
    [
        ("depth_anything_v2_metric_indoor_small", {}, "relative", "metric up to 20 m"),
        ("depth_anything_v2_small", METRIC, "metric up to 20 m", "relative"),
        ("depth_anything_v2_metric_outdoor_small", METRIC, "metric up to 20 m", "metric up to 80 m"),
        ("depth_anything_v2_base", {}, "an encoder 48 wide and 4 deep", "base"),
        ("depth_anything_v2_large", {"small": True}, "small", "large"),
    ],
)
def test_a_checkpoint_that_is_not_what_its_name_says(
    checkpoint, hub_cache, name: str, changes: dict[str, object], found: str, expected: str
) -> None:
    hub_cache(CATALOGUE[name].hub, checkpoint(**changes))
    with pytest.raises(ModelError, match=f"{name}: .*{found}.*, expected {expected}"):
        load(name)


def test_a_pth_by_path(tmp_path: Path) -> None:
    """It gets to the reader of the authors' files; more in depth_anything/test_official.py."""
    path = tmp_path / "depth_anything_v2_vits.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match=r"vits\.pth has no tensor pretrained\.cls_token but weight"):
        load(str(path))


def test_a_bad_device_is_found_before_the_weights(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="device is 'cuda'"):
        load("depth_anything_v2_small", "cuda")


def test_tiny_needs_neither_network_nor_transformers(monkeypatch) -> None:
    for name in ("transformers", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    assert load("tiny").spec == ModelSpec.of(CATALOGUE["tiny"])


@pytest.mark.parametrize("name", ["", "zzz", "a/b/c"])
def test_what_is_no_name_path_or_hub_name_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"is not known.*one of: tiny"):
        load(name)


def test_every_family_has_a_loader() -> None:
    assert {entry.family for entry in CATALOGUE.values()} <= set(FAMILIES)
    assert callable(loader("depth_anything_v2")) and callable(loader("tiny"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"model_type": "bert"}', "model_type 'bert', expected one of: .*depth_anything"),
        ('{"model_type": "tiny"}', "model_type 'tiny', expected one of"),
        ('{"model_type": ["depth_anything"]}', r"model_type \['depth_anything'\], expected"),
        ("[]", "holds list, expected a JSON object"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_directories_of_no_family_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=message):
        family_of(tmp_path)


def test_the_family_is_what_config_says(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "depth_anything"}))
    assert family_of(tmp_path) == "depth_anything_v2"


def test_files_and_empty_directories_of_no_family_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds nothing, expected config\.json"):
        family_of(tmp_path)
    (tmp_path / "weights.h5").write_bytes(b"1")
    with pytest.raises(ModelError, match=r"weights\.h5 is a \.h5 file, expected \.onnx, \.pth, \.pt, \.ckpt, \.bin or"):
        family_of(tmp_path / "weights.h5")


def test_an_exact_camera_is_for_families_whose_authors_take_a_rougher_one() -> None:
    with pytest.raises(ModelError, match=r"exact_camera is set, expected it for moge_2, .* only: tiny is of tiny"):
        load_model(ModelConfig(model="tiny", exact_camera=True))
    with pytest.raises(ModelError, match="exact_camera is set"):
        mono_depth_ros.load_model("tiny", exact_camera=True)
