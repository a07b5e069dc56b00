# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
import torch

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models import catalogue
from mono_depth_ros.models.catalogue import CATALOGUE, find, load_model
from mono_depth_ros.prediction import DepthKind


def test_names_and_families() -> None:
    sizes = ("small", "base", "large")
    expected = {"tiny", *(f"depth_anything_v2_{size}" for size in sizes)}
    expected |= {f"depth_anything_v2_metric_{scene}_{size}" for scene in ("indoor", "outdoor") for size in sizes}
    assert set(CATALOGUE) == expected
    assert all(name == entry.spec.name for name, entry in CATALOGUE.items())
    assert ModelConfig().model in CATALOGUE


@pytest.mark.parametrize(
    ("name", "hub", "kind", "max_depth_m", "licence"),
    [
        ("tiny", "", DepthKind.METRIC, None, "Apache-2.0"),
        ("depth_anything_v2_small", "Depth-Anything-V2-Small-hf", DepthKind.INVERSE_AFFINE, None, "Apache-2.0"),
        ("depth_anything_v2_large", "Depth-Anything-V2-Large-hf", DepthKind.INVERSE_AFFINE, None, "CC-BY-NC-4.0"),
        (
            "depth_anything_v2_metric_indoor_small",
            "Depth-Anything-V2-Metric-Indoor-Small-hf",
            DepthKind.METRIC,
            20.0,
            "Apache-2.0",
        ),
        (
            "depth_anything_v2_metric_outdoor_base",
            "Depth-Anything-V2-Metric-Outdoor-Base-hf",
            DepthKind.METRIC,
            80.0,
            "CC-BY-NC-4.0",
        ),
    ],
)
def test_entries(name: str, hub: str, kind: DepthKind, max_depth_m: float | None, licence: str) -> None:
    spec = CATALOGUE[name].spec
    assert spec.hub == (f"depth-anything/{hub}" if hub else "")
    assert (spec.kind, spec.max_depth_m, spec.licence) == (kind, max_depth_m, licence)


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("tinny", "tiny"),
        ("depth-anything-v2-small", "depth_anything_v2_small"),
        ("Depth_Anything_V2_Metric_Indoor", "depth_anything_v2_metric_indoor_small"),
    ],
)
def test_unknown_names_suggest_the_nearest(name: str, close: str) -> None:
    with pytest.raises(ModelError, match=f"'{name}' is not known; did you mean .*{close}.*one of: tiny, depth_any"):
        find(name)


@pytest.mark.parametrize("name", ["", "zzz", "/no/such/directory", "./gone", "a/b/c", "../tiny"])
def test_what_is_no_name_directory_or_hub_name_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"is not known.*one of: tiny"):
        load_model(name)


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "depth_anything_v2_vits.pth"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="is a file, expected the directory"):
        load_model(str(path))


def test_a_bad_device_is_found_before_the_weights(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="device is 'cuda'"):
        load_model("depth_anything_v2_small", "cuda")


def test_tiny_needs_neither_network_nor_transformers(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setattr(catalogue, "TinyModel", lambda device: type("Fake", (), {"spec": CATALOGUE["tiny"].spec}))
    assert load_model("tiny", "cpu").spec is CATALOGUE["tiny"].spec


@pytest.mark.parametrize("changes", [{}, {"depth_estimation_type": "metric", "max_depth": 80}])
def test_a_directory_by_path(checkpoint, caplog, changes: dict[str, object]) -> None:
    directory = checkpoint(**changes)
    with caplog.at_level(logging.INFO):
        model = load_model(str(directory), "cpu")
    assert model.spec.name == str(directory)
    assert model.spec.kind is (DepthKind.METRIC if changes else DepthKind.INVERSE_AFFINE)
    assert "licence of the weights: not stated" in caplog.text


def test_a_hub_name_from_the_cache(checkpoint, hub_cache) -> None:
    hub_cache("someone/their-depth", checkpoint())
    spec = load_model("someone/their-depth", "cpu").spec
    assert (spec.name, spec.hub) == ("someone/their-depth", "someone/their-depth")


@pytest.mark.parametrize(
    ("name", "changes", "found", "expected"),
    [
        ("depth_anything_v2_metric_indoor_small", {}, "relative", "metric up to 20 m"),
        ("depth_anything_v2_small", {"depth_estimation_type": "metric", "max_depth": 20}, "up to 20 m", "relative"),
        (
            "depth_anything_v2_metric_outdoor_small",
            {"depth_estimation_type": "metric", "max_depth": 20},
            "metric up to 20 m",
            "metric up to 80 m",
        ),
        ("depth_anything_v2_base", {}, "an encoder 48 wide", "768"),
    ],
)
def test_a_checkpoint_that_is_not_what_its_name_says(
    checkpoint, hub_cache, name: str, changes: dict[str, object], found: str, expected: str
) -> None:
    hub_cache(CATALOGUE[name].spec.hub, checkpoint(**changes))
    with pytest.raises(ModelError, match=f"{name}: .*{found}.*, expected {expected}"):
        load_model(name, "cpu")


@pytest.mark.parametrize("name", ["depth_anything_v2_small", "depth-anything/Depth-Anything-V2-Small-hf"])
def test_offline_with_nothing_cached_says_what_to_do(hub_cache, name: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(name, "cpu")
    message = str(caught.value)
    assert "hf download depth-anything/Depth-Anything-V2-Small-hf --local-dir Depth-Anything-V2-Small-hf" in message
    assert "model:=/path/to/Depth-Anything-V2-Small-hf" in message
    assert "\n" not in message


def test_without_huggingface_hub_the_pip_line_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"pip install 'mono_depth_ros\[transformers\]'"):
        load_model("depth_anything_v2_small", "cpu")
